/* Guards against two faults of libmicrohttpd that any client can reach.
 *
 * A. Versions 1.0.0 to 1.0.8 (Debian 13 has 1.0.1): a request without any header line, whose query ends in a
 * field without "=", ends the process if it leaves less than 1,500 bytes of the connection's buffer: the
 * library then computes with the field's value, a null pointer. Whatever stands before the target can fill
 * the buffer (a long method, blanks), so the target may be short. The library parses the query right after
 * its URI log callback, which gets the target where it lies in the library's own buffer. So that callback
 * cuts such fields off, whatever the version, and keeps them for the exchange to add again; a long target is
 * refused instead. No allocation of the library can fail on the way. Others were tried: a header value that
 * is set for the connection while the path is decoded (MHD_OPTION_UNESCAPE_CALLBACK) needs memory of the
 * connection, which is scarce just then, and a call that the library documents for another place.
 *
 * B. All versions known today (0.9.75 to 1.0.10): a worker asks epoll_wait for at most 128 events, and when
 * it gets 128 it asks again, with the full timeout, before it serves any of them. With exactly 128, 256, …
 * clients ready at once it sleeps until something else happens. So the program has an epoll_wait of its own
 * (no declaration is needed here: the library finds it before libc's), which takes one event less than it is
 * asked for; the others are taken in the next turn. Other ways were: poll() instead of epoll, whose cost
 * grows with the connections; at most 126 connections a thread; a loop of our own around MHD_run, which costs
 * one more system call a turn and makes the library's thread pool, and how it ends, ours. */
#ifndef SOWER_SERVER_HTTP_LIBRARY_GUARDS_H
#define SOWER_SERVER_HTTP_LIBRARY_GUARDS_H

#include <stddef.h>

/* How many bytes at the end of a target are query fields without "=", with what separates them. */
size_t sower_guard_tail(const char *target);

/* Cuts so many bytes off a target that lies in the library's buffer. */
void sower_guard_cut(const char *target, size_t tail);

#endif
