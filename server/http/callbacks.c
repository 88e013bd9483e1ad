#include "server/http/callbacks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/client.h"
#include "server/base/clock.h"
#include "server/access/rates.h"
#include "server/access/tokens.h"
#include "server/http/authorize.h"
#include "server/http/exchange.h"
#include "server/http/framing.h"
#include "server/http/hosts.h"
#include "server/http/http.h"
#include "server/http/library_guards.h"
#include "server/http/request_log.h"
#include "server/http/route.h"
#include "server/http/tally.h"
#include "server/http/tls.h"
#include "server/server.h"

/* Marks a request for whose exchange there was no memory. */
static struct sower_exchange without_memory;

static enum MHD_Result refuse_body(struct sower_exchange *exchange)
{
    struct sower_problem problem;
    if (exchange->out_of_memory) {
        return sower_reply_unavailable(exchange);
    }
    if (exchange->no_budget) {
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

static void enter_phase(const struct sower_exchange *exchange, enum sower_phase phase)
{
    if (exchange->link != NULL) {
        sower_connection_enter(exchange->link, phase);
    }
}

/* A new exchange with a copy of its target: path and query, at most SOWER_TARGET_MAX + 1 bytes, and after
 * them the host of a target in absolute form. NULL when memory runs out. */
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

/* Copies as much of a text as fits. */
static void copy_text(char *to, size_t size, const char *from)
{
    size_t length = strnlen(from, size - 1);
    memcpy(to, from, length);
    to[length] = '\0';
}

/* The path as received, without its query, for a request whose headers do not arrive. */
static void copy_path(struct sower_exchange *exchange)
{
    copy_text(exchange->path, sizeof exchange->path, exchange->target);
    exchange->path[strcspn(exchange->path, "?")] = '\0';
}

void *sower_callback_target(void *context, const char *target, struct MHD_Connection *connection)
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
        exchange->started = sower_clock_nanoseconds();
        exchange->caller.address = sower_caller_peer(connection);
        copy_path(exchange);
        enter_phase(exchange, SOWER_PHASE_HEADERS);
        sower_route_find(exchange, sower_framing_path(target));
    }
    const size_t tail = sower_guard_tail(target);
    if (exchange != NULL && exchange->short_target) {
        exchange->bare_fields =
            exchange->target + strlen(exchange->target) - sower_guard_tail(exchange->target);
    } else if (exchange != NULL && tail > 0) {
        exchange->target_fault = "The last field of the query string has no value; it takes NAME=VALUE.";
    }
    sower_guard_cut(target, tail); /* also without an exchange: the fault does not depend on it */
    return exchange;
}

static void begin(struct sower_exchange *exchange, const char *path, const char *method)
{
    struct sower_server *server = exchange->server;
    path = sower_framing_path(path);
    exchange->id =
        server->first_request + atomic_fetch_add_explicit(&server->requests, 1, memory_order_relaxed);
    exchange->started = sower_clock_nanoseconds(); /* the time for the headers does not count */
    exchange->method = sower_method_find(method);
    copy_text(exchange->path, sizeof exchange->path, path); /* decoded now */
    copy_text(exchange->method_name, sizeof exchange->method_name, method);
    sower_route_choose(exchange, path);
    if (exchange->route != NULL && exchange->variable == NULL) {
        exchange->step = sower_reply_unavailable; /* memory has run out */
    }
}

/* Whether a body is refused before it is read: its announced length is beyond SOWER_DISCARD_MAX, or beyond
 * the limit and the client waits for "100 Continue". */
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

/* Whether every HTTP implementation reads the request in the same way (framing.h). libmicrohttpd does not
 * show how the chunks of a body were framed, so a connection ends after a request with a chunked body. */
static bool check_framing(struct sower_exchange *exchange, const char *path, const char *method,
                          const char *version, struct sower_problem *problem)
{
    if (exchange->target_fault != NULL) {
        return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "", "%s", exchange->target_fault);
    }
    struct lines lines = {.problem = problem, .sound = true};
    const bool in_place = strcmp(MHD_get_version(), SOWER_FRAMING_IN_PLACE) == 0;
    const union MHD_ConnectionInfo *info =
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
    return lines.sound && sower_framing_end(&lines.framing, info->header_size, problem);
}

/* exchange->client may be the client of a proxy that uses the socket. */
static bool through_unix_socket(const struct sower_exchange *exchange)
{
    return exchange->link != NULL && sower_connection_client(exchange->link) == SOWER_CLIENT_UNIX;
}

/* Whether the request names this daemon and does not come from a page of another site (hosts.h). Probes
 * accept any name. Returns 0, or the status of a refusal, with a problem. */
static unsigned check_host(const struct sower_exchange *exchange, struct sower_problem *problem)
{
    const struct sower_hosts *hosts = exchange->server->hosts;
    const char *host = exchange->host != NULL ? exchange->host : "";
    if (exchange->any_host) {
        return 0;
    }
    if (!through_unix_socket(exchange) && !sower_hosts_know(hosts, host, exchange->host_length)) {
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
            "A page of another site sent this request; only pages of this host and of the names in "
            "--hosts may.");
        return MHD_HTTP_FORBIDDEN;
    }
    return 0;
}

static enum MHD_Result refuse_framing(struct sower_exchange *exchange, const struct sower_problem *problem)
{
    exchange->closes = true;
    return sower_refuse(exchange, problem);
}

/* Serves a request without an exchange: reads it to its end, then responds that memory has run out. *slot is
 * &without_memory once the headers are in. */
