/* Measures the latency of HTTP requests. Usage: clients PORT TARGET CONNECTIONS SECONDS FROM COUNT
 *
 * Each connection sends the next request as soon as it has a response. TARGET has the word NUMBER once, which is
 * replaced by FROM, FROM + 1, …, and after COUNT numbers by FROM again (COUNT 0: never). Prints the number of
 * responses, and the median and the 99th percentile of the seconds from a request to the end of its response.
 * wrk also counts requests that a delayed connection could have sent, so its latencies cannot be compared with the
 * time of a flush. Responses are small: the program fails on a response that does not arrive with one read, or
 * whose status is not 200. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/times.h"

enum { CONNECTIONS_MAX = 1024, LATENCIES_MAX = 1 << 24, TEXT = 4096 };

static struct {
    const char *before, *after; /* the texts around the number in the target */
    uint64_t from, count, sent;
} target;

static struct {
    int fd;
    double sent;
} clients[CONNECTIONS_MAX];

static void fail(const char *what)
{
    fprintf(stderr, "clients: %s\n", what);
    exit(1);
}

static int connect_to(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int socket_fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    if (socket_fd < 0 || connect(socket_fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        setsockopt(socket_fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0) {
        fail("cannot connect");
    }
    return socket_fd;
}

static void send_request(size_t client)
{
    char text[TEXT];
    uint64_t number = target.from + (target.count > 0 ? target.sent % target.count : target.sent);
    target.sent++;
    int length = snprintf(text, sizeof text, "GET %s%llu%s HTTP/1.1\r\nHost: localhost\r\n\r\n",
                          target.before, (unsigned long long)number, target.after);
    if (length >= TEXT) {
        fail("the target is too long");
    }
    clients[client].sent = seconds();
    if (write(clients[client].fd, text, (size_t)length) != length) {
        fail("a request could not be sent");
    }
}

static void check_response(size_t client)
{
    static const char status[] = "HTTP/1.1 200", field[] = "\r\nContent-Length: ";
    char text[TEXT + 1];
    ssize_t got = read(clients[client].fd, text, TEXT);
    text[got < 0 ? 0 : got] = '\0'; /* headers have no NUL */
    const char *end = strstr(text, "\r\n\r\n"), *length = strstr(text, field);
    if (strncmp(text, status, strlen(status)) != 0 || end == NULL || length == NULL || length > end ||
        strtoll(length + strlen(field), NULL, 10) != got - (end + 4 - text)) {
        fail(text);
    }
}

/* Returns the number of measured latencies. */
static size_t run(int poll, size_t connections, double until, double *latencies)
{
    struct epoll_event events[CONNECTIONS_MAX];
    size_t responses = 0;
    for (size_t open = connections; open > 0;) {
        int ready = epoll_wait(poll, events, CONNECTIONS_MAX, -1);
        for (int i = 0; i < ready; i++) {
            size_t client = events[i].data.u32;
            check_response(client);
            double now = seconds();
            latencies[responses++] = now - clients[client].sent;
            if (now < until && responses + connections < LATENCIES_MAX) {
                send_request(client);
            } else {
                close(clients[client].fd);
                open--;
            }
        }
    }
    return responses;
}

int main(int argc, char **argv)
{
    static double latencies[LATENCIES_MAX];
    char *number = argc == 7 ? strstr(argv[2], "NUMBER") : NULL;
    size_t connections = argc == 7 ? strtoul(argv[3], NULL, 10) : 0;
    if (number == NULL || connections < 1 || connections > CONNECTIONS_MAX) {
        fprintf(stderr, "Usage: clients PORT TARGET CONNECTIONS SECONDS FROM COUNT\n");
        return 2;
    }
    *number = '\0';
    target.before = argv[2];
    target.after = number + strlen("NUMBER");
    target.from = strtoull(argv[5], NULL, 10);
    target.count = strtoull(argv[6], NULL, 10);
    int poll = epoll_create1(0);
    for (size_t i = 0; i < connections; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)i};
        clients[i].fd = connect_to((uint16_t)strtoul(argv[1], NULL, 10));
        if (epoll_ctl(poll, EPOLL_CTL_ADD, clients[i].fd, &event) != 0) {
            fail("epoll_ctl failed");
        }
    }
    double until = seconds() + strtod(argv[4], NULL);
    for (size_t i = 0; i < connections; i++) {
        send_request(i);
    }
    size_t responses = run(poll, connections, until, latencies);
    print_times(latencies, responses);
    return 0;
}
