/* Routes: which handler takes which paths and methods.
 *
 * The table of routes is made by the handlers (handlers/routes.c) and given to sower_http_start, so that nothing here knows a
 * handler by name. */
#ifndef SOWER_SERVER_HTTP_ROUTE_H
#define SOWER_SERVER_HTTP_ROUTE_H

#include <stdbool.h>
#include <stddef.h>

#include "server/http/exchange.h"

struct sower_route {
    const char *path; /* "{…}" in it stands for a variable part, which ends before the next "/" */
    unsigned methods; /* a set of enum sower_method */
    sower_step *handle;
    size_t body_max; /* the largest body of a request, in bytes; 0: SOWER_REQUEST_BODY_MAX */
    bool any_host;   /* a probe: it may come under any host name, and from any page */
};

#endif
