/* Clients that wait for each answer: how long they wait. Usage: clients PORT TARGET CONNECTIONS SECONDS FROM
 * COUNT
 *
 * Each connection asks anew as soon as it is answered. TARGET holds the word NUMBER once; in its place stands
 * FROM, FROM + 1, …, and FROM again after COUNT of them (0: never). Prints how many answers came, and the
 * median and the 99th percentile of the seconds from the request to the answer's end, of the answers that
 * came and of no others: wrk adds what it thinks that held-up connections would have asked meanwhile, which
 * cannot be compared with what a flush takes. Answers are small: one that does not come whole with one
 * read, or is not 200, ends the program. */
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

enum { CONNECTIONS_MAX = 1024, WAITS_MAX = 1 << 24, TEXT = 4096 };

static struct {
    const char *before, *after; /* of the number in the target */
    uint64_t from, count, asked;
} target;

static struct {
    int fd;
    double asked;
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
        fail("no connection");
    }
    return socket_fd;
}

static void ask(size_t client)
{
    char text[TEXT];
    uint64_t number = target.from + (target.count > 0 ? target.asked % target.count : target.asked);
    target.asked++;
    int length = snprintf(text, sizeof text, "GET %s%llu%s HTTP/1.1\r\nHost: localhost\r\n\r\n",
                          target.before, (unsigned long long)number, target.after);
    if (length >= TEXT) {
        fail("too long a target");
    }
    clients[client].asked = seconds();
    if (write(clients[client].fd, text, (size_t)length) != length) {
        fail("a request was not taken");
    }
}

static void check_answer(size_t client)
{
    static const char status[] = "HTTP/1.1 200", field[] = "\r\nContent-Length: ";
    char text[TEXT + 1];
    ssize_t got = read(clients[client].fd, text, TEXT);
    text[got < 0 ? 0 : got] = '\0'; /* the head has no NUL */
    const char *end = strstr(text, "\r\n\r\n"), *length = strstr(text, field);
    if (strncmp(text, status, strlen(status)) != 0 || end == NULL || length == NULL || length > end ||
        strtoll(length + strlen(field), NULL, 10) != got - (end + 4 - text)) {
        fail(text);
    }
}

/* Returns how many waits it measured. */
static size_t run(int poll, size_t connections, double until, double *waits)
{
    struct epoll_event events[CONNECTIONS_MAX];
    size_t answers = 0;
    for (size_t open = connections; open > 0;) {
        int ready = epoll_wait(poll, events, CONNECTIONS_MAX, -1);
        for (int i = 0; i < ready; i++) {
            size_t client = events[i].data.u32;
            check_answer(client);
            double now = seconds();
            waits[answers++] = now - clients[client].asked;
            if (now < until && answers + connections < WAITS_MAX) {
                ask(client);
            } else {
                close(clients[client].fd);
                open--;
            }
        }
    }
    return answers;
}

int main(int argc, char **argv)
{
    static double waits[WAITS_MAX];
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
            fail("no events");
        }
    }
    double until = seconds() + strtod(argv[4], NULL);
    for (size_t i = 0; i < connections; i++) {
        ask(i);
    }
    size_t answers = run(poll, connections, until, waits);
    print_times(waits, answers);
    return 0;
}
