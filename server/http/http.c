#include "server/http/http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <microhttpd.h>

#include "proto/buffer.h"
#include "proto/number.h"
#include "server/base/clock.h"
#include "server/base/connections.h"
#include "server/http/exchange.h"
#include "server/http/framing.h"
#include "server/http/hosts.h"
#include "server/http/library_guards.h"
#include "server/http/route.h"

enum {
    /* For a connection's request line and headers: a query string with a name of 100 KB must reach the
     * parser, which says what is wrong with it. Not more, since libmicrohttpd clears this memory between the
     * requests of a connection, which is a good part of what a small answer costs. */
    CONNECTION_MEMORY = 116 * 1024,
};

/* Of requests for whose exchange there was no memory. */
static struct sower_exchange without;

/* The refusal of an unknown path lists the paths of all routes. */
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

static enum MHD_Result refuse_body(struct sower_exchange *exchange)
{
    struct sower_problem problem;
    if (exchange->out_of_memory) {
        return sower_reply_unavailable(exchange);
    }
    if (exchange->crowded) {
        sower_problem_set(&problem, SOWER_PROBLEM_UNAVAILABLE, "",
                          "Too many large models are under way; ask again in a moment.");
        return sower_refuse(exchange, &problem);
    }
    sower_problem_set(&problem, SOWER_PROBLEM_TOO_LARGE, "",
                      "The body is larger than %zu bytes; a request for one tensor takes a few hundred, a "
                      "manifest about 80 for each of its tensors.",
                      exchange->body_max);
    return sower_refuse_as(exchange, MHD_HTTP_CONTENT_TOO_LARGE, &problem);
}

/* Where the variable part of a route's path stands in a target; NULL when the target is of another route. */
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

static void enter(const struct sower_exchange *exchange, enum sower_phase phase)
{
    if (exchange->link != NULL) {
        sower_connection_enter(exchange->link, phase);
    }
}

/* An exchange that knows its target: the path and query, cut to SOWER_TARGET_MAX + 1, and the host of a
 * target in absolute form behind it. NULL when memory has run out. */
static struct sower_exchange *new_exchange(const char *target)
{
    size_t authority_length = 0;
    const char *path = sower_framing_path(target),
               *authority = sower_framing_authority(target, &authority_length);
    const size_t path_length = strnlen(path, SOWER_TARGET_MAX + 1);
    authority_length = authority_length <= SOWER_HOST_MAX ? authority_length : 0;
    struct sower_exchange *exchange = calloc(1, sizeof *exchange + path_length + authority_length + 2);
    if (exchange == NULL) {
        return NULL;
    }
    memcpy(exchange->target, path, path_length);
    if (authority != NULL) {
        exchange->host = memcpy(exchange->target + path_length + 1, authority, authority_length);
        exchange->host_length = authority_length;
    }
    exchange->short_target = path_length <= SOWER_TARGET_MAX;
    exchange->target_length = strlen(target);
    exchange->target_fault = sower_framing_target_fault(target);
    return exchange;
}

/* The route of a path and query, if it is one with a variable part, and that part decoded. */
static void find_variable_route(struct sower_exchange *exchange, const char *path)
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

/* libmicrohttpd calls this with the target as it came, query and all, when the request line is in. The path
 * that it hands over later is decoded, where a "/" of a name is one that separates and a NUL ends it: so
 * routes with a variable part are found here, and the part is decoded by itself. */
