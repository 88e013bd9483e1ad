#include "client/sow/daemon/http.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <curl/curl.h>

#include "client/sow/clock.h"
#include "client/sow/daemon/diagnose.h"
#include "client/sow/daemon/reach.h"
#include "client/sow/daemon/retry.h"
#include "proto/text.h"
#include "proto/version.h"

enum { BLOCK_SIZE = 512 * 1024 };

/* One exchange under way. */
struct exchange {
    CURL *curl;
    const struct http_receiver *receiver;
    struct http_response *answer;
    bool begun, stopped, cut, ranged;
    size_t header_size;         /* of all headers so far */
    double stall_seconds;       /* 0: no limit */
    double window_began;        /* when the bytes of the last HTTP_STALL_BYTES began to come */
    uint64_t window_at;         /* how many had come then */
    struct curl_slist *headers; /* of the question */
    char *url;
    const char *query; /* the part of the URL from its "?" on; NULL: it has none */
    bool no_query;     /* libcurl left it out */
};

static const char *const FIELDS[HTTP_FIELD_COUNT] = {
    [HTTP_TYPE] = "Content-Type",       [HTTP_ETAG] = "ETag",
    [HTTP_RANGE] = "Content-Range",     [HTTP_LOCATION] = "Location",
    [HTTP_SEED] = "Sower-Seed",         [HTTP_DRAW] = "Sower-Draw",
    [HTTP_LEDGER] = "Sower-Ledger",     [HTTP_DRIFT] = "Sower-Drift",
    [HTTP_SPEC] = "Sower-Spec",         [HTTP_SHAPE] = "Sower-Shape",
    [HTTP_DTYPE] = "Sower-Dtype",       [HTTP_FAN] = "Sower-Fan",
    [HTTP_MANIFEST] = "Sower-Manifest", [HTTP_TENSORS] = "Sower-Tensors",
};

const char *http_field_name(enum http_field field)
{
    return FIELDS[field];
}

static void copy_header(CURL *curl, const char *name, char field[HTTP_FIELD_SIZE])
{
    struct curl_header *header;
    if (curl_easy_header(curl, name, 0, CURLH_HEADER, -1, &header) == CURLHE_OK) {
        snprintf(field, HTTP_FIELD_SIZE, "%s", header->value);
    }
    for (size_t length = strlen(field); length > 0 && strchr(" \t\r\n", field[length - 1]) != NULL;
         length--) {
        field[length - 1] = '\0'; /* an empty value keeps the end of its line (libcurl 7.88) */
    }
}

/* Retry-After in seconds: a number, or a date, which counts from the server's own clock where it tells that.
 */
static double read_retry_after(CURL *curl)
{
    char field[HTTP_FIELD_SIZE] = "", date[HTTP_FIELD_SIZE] = "";
    int64_t seconds;
    copy_header(curl, "Retry-After", field);
    copy_header(curl, "Date", date);
    if (sower_text_integer(field, strlen(field), &seconds)) {
        return seconds < 0 ? -1 : (double)seconds;
    }
    time_t wanted = *field != '\0' ? curl_getdate(field, NULL) : -1;
    time_t now = *date != '\0' ? curl_getdate(date, NULL) : -1;
    return wanted == -1 ? -1 : fmax(0, difftime(wanted, now != -1 ? now : time(NULL)));
}

/* Whether the status is that of an answer to the question, a whole one, or a part if one was asked for. */
static bool is_good(const struct exchange *exchange)
{
    return exchange->answer->status == 200 || (exchange->answer->status == 206 && exchange->ranged);
}

