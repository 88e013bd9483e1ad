#include "server/base/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <systemd/sd-daemon.h>

/* getaddrinfo would accept any number as a port and truncate it to 16 bits. */
static bool is_port(const char *text)
{
    size_t length = strspn(text, "0123456789");
    return length > 0 && length <= 5 && text[length] == '\0' && atoi(text) <= UINT16_MAX;
}

/* Splits "host:port" or "[host]:port". */
static bool split(const char *text, char host[SOWER_ADDRESS_MAX], const char **port)
{
    const char *colon = strrchr(text, ':');
    if (colon == NULL || !is_port(colon + 1)) {
        return false;
    }
    size_t length = (size_t)(colon - text);
    if (length >= 2 && text[0] == '[' && colon[-1] == ']') {
        text++;
        length -= 2;
    } else if (memchr(text, ':', length) != NULL) {
        return false; /* an IPv6 address without brackets: ambiguous */
    }
    if (length == 0 || length >= SOWER_ADDRESS_MAX) {
        return false;
    }
    memcpy(host, text, length);
    host[length] = '\0';
    *port = colon + 1;
    return true;
}

static int bind_address(const struct addrinfo *address)
{
    int file = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (file < 0) {
        return -1;
    }
    int on = 1;
    if (setsockopt(file, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
        bind(file, address->ai_addr, address->ai_addrlen) == 0 && listen(file, SOMAXCONN) == 0) {
        return file;
    }
    int reason = errno;
    close(file);
    errno = reason;
    return -1;
}

bool sower_listen_check(const char *text, struct sower_problem *problem)
{
    char host[SOWER_ADDRESS_MAX];
    const char *port;
    return split(text, host, &port) ||
           sower_problem_set(
               problem, SOWER_PROBLEM_INVALID, "--listen",
               "\"%s\" is not an address to listen on; write HOST:PORT, for example 127.0.0.1:7697 or "
               "[::1]:7697.",
               text);
}

static int open_socket(const char *text, struct sower_problem *problem)
{
    char host[SOWER_ADDRESS_MAX];
    const char *port;
    if (!sower_listen_check(text, problem) || !split(text, host, &port)) {
        return -1;
    }
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV}, *found;
    int code = getaddrinfo(host, port, &hints, &found);
    if (code != 0) {
        sower_problem_set(problem, SOWER_PROBLEM_INVALID, "--listen",
                          "The address %s cannot be resolved: %s.", text, gai_strerror(code));
        return -1;
    }
    int file = bind_address(found);
    if (file < 0) {
        sower_problem_set(problem, SOWER_PROBLEM_INVALID, "--listen", "Cannot listen on %s: %s.", text,
                          strerror(errno));
    }
    freeaddrinfo(found);
    return file;
}

/* The socket that systemd passed: SD_LISTEN_FDS_START; 0 if it passed no socket; -1 with a problem. */
static int inherited_socket(struct sower_problem *problem)
{
    int count = sd_listen_fds(1);
    if (count == 0) {
        return 0;
    }
    if (count != 1 || sd_is_socket(SD_LISTEN_FDS_START, AF_UNSPEC, SOCK_STREAM, 1) <= 0) {
        sower_problem_set(problem, SOWER_PROBLEM_INVALID, "LISTEN_FDS",
                          "systemd passed something other than one listening stream socket.");
        return -1;
    }
    int flags = fcntl(SD_LISTEN_FDS_START, F_GETFL);
    if (flags < 0 || fcntl(SD_LISTEN_FDS_START, F_SETFL, flags | O_NONBLOCK) != 0) {
        sower_problem_set(problem, SOWER_PROBLEM_INVALID, "LISTEN_FDS",
                          "The socket from systemd cannot be made non-blocking: %s.", strerror(errno));
        return -1;
    }
    return SD_LISTEN_FDS_START;
}

static void print_address(int file, char address[SOWER_ADDRESS_MAX])
{
    struct sockaddr_storage bound = {0};
    socklen_t size = sizeof bound;
    char host[80], port[16];
    if (getsockname(file, (struct sockaddr *)&bound, &size) == 0 && bound.ss_family == AF_UNIX) {
        const struct sockaddr_un *path = (const struct sockaddr_un *)&bound;
        snprintf(address, SOWER_ADDRESS_MAX, "unix:%.*s", (int)sizeof path->sun_path, path->sun_path);
    } else if (getnameinfo((struct sockaddr *)&bound, size, host, sizeof host, port, sizeof port,
                           NI_NUMERICHOST | NI_NUMERICSERV) == 0) {
        snprintf(address, SOWER_ADDRESS_MAX, bound.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
    } else {
        snprintf(address, SOWER_ADDRESS_MAX, "unknown");
    }
}

bool sower_listen(const char *text, struct sower_listener *listener, struct sower_problem *problem)
{
    listener->socket = inherited_socket(problem);
    if (listener->socket == 0) {
        listener->socket = open_socket(text, problem);
    }
    if (listener->socket < 0) {
        return false;
    }
    print_address(listener->socket, listener->address);
    return true;
}
