/* Routes: which handler serves which paths and methods.
 *
 * The handlers define the table of routes (handlers/routes.c) and main passes it to sower_http_start. So this
 * folder does not include a handler. */
#ifndef SOWER_SERVER_HTTP_ROUTE_H
#define SOWER_SERVER_HTTP_ROUTE_H

#include <stdbool.h>
#include <stddef.h>

#include "server/http/exchange.h"

struct sower_route {
    const char *path; /* may contain "{…}": a variable part, which ends before the next "/" */
    unsigned methods; /* a set of enum sower_method */
    sower_step *handle;
    size_t body_max; /* the largest body of a request, in bytes; 0: SOWER_REQUEST_BODY_MAX */
    bool any_host;   /* a probe: accepts every host name and every origin (hosts.h) */
    /* Of which a token needs one, or SOWER_SCOPE_FREE (proto/token.h); 0: no token suffices, so that a forgotten scope
     * opens nothing. */
    unsigned scopes;
    bool quiet;           /* its successful requests are logged at level debug: something asks all the time */
    unsigned read_scopes; /* for GET and HEAD, if these differ; otherwise 0 */
};

/* Looks for a route with a variable part that matches `path`, which is a path and query before decoding. Sets
 * exchange->route and exchange->variable if there is one. `variable` is NULL then if memory has run out. */
void sower_route_find(struct sower_exchange *exchange, const char *path);

/* The number of routes in a table, which ends with the path NULL. */
size_t sower_route_count(const struct sower_route *routes);

/* Sets exchange->step to the handler for the exchange's method and for `path`, which is decoded, or to a
 * refusal. Sets what else depends on the route: `route_number`, `allowed`, `body_max`, `any_host`, `quiet`,
 * `scopes`. */
void sower_route_choose(struct sower_exchange *exchange, const char *path);

#endif
