/* HTTP: starts and stops libmicrohttpd, which serves the connections with a pool of epoll threads: one pool for
 * connections with TLS, one for those without.
 *
 * callbacks.h has the functions that libmicrohttpd calls. They turn each request into an exchange
 * (exchange.h). */
#ifndef SOWER_SERVER_HTTP_HTTP_H
#define SOWER_SERVER_HTTP_HTTP_H

#include <stdbool.h>

#include "core/attributes.h"
#include "core/problem.h"

struct sower_listener;
struct sower_route;
struct sower_server;

/* The version of libmicrohttpd that runs. It may differ from the version that the daemon was built with. */
const char *sower_http_library_version(void);

/* Whether the connections of a listener speak TLS: those over TCP do if there are certificates. */
bool sower_http_is_tls(const struct sower_server *server, const struct sower_listener *listener);

/* Serves the routes on server->listeners, with server->certificates if they are not NULL. The last route has the path NULL; `routes` must live until
 * sower_http_stop. False with a problem. */
SOWER_MUST_USE bool sower_http_start(struct sower_server *server, const struct sower_route *routes,
                                     struct sower_problem *problem);

/* Accepts no more connections, and closes the listeners. An open connection ends after its current response. Signals server->idle_event
 * when no exchange is left. */
void sower_http_drain(struct sower_server *server);

/* Signals server->idle_event if the server is draining and has no active exchange. */
void sower_http_signal_if_idle(struct sower_server *server);

/* Cuts open connections and ends the threads. No exchange may be suspended: first stop everything that
 * resumes exchanges. */
void sower_http_stop(struct sower_server *server);

#endif
