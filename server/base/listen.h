/* The listening socket: bound to the address of --listen, or passed by systemd (socket activation). */
#ifndef SOWER_SERVER_BASE_LISTEN_H
#define SOWER_SERVER_BASE_LISTEN_H

#include <stdbool.h>

#include "core/attributes.h"
#include "core/problem.h"

enum { SOWER_ADDRESS_MAX = 128 };

struct sower_listener {
    int socket;                      /* non-blocking */
    char address[SOWER_ADDRESS_MAX]; /* HOST:PORT as in a URL, or unix:PATH */
};

/* Whether a text is HOST:PORT, with an IPv6 host in brackets; false with a problem. */
SOWER_MUST_USE bool sower_listen_check(const char *text, struct sower_problem *problem);

/* Binds and listens. `text` is as above. A name is resolved to its first address; port 0 chooses a free port.
 * If systemd passed a socket, uses that socket and ignores `text`. False with a problem. */
SOWER_MUST_USE bool sower_listen(const char *text, struct sower_listener *listener,
                                 struct sower_problem *problem);

#endif
