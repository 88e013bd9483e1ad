#include "server/http/route.h"

#include <string.h>

#include "proto/buffer.h"
#include "proto/token.h"
#include "server/server.h"

/* Refuses an unknown path, with a list of the paths of all routes. */
static enum MHD_Result refuse_path(struct sower_exchange *exchange)
{
    struct sower_problem problem;
    struct sower_buffer paths = {0};
    for (const struct sower_route *route = exchange->server->routes; route->path != NULL; route++) {
        const char *before = route == exchange->server->routes ? "" : route[1].path == NULL ? " and " : ", ";
        sower_buffer_text(&paths, before);
        sower_buffer_text(&paths, route->path);
    }
    if (paths.failed) {
        sower_buffer_free(&paths);
        return sower_reply_unavailable(exchange);
    }
    sower_problem_set(&problem, SOWER_PROBLEM_INVALID, "", "There is nothing at %s; there are %.*s.",
                      exchange->path, (int)paths.length, paths.text);
    sower_buffer_free(&paths);
    return sower_refuse_as(exchange, MHD_HTTP_NOT_FOUND, &problem);
}

static enum MHD_Result refuse_method(struct sower_exchange *exchange)
{
    struct sower_problem problem;
    char methods[SOWER_METHODS_SIZE];
    sower_method_list(exchange->allowed, " and ", methods);
    sower_problem_set(&problem, SOWER_PROBLEM_INVALID, "", "%s does not take %s; it takes %s.",
                      exchange->path, exchange->method_name, methods);
    return sower_refuse_as(exchange, MHD_HTTP_METHOD_NOT_ALLOWED, &problem);
}

/* The variable part of a target that matches a route's path; NULL: it does not match. */
static const char *variable_part(const char *path, const char *target, size_t *length)
{
    const char *begin = strchr(path, '{');
    if (begin == NULL || strncmp(path, target, (size_t)(begin - path)) != 0) {
        return NULL;
    }
    const char *part = target + (begin - path), *after = strchr(begin, '}') + 1;
    *length = strcspn(part, "/?");
    size_t rest = strcspn(part + *length, "?");
    return rest == strlen(after) && strncmp(part + *length, after, rest) == 0 ? part : NULL;
}

void sower_route_find(struct sower_exchange *exchange, const char *path)
{
    for (const struct sower_route *route = exchange->server->routes; route->path != NULL; route++) {
        size_t length;
        const char *part = variable_part(route->path, path, &length);
        if (part == NULL) {
            continue;
        }
        exchange->route = route;
        exchange->variable = strndup(part, length);
        if (exchange->variable != NULL) {
            exchange->variable_size = MHD_http_unescape(exchange->variable);
        }
        return;
    }
}

static const struct sower_route *find_plain_route(const struct sower_server *server, const char *path)
{
    for (const struct sower_route *route = server->routes; route->path != NULL; route++) {
        if (strcmp(route->path, path) == 0 && strchr(path, '{') == NULL) {
            return route;
        }
    }
    return NULL;
}

size_t sower_route_count(const struct sower_route *routes)
{
    size_t count = 0;
    while (routes[count].path != NULL) {
        count++;
    }
    return count;
}

void sower_route_choose(struct sower_exchange *exchange, const char *path)
{
    const struct sower_route *route =
        exchange->route != NULL ? exchange->route : find_plain_route(exchange->server, path);
    exchange->step = refuse_path;
    exchange->body_max = SOWER_REQUEST_BODY_MAX;
    exchange->scopes = SOWER_SCOPE_FREE;
    if (route == NULL) {
        exchange->route_number = sower_route_count(exchange->server->routes);
        return;
    }
    exchange->route_number = (size_t)(route - exchange->server->routes);
    exchange->allowed = route->methods;
    if (route->body_max > 0) {
        exchange->body_max = route->body_max;
    }
    const bool allowed = (route->methods & (unsigned)exchange->method) != 0;
    exchange->step = allowed ? route->handle : refuse_method;
    exchange->any_host = allowed && route->any_host;
    exchange->quiet = route->quiet;
    const bool reads = (exchange->method & (SOWER_GET | SOWER_HEAD)) != 0;
    exchange->scopes = reads && route->read_scopes != 0 ? route->read_scopes : route->scopes;
}
