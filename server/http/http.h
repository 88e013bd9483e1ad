/* HTTP: connections in, exchanges through.
 *
 * libmicrohttpd serves the connections with a pool of epoll threads. Here a request becomes an exchange
 * (exchange.h): its route is looked up, its body read, its handler called, and its end written to the log. */
#ifndef SOWER_SERVER_HTTP_HTTP_H
#define SOWER_SERVER_HTTP_HTTP_H

#include <stdbool.h>

#include "core/problem.h"
#include "server/server.h"

struct sower_route;

/* The version of libmicrohttpd that runs, which may be another than the daemon was built with. */
const char *sower_http_library_version(void);

/* Serves the routes on server->listener. `routes` ends with a path of NULL and stays in use. False with a problem. */
bool sower_http_start(struct sower_server *server, const struct sower_route *routes,
                      struct sower_problem *problem);

/* Accepts no more connections; connections that are open end after their answer, and
 * server->idle_event is told when no exchange is left. */
void sower_http_drain(struct sower_server *server);

/* Cuts what is still open and ends the threads. Nothing may be suspended any more: stop first whatever
 * resumes. */
void sower_http_stop(struct sower_server *server);

#endif