static void *note_target(void *context, const char *target, struct MHD_Connection *connection)
{
    struct sower_exchange *exchange = new_exchange(target);
    if (exchange != NULL) {
        exchange->server = context;
        exchange->connection = connection;
        exchange->link =
            MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
        if (exchange->link != NULL) {
            exchange->client = sower_connection_client(exchange->link);
            sower_connection_set_work(exchange->link, exchange);
        }
        enter(exchange, SOWER_PHASE_HEADERS);
        find_variable_route(exchange, sower_framing_path(target));
    }
    const size_t tail = sower_guard_tail(target);
    if (exchange != NULL && exchange->short_target) {
        exchange->bare_fields =
            exchange->target + strlen(exchange->target) - sower_guard_tail(exchange->target);
    } else if (exchange != NULL && tail > 0) {
        exchange->target_fault = "The last field of the query string has no value; it takes NAME=VALUE.";
    }
    sower_guard_cut(target, tail); /* also when memory has run out */
    return exchange;
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

/* The first step of the route that fits, or a refusal. */
static void choose_step(struct sower_exchange *exchange, const char *path)
{
    const struct sower_route *route =
        exchange->route != NULL ? exchange->route : find_plain_route(exchange->server, path);
    exchange->step = refuse_path;
    exchange->body_max = SOWER_REQUEST_BODY_MAX;
    if (route == NULL) {
        return;
    }
    exchange->allowed = route->methods;
    if (route->body_max > 0) {
        exchange->body_max = route->body_max;
    }
    const bool taken = (route->methods & (unsigned)exchange->method) != 0;
    exchange->step = taken ? route->handle : refuse_method;
    exchange->any_host = taken && route->any_host;
}

/* Copies as much of a text as fits. */
static void copy_text(char *to, size_t size, const char *from)
{
    size_t length = strnlen(from, size - 1);
    memcpy(to, from, length);
    to[length] = '\0';
}

/* The headers are in. */
static void begin(struct sower_exchange *exchange, const char *path, const char *method)
{
    struct sower_server *server = exchange->server;
    path = sower_framing_path(path);
    exchange->id =
        server->first_request + atomic_fetch_add_explicit(&server->requests, 1, memory_order_relaxed);
    exchange->started = sower_clock_nanoseconds();
    exchange->method = sower_method_find(method);
    copy_text(exchange->path, sizeof exchange->path, path);
    copy_text(exchange->method_name, sizeof exchange->method_name, method);
    choose_step(exchange, path);
    if (exchange->route != NULL && exchange->variable == NULL) {
        exchange->step = sower_reply_unavailable; /* memory has run out */
    }
}

/* A body that is announced to be hopelessly large, or whose sender waits for our word, is refused unread. */
static bool refused_unread(const struct sower_exchange *exchange)
{
    if (exchange->method == SOWER_GET) {
        return false;
    }
    const char *text = sower_exchange_header(exchange, MHD_HTTP_HEADER_CONTENT_LENGTH);
    uint64_t length = text == NULL ? 0 : strtoull(text, NULL, 10);
    return length > SOWER_DISCARD_MAX ||
           (length > exchange->body_max && sower_exchange_header(exchange, MHD_HTTP_HEADER_EXPECT) != NULL);
}

struct lines {
    struct sower_framing framing;
    struct sower_problem *problem;
    bool sound;
};

static enum MHD_Result check_line(void *context, enum MHD_ValueKind kind, const char *name,
                                  size_t name_length, const char *value, size_t value_length)
{
    struct lines *lines = context;
    (void)kind;
    lines->sound =
        sower_framing_line(&lines->framing, name, name_length, value, value_length, lines->problem);
    return lines->sound ? MHD_YES : MHD_NO;
}

/* Whether the request is one that everybody on its way reads in the same way (framing.h). libmicrohttpd never
 * shows how the chunks of a body were framed, so a connection ends after a request that has some. */
static bool check_framing(struct sower_exchange *exchange, const char *path, const char *method,
                          const char *version, struct sower_problem *problem)
{
    if (exchange->target_fault != NULL) {
        return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "", "%s", exchange->target_fault);
    }
    struct lines lines = {.problem = problem, .sound = true};
    const bool in_place = strcmp(MHD_get_version(), SOWER_FRAMING_IN_PLACE) == 0;
    const union MHD_ConnectionInfo *head =
        MHD_get_connection_info(exchange->connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    if (!sower_framing_begin(&lines.framing, method, in_place ? path : NULL, exchange->target_length, version,
                             problem)) {
        return false;
    }
    MHD_get_connection_values_n(exchange->connection, MHD_HEADER_KIND, check_line, &lines);
    exchange->closes = lines.framing.transfer_encodings > 0;
    if (exchange->host == NULL) {
        exchange->host = lines.framing.host;
        exchange->host_length = lines.framing.host_length;
    }
    return lines.sound && sower_framing_end(&lines.framing, head->header_size, problem);
}

/* Whether the request is meant for this daemon and comes from no page of another site (hosts.h); probes are
 * answered under any name. 0, or the status of a refusal, with a problem. */
static unsigned check_host(const struct sower_exchange *exchange, struct sower_problem *problem)
{
    const struct sower_hosts *hosts = exchange->server->hosts;
    const char *host = exchange->host != NULL ? exchange->host : "";
    if (exchange->any_host) {
        return 0;
    }
    if (!sower_hosts_know(hosts, host, exchange->host_length)) {
        sower_problem_set(
            problem, SOWER_PROBLEM_INVALID, "Host",
            "The host %.*s is not a name of this daemon; --hosts lists names that it takes besides "
            "localhost and addresses.",
            (int)exchange->host_length, host);
        return MHD_HTTP_MISDIRECTED_REQUEST;
    }
    if (sower_hosts_foreign(hosts, host, exchange->host_length, sower_exchange_header(exchange, "Origin"),
                            sower_exchange_header(exchange, "Sec-Fetch-Site"),
                            sower_exchange_header(exchange, "Sec-Fetch-Mode"),
                            sower_exchange_header(exchange, "Sec-Fetch-Dest"))) {
        sower_problem_set(
            problem, SOWER_PROBLEM_INVALID, "Origin",
            "A page of another site is behind this request; pages of the host that is asked and of "
            "the names in --hosts may ask.");
        return MHD_HTTP_FORBIDDEN;
    }
    return 0;
}

static enum MHD_Result refuse_framing(struct sower_exchange *exchange, const struct sower_problem *problem)
{
    exchange->closes = true;
    return sower_refuse(exchange, problem);
}

/* A request for whose exchange there was no memory: it is read to its end and answered that memory has run
 * out. That its headers are in is noted by *slot, where this exchange stands for all of them. */
static enum MHD_Result handle_without(struct sower_server *server, struct MHD_Connection *connection,
                                      size_t *upload_size, void **slot)
{
    if (*slot == NULL) {
        *slot = &without;
        return MHD_YES;
    }
    if (*upload_size > 0) {
        *upload_size = 0;
        return MHD_YES;
    }
    if (atomic_load(&server->draining)) {
        return MHD_NO; /* libmicrohttpd may be asking again for what it drops */
    }
    sower_log_sentence(&server->log, SOWER_LOG_WARNING, "memory",
                       "A request found no memory and was answered so.");
    return MHD_queue_response(connection, MHD_HTTP_SERVICE_UNAVAILABLE, server->unavailable);
}

/* The request line and the headers have come in. */
static enum MHD_Result receive_head(struct sower_exchange *exchange, const char *path, const char *method,
                                    const char *version)
{
    struct sower_problem problem;
    begin(exchange, path, method);
    enter(exchange, SOWER_PHASE_BODY);
    if (!check_framing(exchange, path, method, version, &problem)) {
        return refuse_framing(exchange, &problem);
    }
    const unsigned status = check_host(exchange, &problem);
    if (status != 0) {
        return sower_refuse_as(exchange, status, &problem);
    }
    return refused_unread(exchange) ? refuse_body(exchange) : MHD_YES;
}

/* libmicrohttpd calls this when the headers are in, for each piece of a body, when the request is complete,
 * and again when a suspended connection was resumed. */
static enum MHD_Result handle(void *context, struct MHD_Connection *connection, const char *path,
                              const char *method, const char *version, const char *upload,
                              size_t *upload_size, void **slot)
{
    struct sower_exchange *exchange = *slot;
    if (exchange == NULL || exchange == &without) {
        return handle_without(context, connection, upload_size, slot);
    }
    if (exchange->step == NULL) {
        return receive_head(exchange, path, method, version);
    }
    if (*upload_size > 0) {
        size_t count = *upload_size;
        *upload_size = 0;
        return sower_exchange_body_add(exchange, upload, count) ? MHD_YES : MHD_NO;
    }
    if (!exchange->complete) {
        exchange->complete = true;
        enter(exchange, SOWER_PHASE_ANSWERING);
        atomic_fetch_add(&exchange->server->active, 1);
    }
    return exchange->discarded > 0 ? refuse_body(exchange) : exchange->step(exchange);
}

static const char *ending(enum MHD_RequestTerminationCode code)
{
    switch (code) {
    case MHD_REQUEST_TERMINATED_COMPLETED_OK:
        return "complete";
    case MHD_REQUEST_TERMINATED_TIMEOUT_REACHED:
        return "timeout";
    case MHD_REQUEST_TERMINATED_DAEMON_SHUTDOWN:
        return "stopped";
    default:
        return "cut";
    }
}

static void log_exchange(const struct sower_exchange *exchange, enum MHD_RequestTerminationCode code)
{
    struct sower_log_line line;
    char id[SOWER_REQUEST_ID_MAX];
    sower_log_begin(&line, &exchange->server->log, SOWER_LOG_INFO, "request");
    sower_number_id(exchange->id, id);
    sower_log_string(&line, "request", id);
    sower_log_string(&line, "method", exchange->method_name);
    sower_log_string(&line, "path", exchange->path);
    sower_log_number(&line, "status", exchange->status);
    if (exchange->describe != NULL) {
        exchange->describe(exchange->state, &line);
    }
    sower_log_number(&line, "bytes", exchange->bytes);
    sower_log_seconds(&line, "seconds", sower_clock_nanoseconds() - exchange->started);
    sower_log_string(&line, "end", ending(code));
    sower_log_end(&line);
}

static void tell_if_idle(struct sower_server *server)
{
    if (atomic_load(&server->draining) && atomic_load(&server->active) == 0) {
        (void)eventfd_write(server->idle_event, 1);
    }
}

static void end_exchange(struct sower_exchange *exchange, enum MHD_RequestTerminationCode code)
{
    struct sower_server *server = exchange->server;
    if (exchange->link != NULL) {
        sower_connection_set_work(exchange->link, NULL);
    }
    if (exchange->step != NULL) { /* otherwise the headers never came, or were none */
        log_exchange(exchange, code);
    }
    if (exchange->release != NULL) {
        exchange->release(exchange->state);
    }
    if (exchange->complete) {
        atomic_fetch_sub(&server->active, 1);
    }
    enter(exchange, SOWER_PHASE_WAITING);
    sower_exchange_body_free(exchange);
    free(exchange->variable);
    free(exchange);
    tell_if_idle(server);
}

static void complete(void *context, struct MHD_Connection *connection, void **slot,
                     enum MHD_RequestTerminationCode code)
{
    struct sower_exchange *exchange = *slot;
    (void)context, (void)connection;
    *slot = NULL;
    if (exchange != NULL && exchange != &without) {
        end_exchange(exchange, code);
    }
}

/* libmicrohttpd does not always say that a request has ended: not for one that it refuses twice (a chunk
 * extension that is too long, in 1.0.1), or for whose refusal it has no memory. */
static void end_what_was_begun(const struct sower_connection *link)
{
    struct sower_exchange *exchange = sower_connection_work(link);
    if (exchange != NULL) {
        end_exchange(exchange, MHD_REQUEST_TERMINATED_WITH_ERROR);
    }
}

__attribute__((format(printf, 2, 0))) static void log_library(void *context, const char *format,
                                                              va_list arguments)
{
    const struct sower_server *server = context;
    char text[512];
    vsnprintf(text, sizeof text, format, arguments);
    text[strcspn(text, "\n")] = '\0';
    sower_log_sentence(&server->log, SOWER_LOG_DEBUG, "libmicrohttpd", text);
}

/* The registry's entry is what libmicrohttpd keeps with the connection. */
static void note_connection(void *context, struct MHD_Connection *connection, void **slot,
                            enum MHD_ConnectionNotificationCode code)
{
    struct sower_server *server = context;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        int file = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
        *slot = sower_connection_begin(&server->connections, file);
    } else if (*slot != NULL) {
        end_what_was_begun(*slot);
        sower_connection_end(&server->connections, *slot);
        sower_acceptor_closed(&server->acceptor);
    }
}