static enum MHD_Result handle_without_memory(struct sower_server *server, struct MHD_Connection *connection,
                                             size_t *upload_size, void **slot)
{
    if (*slot == NULL) {
        *slot = &without_memory;
        return MHD_YES;
    }
    if (*upload_size > 0) {
        *upload_size = 0;
        return MHD_YES;
    }
    if (atomic_load(&server->draining)) {
        return MHD_NO; /* libmicrohttpd may have dropped the response and call again */
    }
    sower_tally_refused(server->tally, MHD_HTTP_SERVICE_UNAVAILABLE, SOWER_PROBLEM_MEMORY);
    sower_log_sentence(&server->log, SOWER_LOG_WARNING, "memory",
                       "Memory has run out; a request got status 503.");
    return MHD_queue_response(connection, MHD_HTTP_SERVICE_UNAVAILABLE, server->unavailable);
}

static enum MHD_Result receive_headers(struct sower_exchange *exchange, const char *path, const char *method,
                                       const char *version)
{
    struct sower_problem problem;
    begin(exchange, path, method);
    enter_phase(exchange, SOWER_PHASE_BODY);
    sower_caller_read(&exchange->caller, exchange->connection, &exchange->server->proxies);
    exchange->client = sower_client_of_address(&exchange->caller.address);
    if (!check_framing(exchange, path, method, version, &problem)) {
        return refuse_framing(exchange, &problem);
    }
    const unsigned status = check_host(exchange, &problem);
    if (status != 0) {
        return sower_refuse_as(exchange, status, &problem);
    }
    if (!sower_authorize(exchange, &problem)) {
        return sower_refuse(exchange, &problem);
    }
    return refused_unread(exchange) ? refuse_body(exchange) : MHD_YES;
}

enum MHD_Result sower_callback_request(void *context, struct MHD_Connection *connection, const char *path,
                                       const char *method, const char *version, const char *upload,
                                       size_t *upload_size, void **slot)
{
    struct sower_exchange *exchange = *slot;
    if (exchange == NULL || exchange == &without_memory) {
        return handle_without_memory(context, connection, upload_size, slot);
    }
    if (exchange->step == NULL) {
        return receive_headers(exchange, path, method, version);
    }
    if (*upload_size > 0) {
        size_t count = *upload_size;
        *upload_size = 0;
        return sower_exchange_body_add(exchange, upload, count) ? MHD_YES : MHD_NO;
    }
    if (!exchange->complete) {
        exchange->complete = true;
        enter_phase(exchange, SOWER_PHASE_RESPONDING);
        atomic_fetch_add(&exchange->server->active, 1);
    }
    return exchange->discarded > 0 ? refuse_body(exchange) : exchange->step(exchange);
}

/* The labels of the counters are the names of tokens, which come from the operator's file. */
static void count_for_token(const struct sower_exchange *exchange)
{
    struct sower_rate *rate = sower_rates_find(exchange->server->rates, exchange->token->name);
    if (rate != NULL) {
        atomic_fetch_add_explicit(&rate->requests, 1, memory_order_relaxed);
    }
}

static void end_exchange(struct sower_exchange *exchange, enum MHD_RequestTerminationCode code)
{
    struct sower_server *server = exchange->server;
    if (exchange->link != NULL) {
        sower_connection_set_work(exchange->link, NULL);
    }
    if (exchange->step != NULL) {
        const uint64_t nanoseconds = sower_clock_nanoseconds() - exchange->started;
        sower_request_log(exchange, code);
        sower_tally_request(server->tally, exchange->route_number, exchange->method, exchange->status,
                            nanoseconds, exchange->bytes);
    } else {
        sower_request_log_incomplete(exchange);
        sower_tally_unread(server->tally);
    }
    if (exchange->release != NULL) {
        exchange->release(exchange->state);
    }
    if (exchange->complete) {
        atomic_fetch_sub(&server->active, 1);
    }
    enter_phase(exchange, SOWER_PHASE_WAITING);
    sower_exchange_body_free(exchange);
    if (exchange->token != NULL) {
        count_for_token(exchange);
        sower_tokens_give(exchange->token);
    }
    free(exchange->variable);
    free(exchange->refusal);
    free(exchange);
    sower_http_signal_if_idle(server);
}

void sower_callback_completed(void *context, struct MHD_Connection *connection, void **slot,
                              enum MHD_RequestTerminationCode code)
{
    struct sower_exchange *exchange = *slot;
    (void)context, (void)connection;
    *slot = NULL;
    if (exchange != NULL && exchange != &without_memory) {
        end_exchange(exchange, code);
    }
}

/* Ends an exchange that libmicrohttpd did not report as ended: that happens for a request that it refuses
 * twice (a chunk extension that is too long, in 1.0.1), and for a request for whose refusal it has no memory. */
static void end_unfinished(const struct sower_connection *link)
{
    struct sower_exchange *exchange = sower_connection_work(link);
    if (exchange != NULL) {
        end_exchange(exchange, MHD_REQUEST_TERMINATED_WITH_ERROR);
    }
}

void sower_callback_log(void *context, const char *format, va_list arguments)
{
    const struct sower_server *server = context;
    char text[1024];
    vsnprintf(text, sizeof text, format, arguments);
    text[strcspn(text, "\n")] = '\0';
    sower_request_log_library(&server->log, text);
}

void sower_callback_connection(void *context, struct MHD_Connection *connection, void **slot,
                               enum MHD_ConnectionNotificationCode code)
{
    struct sower_server *server = context;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        int file = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
        *slot = sower_connection_begin(&server->connections, file);
        sower_tls_begin(server->certificates, connection, *slot);
    } else if (*slot != NULL) {
        end_unfinished(*slot);
        sower_tls_end(*slot);
        sower_connection_end(&server->connections, *slot);
        sower_acceptor_closed(&server->acceptor);
    }
}