/* Notes status and header fields; begins a good answer. */
static bool begin(struct exchange *exchange)
{
    struct http_response *answer = exchange->answer;
    curl_off_t length = -1;
    exchange->begun = true;
    curl_easy_getinfo(exchange->curl, CURLINFO_RESPONSE_CODE, &answer->status);
    curl_easy_getinfo(exchange->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    answer->length = length;
    answer->retry_after = read_retry_after(exchange->curl);
    for (enum http_field i = 0; i < HTTP_FIELD_COUNT; i++) {
        copy_header(exchange->curl, FIELDS[i], answer->fields[i]);
    }
    bool good = is_good(exchange);
    exchange->stopped = good && !exchange->receiver->begin(exchange->receiver->context, answer);
    return !exchange->stopped;
}

/* Keeps the beginning of a refusal's body; false when more has come than is kept. */
static bool keep_explanation(struct http_response *answer, const char *bytes, size_t size)
{
    size_t room = HTTP_EXPLANATION_SIZE - answer->explanation_size;
    size_t kept = size < room ? size : room;
    memcpy(answer->explanation + answer->explanation_size, bytes, kept);
    answer->explanation_size += kept;
    answer->explanation[answer->explanation_size] = '\0';
    return kept == size;
}

/* libcurl's write function: anything but `count` ends the transfer. */
static size_t take_block(char *bytes, size_t unit, size_t count, void *context)
{
    struct exchange *exchange = context;
    struct http_response *answer = exchange->answer;
    (void)unit; /* always 1 */
    if (exchange->no_query || (!exchange->begun && !begin(exchange))) {
        return CURL_WRITEFUNC_ERROR;
    }
    if (!is_good(exchange)) {
        /* Without a status it is not HTTP (libcurl calls it HTTP/0.9): the first bytes tell what it is. */
        exchange->cut = !keep_explanation(answer, bytes, count) || answer->status == 0;
        return exchange->cut ? CURL_WRITEFUNC_ERROR : count;
    }
    double before = clock_seconds();
    exchange->stopped = !exchange->receiver->receive(exchange->receiver->context, bytes, count);
    exchange->window_began += clock_seconds() - before; /* our own time is not the server's */
    if (exchange->stopped) {
        return CURL_WRITEFUNC_ERROR;
    }
    answer->received += count;
    return count;
}

/* libcurl's function for each line of a header, of interim answers (1xx) too. */
static size_t take_header(char *bytes, size_t unit, size_t count, void *context)
{
    struct exchange *exchange = context;
    (void)bytes, (void)unit;
    exchange->header_size += count;
    return exchange->header_size <= HTTP_HEADERS_MAX ? count : 0;
}

/* libcurl's progress function, called at least once a second: anything but 0 ends the transfer. */
static int take_tick(void *context, curl_off_t total, curl_off_t now, curl_off_t up_total, curl_off_t up_now)
{
    struct exchange *exchange = context;
    uint64_t moved = (uint64_t)now + (uint64_t)up_now;
    double time = clock_seconds();
    (void)total, (void)up_total;
    if (moved - exchange->window_at >= HTTP_STALL_BYTES) {
        exchange->window_at = moved;
        exchange->window_began = time;
    }
    return exchange->stall_seconds > 0 && time - exchange->window_began > exchange->stall_seconds;
}

/* libcurl's function for what goes over the connection. When it has no memory for the query, libcurl (7.88)
 * asks without it, and says nothing: that is another question, whose answer nobody wants. */
static int look_at_request(CURL *curl, curl_infotype kind, char *bytes, size_t size, void *context)
{
    struct exchange *exchange = context;
    (void)curl;
    bool to_proxy = size > sizeof "CONNECT" && strncmp(bytes, "CONNECT ", sizeof "CONNECT") == 0;
    if (kind == CURLINFO_HEADER_OUT && !to_proxy && exchange->query != NULL) {
        exchange->no_query = memmem(bytes, size, exchange->query, strlen(exchange->query)) == NULL;
    }
    return 0;
}

/* Sets options one after another, until one of them fails. */
#define SET(option, value)                                                                                   \
    (code = code == CURLE_OK ? curl_easy_setopt(exchange->curl, CURLOPT_##option, value) : code)

static CURLcode set_receiving(struct exchange *exchange)
{
    CURLcode code = CURLE_OK;
    SET(WRITEFUNCTION, take_block);
    SET(WRITEDATA, exchange);
    SET(HEADERFUNCTION, take_header);
    SET(HEADERDATA, exchange);
    SET(XFERINFOFUNCTION, take_tick);
    SET(XFERINFODATA, exchange);
    SET(NOPROGRESS, 0L);
    SET(DEBUGFUNCTION, look_at_request);
    SET(DEBUGDATA, exchange);
    SET(VERBOSE, 1L); /* without it that function is not called */
    SET(BUFFERSIZE, (long)BLOCK_SIZE);
    SET(HTTP09_ALLOWED, 1L); /* so that the first bytes of something else are seen */
    return code;
}

/* Adds "name: value" to the headers of the question. */
static CURLcode add_header(struct exchange *exchange, const char *name, const char *value)
{
    char *header = address_join(address_join(strdup(name), ": "), value);
    struct curl_slist *headers = header != NULL ? curl_slist_append(exchange->headers, header) : NULL;
    free(header);
    exchange->headers = headers != NULL ? headers : exchange->headers;
    return headers == NULL ? CURLE_OUT_OF_MEMORY
                           : curl_easy_setopt(exchange->curl, CURLOPT_HTTPHEADER, headers);
}

/* Sets up the question. Its text must stay until the exchange is over. */
static CURLcode set_question(struct exchange *exchange, const struct http_question *question)
{
    CURLcode code = CURLE_OK;
    if (question->text != NULL) {
        SET(POSTFIELDS, question->text);
        SET(POSTFIELDSIZE_LARGE, (curl_off_t)question->text_size);
        code = code == CURLE_OK ? add_header(exchange, "Content-Type", "application/json") : code;
    }
    if (question->method != NULL) {
        SET(CUSTOMREQUEST, question->method);
    }
    if (question->idempotency_key != NULL && code == CURLE_OK) {
        code = add_header(exchange, "Idempotency-Key", question->idempotency_key);
    }
    exchange->ranged = question->range != NULL;
    if (question->range != NULL) {
        SET(RANGE, question->range);
    }
    if (question->etag != NULL && code == CURLE_OK) {
        code = add_header(exchange, "If-Range", question->etag);
    }
    return code;
}

static CURLcode set_up(struct exchange *exchange, const struct options *options, const char *base,
                       const struct http_question *question)
{
    char *url = address_of_question(base, question->path, question->pairs, question->pair_count);
    exchange->curl = curl_easy_init();
    CURLcode code = exchange->curl != NULL && url != NULL ? CURLE_OK : CURLE_OUT_OF_MEMORY;
    code = code == CURLE_OK ? reach_set(exchange->curl, options, url) : code;
    code = code == CURLE_OK ? set_receiving(exchange) : code;
    code = code == CURLE_OK ? set_question(exchange, question) : code;
    exchange->url = url;
    exchange->query = url != NULL ? strchr(url, '?') : NULL;
    return code;
}

static enum http_end fail(struct http_response *answer, enum http_cause cause, const char *reason)
{
    answer->cause = cause;
    snprintf(answer->reason, sizeof answer->reason, "%s", reason);
    return HTTP_FAILED;
}

static enum http_cause find_cause(CURLcode code)
{
    switch (code) {
    case CURLE_OUT_OF_MEMORY:
        return HTTP_CAUSE_MEMORY;
    case CURLE_COULDNT_RESOLVE_HOST:
        return HTTP_CAUSE_NO_NAME;
    case CURLE_COULDNT_CONNECT:
    case CURLE_OPERATION_TIMEDOUT: /* of connecting: there is no other limit of libcurl's */
        return HTTP_CAUSE_UNREACHED;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
        return HTTP_CAUSE_CERTIFICATE;
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
        return HTTP_CAUSE_BROKE;
    default:
        return HTTP_CAUSE_OTHER;
    }
}

/* How the transfer ended, seen together with the header that came. */
static enum http_end judge(struct exchange *exchange, CURLcode code, const char *detail)
{
    struct http_response *answer = exchange->answer;
    if (exchange->no_query) {
        return fail(answer, HTTP_CAUSE_MEMORY, curl_easy_strerror(CURLE_OUT_OF_MEMORY));
    }
    if (code == CURLE_OK && !exchange->begun) {
        begin(exchange);
    }
    if (exchange->stopped) {
        return HTTP_STOPPED;
    }
    if (exchange->begun && answer->status == 0) {
        return fail(answer, HTTP_CAUSE_NO_HTTP, "it does not speak HTTP");
    }
    if (exchange->header_size > HTTP_HEADERS_MAX) {
        return fail(answer, HTTP_CAUSE_FLOOD, "its headers do not end");
    }
    if (code == CURLE_ABORTED_BY_CALLBACK) {
        return fail(answer, HTTP_CAUSE_STALLED, "it stalled");
    }
    if (code != CURLE_OK && !exchange->cut) {
        return fail(answer, find_cause(code), *detail != '\0' ? detail : curl_easy_strerror(code));
    }
    if (!is_good(exchange)) {
        return HTTP_REFUSED;
    }
    if (answer->length >= 0 && answer->received != (uint64_t)answer->length) {
        return fail(answer, HTTP_CAUSE_BROKE, curl_easy_strerror(CURLE_PARTIAL_FILE));
    }
    return HTTP_DONE;
}

static enum http_end misuse(struct http_response *answer, const char *sentence)
{
    snprintf(answer->reason, sizeof answer->reason, "%s", sentence);
    return answer->end = HTTP_MISUSED;
}

static enum http_end ask(const struct options *options, const struct http_question *question,
                         const char *base, struct exchange *exchange)
{
    char detail[CURL_ERROR_SIZE] = "";
    struct http_response *answer = exchange->answer;
    CURLcode code = set_up(exchange, options, base, question);
    SET(ERRORBUFFER, detail);
    if (code == CURLE_OK) {
        exchange->window_began = clock_seconds();
        code = curl_easy_perform(exchange->curl);
        answer->end = judge(exchange, code, detail);
        answer->proxied = reach_is_proxied(exchange->curl, base);
    } else {
        answer->end = fail(answer, find_cause(code), curl_easy_strerror(code));
    }
    curl_easy_cleanup(exchange->curl);
    curl_slist_free_all(exchange->headers);
    free(exchange->url);
    return answer->end;
}

enum http_end http_ask_once(const struct options *options, const struct http_question *question,
                            const struct http_receiver *receiver, struct http_response *answer)
{
    struct exchange exchange = {.receiver = receiver, .answer = answer};
    *answer = (struct http_response){.length = -1, .retry_after = -1};
    const char *fault = reach_check(options);
    char *base;
    if (fault != NULL) {
        return misuse(answer, fault);
    }
    if (!address_of_server(options, &base, answer->address)) {
        return answer->end = fail(answer, HTTP_CAUSE_MEMORY, curl_easy_strerror(CURLE_OUT_OF_MEMORY));
    }
    if (base == NULL) {
        return misuse(answer, "it is no address of a daemon; one looks like http://127.0.0.1:7697.");
    }
    exchange.stall_seconds = reach_seconds(options, "stall-seconds");
    if (ask(options, question, base, &exchange) != HTTP_DONE) {
        diagnose(options, answer);
    }
    free(base);
    return answer->end;
}

double http_retry_seconds(const struct options *options)
{
    return reach_seconds(options, "retry-seconds");
}

enum http_end http_ask(const struct options *options, const struct http_question *question,
                       const struct http_receiver *receiver, struct http_response *answer)
{
    struct retry retry = {.limit = question->once ? 0 : http_retry_seconds(options)};
    double pause;
    while (http_ask_once(options, question, receiver, answer) != HTTP_DONE &&
           (answer->received == 0 || receiver->restarts) && retry_again(&retry, answer, &pause)) {
        retry_note(&retry, options, answer);
        retry_wait(pause);
    }
    return answer->end;
}
