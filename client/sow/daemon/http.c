#include "client/sow/daemon/http.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <curl/curl.h>
#include <sodium.h>

#include "client/sow/clock.h"
#include "client/sow/daemon/address.h"
#include "client/sow/daemon/diagnose.h"
#include "client/sow/daemon/reach.h"
#include "client/sow/daemon/retry.h"
#include "client/sow/daemon/token.h"
#include "proto/text.h"
#include "proto/version.h"

enum { BLOCK_SIZE = 512 * 1024 };

static const struct option_rule SERVER[] = {
    {"server", 'S', "URL",
     "the daemon's address, or unix:PATH (default: SOW_SERVER, else http://127.0.0.1:7697)"},
    {"token-file", 0, "FILE",
     "file with the token for the daemon (default: SOW_TOKEN_FILE, else the line in ~/.config/sow/tokens)"},
    {"ca-file", 0, "FILE",
     "certificates to trust, PEM (default: CURL_CA_BUNDLE, SSL_CERT_FILE, the system's)"},
    {"client-certificate", 0, "FILE",
     "certificate of this client, PEM, for a daemon that wants one (default: SOW_CLIENT_CERTIFICATE)"},
    {"client-key", 0, "FILE", "its key, PEM (default: SOW_CLIENT_KEY, else in the certificate's file)"},
    {"retry-seconds", 0, "N",
     "keep trying for N seconds while the daemon is busy or restarts (default 60; 0: try once)"},
    {"stall-seconds", 0, "N",
     "give up when the server sends less than 64 KiB in N seconds (default 300; 0: never)"},
    {0},
};

const struct option_group http_options = {"The daemon", SERVER};

/* An exchange in progress. */
struct exchange {
    CURL *curl;
    const struct http_receiver *receiver;
    struct http_response *response;
    bool has_headers, stopped, truncated, ranged;
    size_t header_size;         /* bytes of all headers so far */
    double stall_seconds;       /* 0: no limit */
    double window_began;        /* when the current block of HTTP_STALL_BYTES began */
    uint64_t window_bytes;      /* bytes transferred at that time */
    struct curl_slist *headers; /* of the request */
    char *url;
    const char *query; /* the part of the URL from "?" on; NULL: none */
    bool query_lost;   /* libcurl sent the request without the query */
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
        field[length - 1] = '\0'; /* libcurl 7.88 leaves the line end in an empty value */
    }
}

/* Retry-After in seconds. The field is a number, or a date, from which the Date of the server is subtracted
 * (without a Date: our own clock). */
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

/* Whether the status means success: 200, or 206 if a range was requested. */
static bool is_good(const struct exchange *exchange)
{
    return exchange->response->status == 200 || (exchange->response->status == 206 && exchange->ranged);
}