const char *sower_http_library_version(void)
{
    return MHD_get_version();
}

static struct MHD_Daemon *start_library(struct sower_server *server)
{
    const struct sower_options *options = server->options;
    uint64_t threads = sower_options_threads(options->threads);
    struct MHD_OptionItem items[] = {
        {MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY, NULL},
        /* Each thread has its share; the registry sees to it that all of them together stay within the limit.
         */
        {MHD_OPTION_CONNECTION_LIMIT,
         (intptr_t)((options->connections + SOWER_CONNECTIONS_RESERVE + 1) * threads), NULL},
        {MHD_OPTION_CONNECTION_TIMEOUT, (intptr_t)options->idle_seconds, NULL},
        {MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, NULL},
        {MHD_OPTION_STRICT_FOR_CLIENT, 1, NULL}, /* as RFC 9112 has it: a request without Host is refused */
        /* A pool of one thread is no pool for libmicrohttpd, it is the default. */
        {threads > 1 ? MHD_OPTION_THREAD_POOL_SIZE : MHD_OPTION_END, (intptr_t)threads, NULL},
        {MHD_OPTION_END, 0, NULL},
    };
    /* The logger comes first: it is in force for the options that follow it. */
    return MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ITC |
                                MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG | MHD_USE_TURBO,
                            0, NULL, NULL, handle, server, MHD_OPTION_EXTERNAL_LOGGER, log_library, server,
                            MHD_OPTION_URI_LOG_CALLBACK, note_target, server, MHD_OPTION_NOTIFY_COMPLETED,
                            complete, server, MHD_OPTION_NOTIFY_CONNECTION, note_connection, server,
                            MHD_OPTION_ARRAY, items, MHD_OPTION_END);
}

