/* HTTP: one request to the daemon and its response (libcurl).
 *
 * The fields of a request go into the query of a GET, so that any HTTP cache on the way can respond. The body of
 * a successful response is passed on block by block; everything else is kept in `struct http_response`.
 * Loopback addresses are never reached through a proxy; redirects are not followed.
 *
 * A server cannot take memory or time without a limit: all headers together have a limit, the body of a refusal
 * is cut off, and an exchange ends when the server sends less than HTTP_STALL_BYTES in --stall-seconds. The
 * receiver limits the size of a successful response. */
#ifndef SOWER_CLIENT_SOW_DAEMON_HTTP_H
#define SOWER_CLIENT_SOW_DAEMON_HTTP_H

#include <stdbool.h>
#include <stddef.h>

#include "client/sow/daemon/response.h"
#include "client/sow/options.h"
#include "core/attributes.h"
#include "proto/fields.h"

enum { HTTP_STALL_BYTES = 65536 };

/* --server, --token-file, --ca-file, --retry-seconds, --stall-seconds. */
extern const struct option_group http_options;

/* The name of a header field: "Content-Type". */
const char *http_field_name(enum http_field field);

/* Receives a successful response. Each function returns false to stop the exchange. */
struct http_receiver {
    /* Called when the header is complete, before any byte of the body, and for an empty body too. */
    bool (*begin)(void *context, const struct http_response *response);
    bool (*receive)(void *context, const void *bytes, size_t size);
    void *context;
    bool restarts; /* `begin` may be called again, when a response that broke off is requested again from its
                      start */
};

struct http_request {
    const char *path;   /* "/v1/plan" */
    const char *method; /* "PUT" or "DELETE", without a body; NULL: GET, or POST when there is a text */
    const struct sower_pair *pairs;
    size_t pair_count;
    const char *text; /* JSON to be posted; NULL: none */
    size_t text_size;
    const char *idempotency_key; /* printable; identifies a repetition of the request; NULL: none */
    bool once;                   /* a repetition would have a second effect, so the request is not repeated */
    const char *range;           /* "0-99": only these bytes of the response; NULL: all bytes */
    const char *etag;            /* If-Range: if the entity tag is another one, the whole response is sent */
};

/* Sends the request to the server that the options name. Repeats the request after a temporary failure
 * (retry.h), within --retry-seconds and after a note on stderr, unless the receiver has got bytes and does not
 * restart. Fills `response` and returns its `end`. */
SOWER_MUST_USE enum http_end http_ask(const struct options *options, const struct http_request *request,
                                      const struct http_receiver *receiver, struct http_response *response);

/* The same without repetitions. */
SOWER_MUST_USE enum http_end http_ask_once(const struct options *options, const struct http_request *request,
                                           const struct http_receiver *receiver,
                                           struct http_response *response);

/* The value of --retry-seconds. */
double http_retry_seconds(const struct options *options);

#endif