/* Keeps status and header fields, and calls `begin` of the receiver for a successful response. */
static bool begin(struct exchange *exchange)
{
    struct http_response *response = exchange->response;
    curl_off_t length = -1;
    exchange->has_headers = true;
    curl_easy_getinfo(exchange->curl, CURLINFO_RESPONSE_CODE, &response->status);
    curl_easy_getinfo(exchange->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    response->length = length;
    response->retry_after = read_retry_after(exchange->curl);
    for (enum http_field i = 0; i < HTTP_FIELD_COUNT; i++) {
        copy_header(exchange->curl, FIELDS[i], response->fields[i]);
    }
    bool good = is_good(exchange);
    exchange->stopped = good && !exchange->receiver->begin(exchange->receiver->context, response);
    return !exchange->stopped;
}

/* Keeps the start of a refusal's body; false when there is no room for all of it. */
static bool keep_explanation(struct http_response *response, const char *bytes, size_t size)
{
    size_t room = HTTP_EXPLANATION_SIZE - response->explanation_size;
    size_t kept = size < room ? size : room;
    memcpy(response->explanation + response->explanation_size, bytes, kept);
    response->explanation_size += kept;
    response->explanation[response->explanation_size] = '\0';
    return kept == size;
}

/* libcurl's write function: any result other than `count` ends the transfer. */
static size_t receive_block(char *bytes, size_t unit, size_t count, void *context)
{
    struct exchange *exchange = context;
    struct http_response *response = exchange->response;
    (void)unit; /* always 1 */
    if (exchange->query_lost || (!exchange->has_headers && !begin(exchange))) {
        return CURL_WRITEFUNC_ERROR;
    }
    if (!is_good(exchange)) {
        /* Status 0 means another protocol than HTTP (libcurl takes it for HTTP/0.9). Its first bytes are
         * kept for the message. */
        exchange->truncated = !keep_explanation(response, bytes, count) || response->status == 0;
        return exchange->truncated ? CURL_WRITEFUNC_ERROR : count;
    }
    double before = clock_seconds();
    exchange->stopped = !exchange->receiver->receive(exchange->receiver->context, bytes, count);
    exchange->window_began += clock_seconds() - before; /* time spent in the receiver is not the server's */
    if (exchange->stopped) {
        return CURL_WRITEFUNC_ERROR;
    }
    response->received += count;
    return count;
}

/* libcurl's header function: called for each header line, also of interim responses (1xx). */
static size_t count_header(char *bytes, size_t unit, size_t count, void *context)
{
    struct exchange *exchange = context;
    (void)bytes, (void)unit;
    exchange->header_size += count;
    return exchange->header_size <= HTTP_HEADERS_MAX ? count : 0;
}

/* libcurl's progress function, called at least once a second: any result other than 0 ends the transfer. */
static int check_stall(void *context, curl_off_t total, curl_off_t now, curl_off_t up_total,
                       curl_off_t up_now)
{
    struct exchange *exchange = context;
    uint64_t moved = (uint64_t)now + (uint64_t)up_now;
    double time = clock_seconds();
    (void)total, (void)up_total;
    if (moved - exchange->window_bytes >= HTTP_STALL_BYTES) {
        exchange->window_bytes = moved;
        exchange->window_began = time;
    }
    return exchange->stall_seconds > 0 && time - exchange->window_began > exchange->stall_seconds;
}

/* libcurl's debug function. When libcurl (7.88) has no memory for the query, it sends the request without
 * the query and reports no error. That would be another request, so its response must be dropped. */
static int check_sent_request(CURL *curl, curl_infotype kind, char *bytes, size_t size, void *context)
{
    struct exchange *exchange = context;
    (void)curl;
    bool to_proxy = size > sizeof "CONNECT" && strncmp(bytes, "CONNECT ", sizeof "CONNECT") == 0;
    if (kind == CURLINFO_HEADER_OUT && !to_proxy && exchange->query != NULL) {
        exchange->query_lost = memmem(bytes, size, exchange->query, strlen(exchange->query)) == NULL;
    }
    return 0;
}

/* Sets one option unless an earlier option failed. */
#define SET(option, value)                                                                                   \
    (code = code == CURLE_OK ? curl_easy_setopt(exchange->curl, CURLOPT_##option, value) : code)

static CURLcode set_receiving(struct exchange *exchange)
{
    CURLcode code = CURLE_OK;
    SET(WRITEFUNCTION, receive_block);
    SET(WRITEDATA, exchange);
    SET(HEADERFUNCTION, count_header);
    SET(HEADERDATA, exchange);
    SET(XFERINFOFUNCTION, check_stall);
    SET(XFERINFODATA, exchange);
    SET(NOPROGRESS, 0L);
    SET(DEBUGFUNCTION, check_sent_request);
    SET(DEBUGDATA, exchange);
    SET(VERBOSE, 1L); /* libcurl calls DEBUGFUNCTION only with this */
    SET(BUFFERSIZE, (long)BLOCK_SIZE);
    SET(HTTP09_ALLOWED, 1L); /* to see the first bytes of another protocol */
    return code;
}

/* Adds "name: value" to the headers of the request. */
static CURLcode add_header(struct exchange *exchange, const char *name, const char *value)
{
    char *header = address_join(address_join(strdup(name), ": "), value);
    struct curl_slist *headers = header != NULL ? curl_slist_append(exchange->headers, header) : NULL;
    free(header);
    exchange->headers = headers != NULL ? headers : exchange->headers;
    return headers == NULL ? CURLE_OUT_OF_MEMORY
                           : curl_easy_setopt(exchange->curl, CURLOPT_HTTPHEADER, headers);
}

/* Sets up the request. Its text must stay valid until the exchange has ended. */
static CURLcode set_request(struct exchange *exchange, const struct http_request *request)
{
    CURLcode code = CURLE_OK;
    if (request->text != NULL) {
        SET(POSTFIELDS, request->text);
        SET(POSTFIELDSIZE_LARGE, (curl_off_t)request->text_size);
        code = code == CURLE_OK ? add_header(exchange, "Content-Type", "application/json") : code;
    }
    if (request->method != NULL) {
        SET(CUSTOMREQUEST, request->method);
    }
    if (request->idempotency_key != NULL && code == CURLE_OK) {
        code = add_header(exchange, "Idempotency-Key", request->idempotency_key);
    }
    exchange->ranged = request->range != NULL;
    if (request->range != NULL) {
        SET(RANGE, request->range);
    }
    if (request->etag != NULL && code == CURLE_OK) {
        code = add_header(exchange, "If-Range", request->etag);
    }
    return code;
}

/* Adds the token, if there is one. */
static CURLcode add_token(struct exchange *exchange, const char *token)
{
    char value[sizeof "Bearer " + SOWER_TOKEN_TEXT_LENGTH];
    if (token[0] == '\0') {
        return CURLE_OK;
    }
    snprintf(value, sizeof value, "Bearer %s", token);
    CURLcode code = add_header(exchange, "Authorization", value);
    sodium_memzero(value, sizeof value);
    return code;
}

static CURLcode set_up(struct exchange *exchange, const struct options *options, const char *base,
                       const struct http_request *request, const char *token)
{
    char *url = address_of_request(base, request->path, request->pairs, request->pair_count);
    exchange->curl = curl_easy_init();
    CURLcode code = exchange->curl != NULL && url != NULL ? CURLE_OK : CURLE_OUT_OF_MEMORY;
    code = code == CURLE_OK ? reach_set(exchange->curl, options, url, address_socket(base)) : code;
    code = code == CURLE_OK ? set_receiving(exchange) : code;
    code = code == CURLE_OK ? set_request(exchange, request) : code;
    code = code == CURLE_OK ? add_token(exchange, token) : code;
    exchange->url = url;
    exchange->query = url != NULL ? strchr(url, '?') : NULL;
    return code;
}

static enum http_end fail(struct http_response *response, enum http_cause cause, const char *reason)
{
    response->cause = cause;
    snprintf(response->reason, sizeof response->reason, "%s", reason);
    return HTTP_FAILED;
}

/* Whether the server has refused the handshake because of the client's certificate. It says so by an alert. TLS 1.2 has
 * none for a missing certificate. */
static bool wants_certificate(CURLcode code, const char *detail)
{
    return (code == CURLE_SSL_CONNECT_ERROR || code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR) &&
           strstr(detail, "alert") != NULL &&
           (strstr(detail, "certificate") != NULL || strstr(detail, "unknown ca") != NULL ||
            strstr(detail, "handshake failure") != NULL);
}

static enum http_cause find_cause(CURLcode code, const char *detail)
{
    if (wants_certificate(code, detail)) {
        return HTTP_CAUSE_CLIENT_CERTIFICATE;
    }
    switch (code) {
    case CURLE_SSL_CERTPROBLEM:
        return HTTP_CAUSE_CLIENT_CERTIFICATE;
    case CURLE_OUT_OF_MEMORY:
        return HTTP_CAUSE_MEMORY;
    case CURLE_COULDNT_RESOLVE_HOST:
        return HTTP_CAUSE_UNKNOWN_HOST;
    case CURLE_COULDNT_CONNECT:
    case CURLE_OPERATION_TIMEDOUT: /* while connecting: no other timeout is set */
        return HTTP_CAUSE_UNREACHABLE;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_CACERT_BADFILE:
        return HTTP_CAUSE_CERTIFICATE;
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
        return HTTP_CAUSE_CONNECTION_LOST;
    default:
        return HTTP_CAUSE_OTHER;
    }
}

/* Works out how the transfer ended. */
static enum http_end find_end(struct exchange *exchange, CURLcode code, const char *detail)
{
    struct http_response *response = exchange->response;
    if (exchange->query_lost) {
        return fail(response, HTTP_CAUSE_MEMORY, curl_easy_strerror(CURLE_OUT_OF_MEMORY));
    }
    if (code == CURLE_OK && !exchange->has_headers) {
        begin(exchange);
    }
    if (exchange->stopped) {
        return HTTP_STOPPED;
    }
    if (exchange->has_headers && response->status == 0) {
        return fail(response, HTTP_CAUSE_NOT_HTTP, "it does not speak HTTP");
    }
    if (exchange->header_size > HTTP_HEADERS_MAX) {
        return fail(response, HTTP_CAUSE_LARGE_HEADERS, "its headers are too large");
    }
    if (code == CURLE_ABORTED_BY_CALLBACK) {
        return fail(response, HTTP_CAUSE_STALLED, "it stalled");
    }
    if (code != CURLE_OK && !exchange->truncated) {
        return fail(response, find_cause(code, detail), *detail != '\0' ? detail : curl_easy_strerror(code));
    }
    if (!is_good(exchange)) {
        return HTTP_REFUSED;
    }
    if (response->length >= 0 && response->received != (uint64_t)response->length) {
        return fail(response, HTTP_CAUSE_CONNECTION_LOST, curl_easy_strerror(CURLE_PARTIAL_FILE));
    }
    return HTTP_DONE;
}

static enum http_end bad_option(struct http_response *response, const char *sentence)
{
    snprintf(response->reason, sizeof response->reason, "%s", sentence);
    return response->end = HTTP_BAD_OPTION;
}

/* libcurl names a host and a port also if it cannot connect to a Unix socket. */
static void explain_socket(CURL *curl, CURLcode code, const char *base, char detail[CURL_ERROR_SIZE])
{
    long reason = 0;
    curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &reason);
    if (code == CURLE_COULDNT_CONNECT && address_socket(base) != NULL && reason != 0) {
        snprintf(detail, CURL_ERROR_SIZE, "%s", strerror((int)reason));
    }
}

static enum http_end ask(const struct options *options, const struct http_request *request, const char *base,
                         const char *token, struct exchange *exchange)
{
    char detail[CURL_ERROR_SIZE] = "";
    struct http_response *response = exchange->response;
    CURLcode code = set_up(exchange, options, base, request, token);
    SET(ERRORBUFFER, detail);
    if (code == CURLE_OK) {
        exchange->window_began = clock_seconds();
        code = curl_easy_perform(exchange->curl);
        explain_socket(exchange->curl, code, base, detail);
        response->end = find_end(exchange, code, detail);
        response->proxied = reach_is_proxied(exchange->curl, base);
    } else {
        response->end = fail(response, find_cause(code, ""), curl_easy_strerror(code));
    }
    curl_easy_cleanup(exchange->curl);
    curl_slist_free_all(exchange->headers);
    free(exchange->url);
    return response->end;
}

enum http_end http_ask_once(const struct options *options, const struct http_request *request,
                            const struct http_receiver *receiver, struct http_response *response)
{
    struct exchange exchange = {.receiver = receiver, .response = response};
    struct sower_problem problem;
    char token[SOWER_TOKEN_TEXT_LENGTH + 1];
    *response = (struct http_response){.length = -1, .retry_after = -1};
    const char *fault = reach_check(options);
    char *base;
    if (fault != NULL) {
        return bad_option(response, fault);
    }
    if (!address_of_server(options, &base, response->address)) {
        return response->end = fail(response, HTTP_CAUSE_MEMORY, curl_easy_strerror(CURLE_OUT_OF_MEMORY));
    }
    if (base == NULL) {
        return bad_option(
            response, "this is not the address of a daemon; an address looks like http://127.0.0.1:7697 or "
                      "unix:PATH.");
    }
    exchange.stall_seconds = reach_seconds(options, "stall-seconds");
    if (!token_find(options, base, token, &problem)) {
        bad_option(response, problem.sentence);
    } else if (ask(options, request, base, token, &exchange) != HTTP_DONE) {
        diagnose(options, response);
    }
    sodium_memzero(token, sizeof token);
    free(base);
    return response->end;
}

double http_retry_seconds(const struct options *options)
{
    return reach_seconds(options, "retry-seconds");
}

enum http_end http_ask(const struct options *options, const struct http_request *request,
                       const struct http_receiver *receiver, struct http_response *response)
{
    struct retry retry = {.limit = request->once ? 0 : http_retry_seconds(options)};
    double pause;
    while (http_ask_once(options, request, receiver, response) != HTTP_DONE &&
           (response->received == 0 || receiver->restarts) && retry_allowed(&retry, response, &pause)) {
        retry_announce(&retry, options, response);
        retry_wait(pause);
    }
    return response->end;
}
