/* The listening socket: an address of ours, or the one that systemd hands over (socket activation). */
#ifndef SOWER_SERVER_LISTEN_H
#define SOWER_SERVER_LISTEN_H

#include <stdbool.h>

#include "../core/problem.h"

enum { SOWER_ADDRESS_MAX = 128 };

/* Binds and listens. `text` is HOST:PORT, with an IPv6 host in brackets; a name is resolved, its first
 * address is taken; port 0 takes any free port. With a socket from systemd `text` is not looked at. Writes
 * the address that is listened on, as it belongs into a URL, to `address`. Returns the socket, non-blocking,
 * or -1. */
int sower_listen(const char *text, char address[SOWER_ADDRESS_MAX], struct sower_problem *problem);

#endif
