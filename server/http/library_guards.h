/* Guards against two faults of libmicrohttpd that any client can trigger.
 *
 * A. Versions 1.0.0 to 1.0.8 (Debian 13 has 1.0.1). A request without header lines, whose query ends in a
 *    field without "=", crashes the process if it leaves less than 1,500 bytes of the connection's buffer:
 *    the library computes with the field's value, a null pointer. Anything before the target can fill the
 *    buffer (a long method, blanks), so the target may be short. The library parses the query right after its
 *    URI log callback, which gets the target inside the library's own buffer. So that callback cuts off such
 *    fields, with every version, and the exchange adds them again later; a target that is too long to keep is
 *    refused. No allocation of the library can fail in between. Rejected: setting a header value while the
 *    path is decoded (MHD_OPTION_UNESCAPE_CALLBACK). It needs memory of the connection, which is scarce then,
 *    and the library documents that call for another place.
 *
 * B. All versions known today (0.9.75 to 1.0.10). A worker asks epoll_wait for at most 128 events. When it
 *    gets 128, it asks again, with the full timeout, before it serves any of them. With exactly 128, 256, ...
 *    clients ready at once it sleeps until something else happens. So the program has its own epoll_wait (the
 *    library finds it before the one of libc; no declaration is needed here). It returns at most one event
 *    less than requested; the next call returns the others. Rejected: poll() instead of epoll, whose cost
 *    grows with the connections; at most 126 connections a thread; our own loop around MHD_run, which costs
 *    one more system call a turn, and we would have to write the thread pool and its shutdown. */
#ifndef SOWER_SERVER_HTTP_LIBRARY_GUARDS_H
#define SOWER_SERVER_HTTP_LIBRARY_GUARDS_H

#include <stddef.h>

/* How many bytes at the end of a target are query fields without "=", separators included. */
size_t sower_guard_tail(const char *target);

/* Cuts `tail` bytes off the end of a target in the library's buffer. */
void sower_guard_cut(const char *target, size_t tail);

#endif
