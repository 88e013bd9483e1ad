#include "server/http/request_log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/number.h"
#include "proto/token.h"
#include "server/base/address.h"
#include "server/base/clock.h"
#include "server/server.h"

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

static const char *problem_name(enum sower_problem_code code)
{
    switch (code) {
    case SOWER_PROBLEM_INVALID:
        return "invalid";
    case SOWER_PROBLEM_TOO_LARGE:
        return "too_large";
    case SOWER_PROBLEM_UNPROCESSABLE:
        return "unprocessable";
    case SOWER_PROBLEM_UNAVAILABLE:
        return "unavailable";
    case SOWER_PROBLEM_UNKNOWN:
        return "unauthenticated";
    case SOWER_PROBLEM_FORBIDDEN:
        return "forbidden";
    case SOWER_PROBLEM_LIMITED:
        return "limited";
    default:
        return "memory";
    }
}

static void add_unless_empty(struct sower_log_line *line, const char *key, const char *text)
{
    if (text[0] != '\0') {
        sower_log_string(line, key, text);
    }
}

static void add_client(struct sower_log_line *line, const struct sower_exchange *exchange)
{
    char text[SOWER_ADDRESS_TEXT_SIZE];
    sower_address_print(&exchange->caller.address, text);
    sower_log_string(line, "client", text);
}

/* Why a request was refused. The sentence may quote the request, so it comes last. */
static void add_refusal(struct sower_log_line *line, const struct sower_exchange *exchange)
{
    if (exchange->memory_refused) {
        sower_log_string(line, "problem", problem_name(SOWER_PROBLEM_MEMORY));
    } else if (exchange->refusal != NULL) {
        sower_log_string(line, "problem", problem_name(exchange->refusal->code));
        add_unless_empty(line, "field", exchange->refusal->field);
        sower_log_string(line, "sentence", exchange->refusal->sentence);
    }
}

void sower_request_log(const struct sower_exchange *exchange, enum MHD_RequestTerminationCode code)
{
    struct sower_log_line line;
    char id[SOWER_REQUEST_ID_MAX];
    const bool routine = exchange->quiet && exchange->status == MHD_HTTP_OK;
    sower_log_begin(&line, &exchange->server->log, routine ? SOWER_LOG_DEBUG : SOWER_LOG_INFO, "request");
    if (line.log == NULL) {
        return;
    }
    sower_number_id(exchange->id, id);
    sower_log_string(&line, "request", id);
    add_client(&line, exchange);
    if (exchange->token != NULL) {
        sower_log_string(&line, "token", exchange->token->name);
    }
    sower_log_string(&line, "method", exchange->method_name);
    sower_log_string(&line, "path", exchange->path);
    sower_log_number(&line, "status", exchange->status);
    sower_log_number(&line, "bytes", exchange->bytes);
    sower_log_seconds(&line, "seconds", sower_clock_nanoseconds() - exchange->started);
    sower_log_string(&line, "end", ending(code));
    add_unless_empty(&line, "trace", exchange->caller.trace);
    add_unless_empty(&line, "outer_id", exchange->caller.outer_id);
    if (exchange->describe != NULL) {
        exchange->describe(exchange->state, &line);
    }
    add_unless_empty(&line, "agent", exchange->caller.agent);
    add_refusal(&line, exchange);
    sower_log_end(&line);
}

void sower_request_log_incomplete(const struct sower_exchange *exchange)
{
    struct sower_log_line line;
    sower_log_begin(&line, &exchange->server->log, SOWER_LOG_INFO, "incomplete");
    if (line.log == NULL) {
        return;
    }
    add_client(&line, exchange);
    sower_log_string(&line, "path", exchange->path);
    sower_log_seconds(&line, "seconds", sower_clock_nanoseconds() - exchange->started);
    sower_log_end(&line);
}

/* Copies what is outside of HTML tags, from the body on. */
static void copy_body(const char *html, char *text, size_t size)
{
    static const char body[] = "<body>";
    const char *from = strstr(html, body);
    size_t length = 0;
    bool tag = false;
    for (from = from != NULL ? from + sizeof body - 1 : html; *from != '\0' && length + 1 < size; from++) {
        if (*from == '\'' && from[1] == ')') {
            break; /* the end of the library's message */
        }
        tag = tag || *from == '<';
        if (!tag) {
            text[length++] = *from;
        } else if (strncmp(from, "</p><p>", 7) == 0) {
            text[length++] = ' ';
        }
        tag = tag && *from != '>';
    }
    text[length] = '\0';
}

void sower_request_log_library(const struct sower_log *log, const char *text)
{
    static const char refusal[] = "Error processing request (HTTP response code is ";
    struct sower_log_line line;
    char sentence[512];
    if (strncmp(text, refusal, sizeof refusal - 1) != 0) {
        sower_log_sentence(log, SOWER_LOG_DEBUG, "libmicrohttpd", text);
        return;
    }
    copy_body(text + sizeof refusal - 1, sentence, sizeof sentence);
    sower_log_begin(&line, log, SOWER_LOG_INFO, "refused");
    sower_log_number(&line, "status", strtoul(text + sizeof refusal - 1, NULL, 10));
    sower_log_string(&line, "sentence", sentence);
    sower_log_end(&line);
}
