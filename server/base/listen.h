/* The listening socket: an address of ours, or the one that systemd hands over (socket activation). */
#ifndef SOWER_SERVER_BASE_LISTEN_H
#define SOWER_SERVER_BASE_LISTEN_H

#include <stdbool.h>

#include "core/problem.h"

enum { SOWER_ADDRESS_MAX = 128 };

struct sower_listener {
    int socket;                      /* non-blocking */
    char address[SOWER_ADDRESS_MAX]; /* what is listened on, as it belongs into a URL */
};

/* Whether a text is HOST:PORT, with an IPv6 host in brackets; false with a problem. */
bool sower_listen_check(const char *text, struct sower_problem *problem);

/* Binds and listens. `text` is as above; a name is resolved, its first address is taken; port 0 takes any
 * free port. With a socket from systemd `text` is not looked at. False with a problem. */
bool sower_listen(const char *text, struct sower_listener *listener, struct sower_problem *problem);

#endif
