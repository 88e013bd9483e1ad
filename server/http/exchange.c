#include "server/http/exchange.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/documents.h"
#include "proto/json.h"
#include "proto/number.h"
#include "server/http/budget.h"
#include "server/http/tally.h"
#include "server/server.h"

enum { PAIRS_MAX = 64, BODY_FIRST = 1024 };

#define RETRY_SECONDS "1"

static const struct {
    enum sower_method method;
    const char *name;
} METHODS[] = {
    {SOWER_GET, "GET"}, {SOWER_HEAD, "HEAD"},     {SOWER_POST, "POST"},
    {SOWER_PUT, "PUT"}, {SOWER_DELETE, "DELETE"},
};

enum { METHOD_COUNT = sizeof METHODS / sizeof METHODS[0] };

enum sower_method sower_method_find(const char *name)
{
    for (size_t i = 0; i < METHOD_COUNT; i++) {
        if (strcmp(METHODS[i].name, name) == 0) {
            return METHODS[i].method;
        }
    }
    return (enum sower_method)0;
}

void sower_method_list(unsigned methods, const char *last, char list[SOWER_METHODS_SIZE])
{
    size_t length = 0;
    list[0] = '\0';
    for (size_t i = 0; i < METHOD_COUNT; i++) {
        unsigned method = METHODS[i].method;
        if ((methods & method) != 0) {
            bool is_last = methods < 2 * method;
            length += (size_t)snprintf(list + length, SOWER_METHODS_SIZE - length, "%s%s",
                                       length == 0 ? ""
                                       : is_last   ? last
                                                   : ", ",
                                       METHODS[i].name);
        }
    }
}

/* Takes the part of a large body from the budget. */
static bool take_budget(struct sower_exchange *exchange, size_t capacity)
{
    struct sower_problem unused;
    uint64_t budget = capacity > SOWER_REQUEST_BODY_MAX ? capacity - SOWER_REQUEST_BODY_MAX : 0;
    if (!sower_budget_take(&exchange->server->budget, budget - exchange->body_budget, &unused)) {
        return false;
    }
    exchange->body_budget = budget;
    return true;
}

bool sower_exchange_body_add(struct sower_exchange *exchange, const char *bytes, size_t count)
{
    if (exchange->discarded > 0 || count > exchange->body_max - exchange->body_size) {
        exchange->discarded += count;
        return exchange->discarded <= SOWER_DISCARD_MAX;
    }
    if (count > exchange->body_capacity - exchange->body_size) {
        size_t capacity = exchange->body_capacity == 0 ? BODY_FIRST : exchange->body_capacity;
        while (capacity < exchange->body_size + count) {
            capacity *= 2;
        }
        if (!take_budget(exchange, capacity)) {
            exchange->no_budget = true;
            exchange->discarded += count;
            return true;
        }
        char *body = realloc(exchange->body, capacity);
        if (body == NULL) {
            exchange->out_of_memory = true;
            exchange->discarded += count;
            return true;
        }
        exchange->body = body;
        exchange->body_capacity = capacity;
    }
    memcpy(exchange->body + exchange->body_size, bytes, count);
    exchange->body_size += count;
    return true;
}

void sower_exchange_body_free(struct sower_exchange *exchange)
{
    free(exchange->body);
    sower_budget_give_back(&exchange->server->budget, exchange->body_budget);
    exchange->body = NULL;
    exchange->body_size = exchange->body_capacity = 0;
    exchange->body_budget = 0;
}

void sower_exchange_suspend(struct sower_exchange *exchange, sower_step *step)
{
    exchange->step = step;
    sower_exchange_pause(exchange);
}

void sower_exchange_pause(struct sower_exchange *exchange)
{
    atomic_fetch_add_explicit(&exchange->server->waiting, 1, memory_order_relaxed);
    MHD_suspend_connection(exchange->connection);
}

void sower_exchange_resume(struct sower_exchange *exchange)
{
    atomic_fetch_sub_explicit(&exchange->server->waiting, 1, memory_order_relaxed);
    MHD_resume_connection(exchange->connection);
}

