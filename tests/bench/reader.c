/* The plainest reader of HTTP bodies: sends one GET, reads the answer into one buffer until the server
 * closes, and prints bytes and seconds. Usage: reader PORT TARGET [CONNECTIONS] */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BUFFER = 1 << 20, CONNECTIONS_MAX = 1024 };

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static int request(uint16_t port, const char *target)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    char text[4096];
    int length = snprintf(text, sizeof text,
                          "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", target);
    int socket_fd = socket(AF_INET, SOCK_STREAM, 0);
    if (socket_fd < 0 || length >= (int)sizeof text ||
        connect(socket_fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        write(socket_fd, text, (size_t)length) != length) {
        perror("reader");
        exit(1);
    }
    return socket_fd;
}

int main(int argc, char **argv)
{
    static char buffer[BUFFER];
    static struct pollfd polled[CONNECTIONS_MAX];
    if (argc < 3) {
        fprintf(stderr, "Usage: reader PORT TARGET [CONNECTIONS]\n");
        return 2;
    }
    long connections = argc > 3 ? strtol(argv[3], NULL, 10) : 1;
    if (connections < 1 || connections > CONNECTIONS_MAX) {
        return 2;
    }
    double start = seconds();
    for (long i = 0; i < connections; i++) {
        polled[i] =
            (struct pollfd){.fd = request((uint16_t)strtol(argv[1], NULL, 10), argv[2]), .events = POLLIN};
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
