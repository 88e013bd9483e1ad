/* Listeners: the sockets on which the daemon accepts connections. They are bound to the addresses of --listen,
 * or passed by systemd (socket activation).
 *
 * An address is HOST:PORT, with an IPv6 host in brackets, or unix:PATH. A Unix socket is a file (socket_file.h). */
#ifndef SOWER_SERVER_BASE_LISTEN_H
#define SOWER_SERVER_BASE_LISTEN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "core/attributes.h"
#include "core/problem.h"
#include "server/base/socket_file.h"

enum { SOWER_ADDRESS_MAX = 128, SOWER_LISTENERS_MAX = 16 };

/* The values of --listen. */
struct sower_addresses {
    size_t count;
    char texts[SOWER_LISTENERS_MAX][SOWER_ADDRESS_MAX];
};

struct sower_listener {
    int socket;                      /* non-blocking */
    char address[SOWER_ADDRESS_MAX]; /* HOST:PORT as in a URL, or unix:PATH */
    bool unix_socket;
    bool local;                    /* only this machine can reach it: a Unix socket or a loopback address */
    struct sower_socket_file file; /* of a Unix socket that this process bound */
};

struct sower_listeners {
    size_t count;
    struct sower_listener list[SOWER_LISTENERS_MAX];
};

/* Adds addresses from a text, in which commas separate them. False with a problem that names the `field`. */
SOWER_MUST_USE bool sower_addresses_add(struct sower_addresses *addresses, const char *text,
                                        const char *field, struct sower_problem *problem);

/* The host of an address without its brackets; false for a Unix socket. */
SOWER_MUST_USE bool sower_address_host(const char *address, char host[SOWER_ADDRESS_MAX]);

/* Binds to all addresses and listens. A name is resolved to its first address; port 0 chooses a free port.
 * `mode` has the permissions of Unix sockets. If systemd passed sockets, uses these and ignores the addresses.
 * False with a problem; no socket is open then. */
SOWER_MUST_USE bool sower_listen(const struct sower_addresses *addresses, mode_t mode,
                                 struct sower_listeners *listeners, struct sower_problem *problem);

/* The path of a Unix socket that this process bound, whose file it removes at the end; NULL for another listener. */
const char *sower_listener_path(const struct sower_listener *listener);

/* Closes the sockets and removes the files of Unix sockets that this process bound. A socket passed by systemd
 * stays open there and queues connections for the next daemon. */
void sower_listeners_close(struct sower_listeners *listeners);

#endif
