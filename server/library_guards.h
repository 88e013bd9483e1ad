/* Guards against two faults of libmicrohttpd that any client can reach.
 *
 * A. Versions 1.0.0 to 1.0.8 (Debian 13 has 1.0.1): a request without any header line, whose query ends in a
 * field without "=", ends the process if it leaves less than 1,500 bytes of the connection's buffer: the
 * library then computes with the field's value, a null pointer. It parses the query right after its URI log
 * callback, which gets the target where it lies in the library's own buffer. So that callback calls
 * sower_guard_target, which takes the query away from such a target, and the request is refused as soon as it
 * is complete. No allocation can fail on the way. Others were tried: a header value that is set for the
 * connection while the path is decoded (MHD_OPTION_UNESCAPE_CALLBACK) needs memory of the connection, which
 * is scarce just then, and a call that the library documents for another place.
 *
 * B. All versions known today (0.9.75 to 1.0.10): a worker asks epoll_wait for at most 128 events, and when
 * it gets 128 it asks again, with the full timeout, before it serves any of them. With exactly 128, 256, …
 * clients ready at once it sleeps until something else happens. So the program has an epoll_wait of its own
 * (no declaration is needed here: the library finds it before libc's), which takes one event less than it is
 * asked for; the others are taken in the next turn. Other ways were: poll() instead of epoll, whose cost
 * grows with the connections; at most 126 connections a thread; a loop of our own around MHD_run, which costs
 * one more system call a turn and makes the library's thread pool, and how it ends, ours. */
#ifndef SOWER_SERVER_LIBRARY_GUARDS_H
#define SOWER_SERVER_LIBRARY_GUARDS_H

#include <stdbool.h>

/* A target up to this length cannot bring fault A about if a connection has this memory: a field takes at
 * least two bytes of the target, and 64 for the library's own entry. */
enum { SOWER_GUARD_TARGET_MAX = 512, SOWER_GUARD_MEMORY = 33 * SOWER_GUARD_TARGET_MAX + 2048 };

/* For the URI log callback, with the target as it lies in the library's buffer. True if the query was taken
 * away, and the request is to be refused. This is independent of the version, so that a request has the same
 * answer everywhere: no route of ours takes such a query. */
bool sower_guard_target(const char *target);

#endif
