#include "server/base/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
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

/* The path of "unix:PATH"; NULL for another address. */
static const char *path_of(const char *address)
{
    return strncmp(address, "unix:", 5) == 0 ? address + 5 : NULL;
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

static bool check_address(const char *text, const char *field, struct sower_problem *problem)
{
    char host[SOWER_ADDRESS_MAX];
    const char *port, *path = path_of(text);
    if (path != NULL) {
        return sower_socket_file_check(path, field, problem);
    }
    return split(text, host, &port) ||
           sower_problem_set(
               problem, SOWER_PROBLEM_INVALID, field,
               "\"%s\" is not an address to listen on; write HOST:PORT, for example 127.0.0.1:7697 or "
               "[::1]:7697, or unix:PATH.",
               text);
}

bool sower_addresses_add(struct sower_addresses *addresses, const char *text, const char *field,
                         struct sower_problem *problem)
{
    for (bool more = true; more;) {
        size_t length = strcspn(text, ",");
        if (addresses->count == SOWER_LISTENERS_MAX) {
            return sower_problem_set(problem, SOWER_PROBLEM_INVALID, field,
                                     "The daemon listens on at most %d addresses.", SOWER_LISTENERS_MAX);
        }
        if (length >= SOWER_ADDRESS_MAX) {
            return sower_problem_set(
                problem, SOWER_PROBLEM_INVALID, field,
                "\"%.60s...\" is not an address to listen on: it is longer than %d bytes.", text,
                SOWER_ADDRESS_MAX - 1);
        }
        char *address = addresses->texts[addresses->count];
        memcpy(address, text, length);
        address[length] = '\0';
        if (!check_address(address, field, problem)) {
            return false;
        }
        addresses->count++;
        more = text[length] == ',';
        text += length + 1;
    }
    return true;
}

bool sower_address_host(const char *address, char host[SOWER_ADDRESS_MAX])
{
    const char *port;
    return path_of(address) == NULL && split(address, host, &port);
}

static int open_socket(const char *text, struct sower_problem *problem)
{
    char host[SOWER_ADDRESS_MAX];
    const char *port;
    if (!split(text, host, &port)) {
        return -1; /* checked before */
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

static bool is_loopback(const struct sockaddr_storage *bound)
{
    if (bound->ss_family == AF_INET) {
        return ntohl(((const struct sockaddr_in *)bound)->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    }
    if (bound->ss_family != AF_INET6) {
        return false;
    }
    const struct in6_addr *address = &((const struct sockaddr_in6 *)bound)->sin6_addr;
    return IN6_IS_ADDR_LOOPBACK(address) ||
           (IN6_IS_ADDR_V4MAPPED(address) && address->s6_addr[12] == IN_LOOPBACKNET);
}

/* Fills the members that follow from the socket's address. */
static void describe(struct sower_listener *listener)
{
    struct sockaddr_storage bound = {0};
    socklen_t size = sizeof bound;
    char host[80], port[16];
    bool known = getsockname(listener->socket, (struct sockaddr *)&bound, &size) == 0;
    listener->unix_socket = known && bound.ss_family == AF_UNIX;
    listener->local = listener->unix_socket || (known && is_loopback(&bound));
    if (listener->unix_socket) {
        const struct sockaddr_un *path = (const struct sockaddr_un *)&bound;
        snprintf(listener->address, SOWER_ADDRESS_MAX, "unix:%.*s", (int)sizeof path->sun_path,
                 path->sun_path);
    } else if (known && getnameinfo((struct sockaddr *)&bound, size, host, sizeof host, port, sizeof port,
                                    NI_NUMERICHOST | NI_NUMERICSERV) == 0) {
        snprintf(listener->address, SOWER_ADDRESS_MAX, bound.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s",
                 host, port);
    } else {
        snprintf(listener->address, SOWER_ADDRESS_MAX, "unknown");
    }
}

/* Takes a socket that systemd passed. */
static bool inherit(int file, struct sower_listener *listener, struct sower_problem *problem)
{
    int flags = fcntl(file, F_GETFL);
    if (sd_is_socket(file, AF_UNSPEC, SOCK_STREAM, 1) <= 0) {
        return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "LISTEN_FDS",
                                 "systemd passed something other than listening stream sockets.");
    }
    if (flags < 0 || fcntl(file, F_SETFL, flags | O_NONBLOCK) != 0) {
        return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "LISTEN_FDS",
                                 "The socket from systemd cannot be made non-blocking: %s.", strerror(errno));
    }
    listener->socket = file;
    return true;
}

static bool open_listener(const char *address, mode_t mode, struct sower_listener *listener,
                          struct sower_problem *problem)
{
    const char *path = path_of(address);
    listener->socket = path != NULL ? sower_socket_file_listen(path, mode, &listener->file, problem)
                                    : open_socket(address, problem);
    return listener->socket >= 0;
}

bool sower_listen(const struct sower_addresses *addresses, mode_t mode, struct sower_listeners *listeners,
                  struct sower_problem *problem)
{
    int inherited = sd_listen_fds(1);
    size_t wanted = inherited > 0 ? (size_t)inherited : addresses->count;
    *listeners = (struct sower_listeners){0};
    if (inherited < 0 || wanted > SOWER_LISTENERS_MAX) {
        return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "LISTEN_FDS",
                                 "The daemon takes at most %d sockets from systemd.", SOWER_LISTENERS_MAX);
    }
    for (; listeners->count < wanted; listeners->count++) {
        struct sower_listener *listener = &listeners->list[listeners->count];
        if (inherited > 0 ? !inherit(SD_LISTEN_FDS_START + (int)listeners->count, listener, problem)
                          : !open_listener(addresses->texts[listeners->count], mode, listener, problem)) {
            sower_listeners_close(listeners);
            return false;
        }
        describe(listener);
    }
    return true;
}

const char *sower_listener_path(const struct sower_listener *listener)
{
    return listener->file.bound ? path_of(listener->address) : NULL;
}

void sower_listeners_close(struct sower_listeners *listeners)
{
    while (listeners->count > 0) {
        struct sower_listener *listener = &listeners->list[--listeners->count];
        const char *path = sower_listener_path(listener);
        if (path != NULL) { /* first, so that no client meets a file without a daemon */
            sower_socket_file_remove(path, &listener->file);
        }
        close(listener->socket);
    }
}
