/* A minimal HTTP client. Usage: reader PORT TARGET [CONNECTIONS [REQUESTS]]
 *
 * Sends one GET on each connection, reads the response until the server closes, and prints the bytes and the
 * seconds. With CONNECTIONS 1 and REQUESTS, it sends that many requests one after the other on one connection, and
 * prints the bytes of the bodies and the seconds from the first request. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/times.h"

enum { BUFFER = 1 << 20, CONNECTIONS_MAX = 1024 };

static void send_request(int socket_fd, const char *target, const char *connection)
{
    char text[4096];
    int length = snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: %s\r\n\r\n",
                          target, connection);
    if (length >= (int)sizeof text || write(socket_fd, text, (size_t)length) != length) {
        perror("reader");
        exit(1);
    }
}

static int connect_to(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int socket_fd = socket(AF_INET, SOCK_STREAM, 0);
    if (socket_fd < 0 || connect(socket_fd, (struct sockaddr *)&address, sizeof address) != 0) {
        perror("reader");
        exit(1);
    }
    return socket_fd;
}

static size_t read_some(int socket_fd, char *buffer, size_t size)
{
    ssize_t got = read(socket_fd, buffer, size);
    if (got <= 0) {
        perror("reader");
        exit(1);
    }
    return (size_t)got;
}

/* Reads one response from a connection that stays open; returns the length of the body. */
static uint64_t read_response(int socket_fd, char *buffer)
{
    static const char field[] = "\r\nContent-Length: ";
    char *end = NULL;
    size_t got = 0;
    while (end == NULL) {
        got += read_some(socket_fd, buffer + got, BUFFER - 1 - got);
        buffer[got] = '\0'; /* headers have no NUL */
        end = strstr(buffer, "\r\n\r\n");
    }
    char *length = strstr(buffer, field);
    if (length == NULL || length > end) {
        fprintf(stderr, "reader: %s\n", buffer);
        exit(1);
    }
    uint64_t size = strtoull(length + sizeof field - 1, NULL, 10);
    for (uint64_t left = size - (got - (size_t)(end + 4 - buffer)); left > 0;) {
        left -= read_some(socket_fd, buffer, left < BUFFER ? (size_t)left : BUFFER);
    }
    return size;
}

static int read_in_turn(uint16_t port, const char *target, long requests, char *buffer)
{
    int socket_fd = connect_to(port);
    uint64_t total = 0;
    double start = seconds();
    for (long i = 0; i < requests; i++) {
        send_request(socket_fd, target, "keep-alive");
        total += read_response(socket_fd, buffer);
    }
    printf("%llu %.6f\n", (unsigned long long)total, seconds() - start);
    close(socket_fd);
    return 0;
}

int main(int argc, char **argv)
{
    static char buffer[BUFFER];
    static struct pollfd polled[CONNECTIONS_MAX];
    if (argc < 3) {
        fprintf(stderr, "Usage: reader PORT TARGET [CONNECTIONS [REQUESTS]]\n");
        return 2;
    }
    const uint16_t port = (uint16_t)strtol(argv[1], NULL, 10);
    if (argc > 4) {
        return read_in_turn(port, argv[2], strtol(argv[4], NULL, 10), buffer);
    }
    long connections = argc > 3 ? strtol(argv[3], NULL, 10) : 1;
    if (connections < 1 || connections > CONNECTIONS_MAX) {
        return 2;
    }
    double start = seconds();
    for (long i = 0; i < connections; i++) {
        polled[i] = (struct pollfd){.fd = connect_to(port), .events = POLLIN};
        send_request(polled[i].fd, argv[2], "close");
    }
    uint64_t total = 0;
    for (long open = connections; open > 0;) {
        if (poll(polled, (nfds_t)connections, -1) < 0) {
            return 1;
        }
        for (long i = 0; i < connections; i++) {
            if (polled[i].revents == 0) {
                continue;
            }
            ssize_t got = read(polled[i].fd, buffer, sizeof buffer);
            if (got <= 0) {
                close(polled[i].fd);
                polled[i].fd = -1;
                open--;
            } else {
                total += (uint64_t)got;
            }
        }
    }
    printf("%llu %.6f\n", (unsigned long long)total, seconds() - start);
    return 0;
}