bool sower_exchange_has_left(const struct sower_exchange *exchange)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(exchange->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct pollfd file = {.fd = info == NULL ? -1 : info->connect_fd, .events = POLLRDHUP};
    return poll(&file, 1, 0) > 0 && (file.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

const char *sower_exchange_header(const struct sower_exchange *exchange, const char *name)
{
    return MHD_lookup_connection_value(exchange->connection, MHD_HEADER_KIND, name);
}

struct pairs {
    struct sower_pair list[PAIRS_MAX];
    size_t count;
    bool too_many;
};

static enum MHD_Result add_pair(void *context, enum MHD_ValueKind kind, const char *key, size_t key_length,
                                const char *value, size_t value_length)
{
    struct pairs *pairs = context;
    (void)kind;
    if (pairs->count == PAIRS_MAX) {
        pairs->too_many = true;
        return MHD_NO;
    }
    pairs->list[pairs->count++] = (struct sower_pair){key, key_length, value, value_length};
    return MHD_YES;
}

/* Adds the fields that libmicrohttpd did not get (library_guards.h). `text` is a copy of them, decoded in
 * place. */
static void add_bare_pairs(struct pairs *pairs, char *text)
{
    enum MHD_Result more = MHD_YES;
    while (more == MHD_YES && *text != '\0') {
        const size_t length = strcspn(text, "&");
        char *next = text + length + (text[length] == '&');
        text[length] = '\0';
        for (char *c = text; *c != '\0'; c++) {
            *c = *c == '+' ? ' ' : *c;
        }
        more = add_pair(pairs, MHD_GET_ARGUMENT_KIND, text, MHD_http_unescape(text), NULL, 0);
        text = next;
    }
}

bool sower_exchange_has_query(const struct sower_exchange *exchange)
{
    return MHD_get_connection_values(exchange->connection, MHD_GET_ARGUMENT_KIND, NULL, NULL) > 0 ||
           (exchange->bare_fields != NULL && exchange->bare_fields[0] != '\0');
}

bool sower_exchange_query(struct sower_exchange *exchange, json_t **fields, struct sower_problem *problem)
{
    struct pairs pairs = {.count = 0, .too_many = false};
    char bare_fields[SOWER_TARGET_MAX + 1] = "";
    MHD_get_connection_values_n(exchange->connection, MHD_GET_ARGUMENT_KIND, add_pair, &pairs);
    if (exchange->bare_fields != NULL) {
        memcpy(bare_fields, exchange->bare_fields, strlen(exchange->bare_fields) + 1);
    }
    add_bare_pairs(&pairs, bare_fields);
    if (pairs.too_many) {
        return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "",
                                 "The query string has more than %d fields; no request has so many.",
                                 PAIRS_MAX);
    }
    return sower_request_fields_from_pairs(pairs.list, pairs.count, fields, problem);
}

bool sower_exchange_fields(struct sower_exchange *exchange, json_t **fields, struct sower_problem *problem)
{
    if (exchange->method != SOWER_POST) {
        return sower_exchange_query(exchange, fields, problem);
    }
    if (sower_exchange_has_query(exchange)) {
        return sower_problem_set(
            problem, SOWER_PROBLEM_INVALID, "",
            "A POST takes its fields from the JSON object in its body; it has a query string "
            "as well.");
    }
    return sower_request_fields_from_json(exchange->body == NULL ? "" : exchange->body, exchange->body_size,
                                          fields, problem);
}

/* The step after a response: while libmicrohttpd shuts down, it drops a response and calls the handler again. */
static enum MHD_Result respond_no_more(struct sower_exchange *exchange)
{
    (void)exchange;
    return MHD_NO;
}

bool sower_exchange_closes(const struct sower_exchange *exchange)
{
    const struct sower_server *server = exchange->server;
    return exchange->closes || atomic_load_explicit(&server->stopping, memory_order_relaxed) ||
           atomic_load_explicit(&server->draining, memory_order_relaxed);
}

#define REQUEST_HEADER "Sower-Request"

static const char UNAVAILABLE[] = "{\"type\": \"about:blank\", \"title\": \"Service Unavailable\", "
                                  "\"status\": 503, \"detail\": \"Memory has run out; "
                                  "try again later.\"}\n";

struct MHD_Response *sower_reply_make_unavailable(void)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(
        sizeof UNAVAILABLE - 1, (void *)(uintptr_t)UNAVAILABLE, MHD_RESPMEM_PERSISTENT);
    sower_reply_header(&response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/problem+json");
    sower_reply_header(&response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    sower_reply_header(&response, MHD_HTTP_HEADER_RETRY_AFTER, RETRY_SECONDS);
    sower_reply_header(&response, MHD_HTTP_HEADER_CONNECTION, "close");
    return response;
}

enum MHD_Result sower_reply_unavailable(struct sower_exchange *exchange)
{
    exchange->status = MHD_HTTP_SERVICE_UNAVAILABLE;
    exchange->memory_refused = true;
    exchange->bytes = exchange->method == SOWER_HEAD ? 0 : sizeof UNAVAILABLE - 1;
    exchange->step = respond_no_more;
    sower_tally_refused(exchange->server->tally, exchange->status, SOWER_PROBLEM_MEMORY);
    return MHD_queue_response(exchange->connection, exchange->status, exchange->server->unavailable);
}

void sower_reply_header(struct MHD_Response **response, const char *name, const char *value)
{
    if (*response != NULL && MHD_add_response_header(*response, name, value) != MHD_YES) {
        MHD_destroy_response(*response);
        *response = NULL;
    }
}

/* Adds the headers of every response. If the response was sent before, replaces its request id. */
static bool add_own_headers(const struct sower_exchange *exchange, struct MHD_Response *response)
{
    char id[SOWER_REQUEST_ID_MAX];
    const char *earlier = MHD_get_response_header(response, REQUEST_HEADER);
    if (earlier != NULL) {
        memcpy(id, earlier, sizeof id);
        MHD_del_response_header(response, REQUEST_HEADER, id);
    }
    sower_number_id(exchange->id, id);
    return MHD_add_response_header(response, REQUEST_HEADER, id) == MHD_YES &&
           (MHD_get_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL) != NULL ||
            MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store") == MHD_YES);
}

enum MHD_Result sower_reply_again(struct sower_exchange *exchange, unsigned status,
                                  struct MHD_Response *response)
{
    if (!add_own_headers(exchange, response)) {
        return sower_reply_unavailable(exchange);
    }
    exchange->status = status;
    exchange->step = respond_no_more;
    return MHD_queue_response(exchange->connection, status, response);
}

enum MHD_Result sower_reply(struct sower_exchange *exchange, unsigned status, struct MHD_Response *response)
{
    if (sower_exchange_closes(exchange)) {
        sower_reply_header(&response, MHD_HTTP_HEADER_CONNECTION, "close");
    }
    if (response == NULL) {
        return sower_reply_unavailable(exchange);
    }
    enum MHD_Result queued = sower_reply_again(exchange, status, response);
    MHD_destroy_response(response);
    return queued;
}

/* Headers that belong to a status. */
static void add_status_headers(const struct sower_exchange *exchange, unsigned status,
                               struct MHD_Response **response)
{
    char range[40], methods[SOWER_METHODS_SIZE], seconds[SOWER_NUMBER_MAX];
    switch (status) {
    case MHD_HTTP_UNAUTHORIZED:
        sower_reply_header(response, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer");
        break;
    case MHD_HTTP_TOO_MANY_REQUESTS:
        if (exchange->retry_seconds > 0) {
            sower_number_print(exchange->retry_seconds, seconds);
            sower_reply_header(response, MHD_HTTP_HEADER_RETRY_AFTER, seconds);
        }
        break;
    case MHD_HTTP_SERVICE_UNAVAILABLE:
        sower_reply_header(response, MHD_HTTP_HEADER_RETRY_AFTER, RETRY_SECONDS);
        break;
    case MHD_HTTP_METHOD_NOT_ALLOWED:
        sower_method_list(exchange->allowed, ", ", methods);
        sower_reply_header(response, MHD_HTTP_HEADER_ALLOW, methods);
        break;
    case MHD_HTTP_RANGE_NOT_SATISFIABLE:
        snprintf(range, sizeof range, "bytes */%" PRIu64, exchange->whole_size);
        sower_reply_header(response, MHD_HTTP_HEADER_CONTENT_RANGE, range);
        break;
    default:
        break;
    }
}

enum MHD_Result sower_reply_text(struct sower_exchange *exchange, unsigned status, const char *media_type,
                                 char *text, size_t length)
{
    struct MHD_Response *response =
        text == NULL ? NULL : MHD_create_response_from_buffer(length, text, MHD_RESPMEM_MUST_FREE);
    if (response == NULL) {
        free(text);
    }
    sower_reply_header(&response, MHD_HTTP_HEADER_CONTENT_TYPE, media_type);
    add_status_headers(exchange, status, &response);
    exchange->bytes = exchange->method == SOWER_HEAD ? 0 : length;
    return sower_reply(exchange, status, response);
}

/* A line feed ends the text, because people read these responses in a terminal. */
static char *print_and_release(json_t *object, size_t *length)
{
    struct sower_buffer buffer = {0};
    sower_json_print(object, JSON_REAL_PRECISION(17), &buffer);
    sower_buffer_text(&buffer, "\n");
    json_decref(object);
    if (buffer.failed) {
        sower_buffer_free(&buffer);
    }
    *length = buffer.length;
    return buffer.text;
}

enum MHD_Result sower_reply_json(struct sower_exchange *exchange, unsigned status, json_t *object)
{
    size_t length = 0;
    char *text = print_and_release(object, &length);
    return sower_reply_text(exchange, status, "application/json", text, length);
}

/* For the log. Without memory the log has no reason. */
static void keep_refusal(struct sower_exchange *exchange, const struct sower_problem *problem)
{
    if (exchange->refusal == NULL) {
        exchange->refusal = malloc(sizeof *exchange->refusal);
    }
    if (exchange->refusal != NULL) {
        *exchange->refusal = *problem;
    }
}

enum MHD_Result sower_refuse_as(struct sower_exchange *exchange, unsigned status,
                                const struct sower_problem *problem)
{
    keep_refusal(exchange, problem);
    size_t length = 0;
    sower_tally_refused(exchange->server->tally, status, problem->code);
    char *text =
        print_and_release(sower_document_problem(status, problem->field, problem->sentence), &length);
    return sower_reply_text(exchange, status, "application/problem+json", text, length);
}

enum MHD_Result sower_refuse(struct sower_exchange *exchange, const struct sower_problem *problem)
{
    return sower_refuse_as(exchange, sower_document_status(problem->code), problem);
}