static bool refuse_start(struct sower_problem *problem)
{
    return sower_problem_set(problem, SOWER_PROBLEM_UNAVAILABLE, "",
                             "The daemon is out of files, memory or threads.");
}

static struct sower_connection_limits connection_limits(const struct sower_options *options)
{
    uint64_t half = (options->connections + 1) / 2;
    return (struct sower_connection_limits){
        .limit = options->connections,
        .share = options->per_client > 0 ? options->per_client : half,
        .idle_seconds = options->idle_seconds,
        .header_seconds = options->header_seconds,
        .request_seconds = options->request_seconds,
    };
}

/* How many newcomers may stand in line: as many as connections, if there are files for them. */
static size_t line_max(const struct sower_options *options)
{
    struct rlimit files;
    uint64_t used = sower_options_files(options) - options->connections;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur <= used) {
        return 0;
    }
    uint64_t left = files.rlim_cur - used;
    return (size_t)(left < options->connections ? left : options->connections);
}

bool sower_http_start(struct sower_server *server, const struct sower_route *routes,
                      struct sower_problem *problem)
{
    server->routes = routes;
    sower_hosts_init(server->hosts, server->options->hosts, server->options->listen,
                     strncmp(server->listener.address, "unix:", 5) == 0);
    const struct sower_connection_limits limits = connection_limits(server->options);
    if (!sower_connections_start(&server->connections, &limits)) {
        return refuse_start(problem);
    }
    server->unavailable = sower_reply_make_unavailable();
    if (server->unavailable == NULL) {
        return refuse_start(problem);
    }
    server->daemon = start_library(server);
    if (server->daemon == NULL) {
        return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "",
                                 "libmicrohttpd does not start; --log-level debug says why.");
    }
    return sower_acceptor_start(&server->acceptor, server->listener.socket, server->daemon,
                                &server->connections, line_max(server->options), &server->log) ||
           refuse_start(problem);
}

/* A socket of ours is gone with that; one of systemd's holds what comes from now on for the next daemon. */
void sower_http_drain(struct sower_server *server)
{
    atomic_store(&server->draining, true);
    sower_acceptor_stop(&server->acceptor);
    close(server->listener.socket);
    tell_if_idle(server);
}

void sower_http_stop(struct sower_server *server)
{
    MHD_stop_daemon(server->daemon);
    server->daemon = NULL;
    MHD_destroy_response(server->unavailable);
    close(server->acceptor.wake);
    sower_connections_stop(&server->connections);
}
