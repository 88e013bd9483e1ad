/* Cached responses: small responses that were sent, kept to be sent again.
 *
 * A thousand ranks ask for the same biases. Making such a response (reading the fields, hashing the names,
 * finding the draw, printing the headers) takes longer than sending it. So the cache keeps it under the
 * target of the request, and gives it to the next request with exactly the same target. A request that takes
 * a response has it alone until it gives it back, because the header Sower-Request belongs to one request.
 * When many requests come at the same time, the cache keeps several responses for one target.
 *
 * Memory is bounded: the least recently used response is dropped first. The handler decides which responses
 * may be kept. An entry also has the values that the log line of a request shows. Any thread may call these
 * functions. */
#ifndef SOWER_SERVER_CACHES_RESPONSES_H
#define SOWER_SERVER_CACHES_RESPONSES_H

#include <stddef.h>
#include <stdint.h>

#include "core/attributes.h"
#include "core/draw.h"
#include "proto/hex.h"
#include "proto/record.h"

struct MHD_Response;
struct sower_responses;

/* The largest body that is kept, in bytes. */
enum { SOWER_RESPONSE_BODY_MAX = 64 * 1024 };

struct sower_response {
    struct MHD_Response *response; /* the entry owns one reference */
    size_t size;                   /* bytes of the body */

    /* for the log */
    const char *experiment, *name; /* in `text` */
    uint64_t trial, line;
    char seed[SOWER_HEX_SIZE];

    /* private */
    struct sower_responses *cache;
    uint64_t hash; /* of the target */
    struct sower_response *next, *newer, *older;
    size_t memory; /* bytes of the whole entry, approximately */
    char text[];   /* target, experiment, name, each with its NUL */
};

/* Keeps at most `memory` bytes; 0: keeps nothing. NULL when memory runs out. */
SOWER_MUST_USE struct sower_responses *sower_responses_new(size_t memory);

/* Call when every response that was taken or made has been given back. */
void sower_responses_free(struct sower_responses *responses);

/* Takes a response for this target out of the cache. The caller gives it back. NULL: none. */
SOWER_MUST_USE struct sower_response *sower_responses_take(struct sower_responses *responses,
                                                           const char *target);

/* A new entry, which the caller gives to the cache. It takes over the reference to `response` and copies the
 * rest. NULL when memory runs out; then the caller still owns the reference. */
SOWER_MUST_USE struct sower_response *sower_responses_make(struct sower_responses *responses,
                                                           const char *target, const struct sower_draw *draw,
                                                           struct MHD_Response *response, size_t size);

/* Gives a response back to its cache, which may drop it at once. */
void sower_responses_give(struct sower_response *entry);

/* Bytes of the responses in the cache; how often a response was there, and how often not. */
struct sower_responses_figures {
    size_t memory;
    uint64_t hits, misses;
};
SOWER_MUST_USE struct sower_responses_figures sower_responses_figures(struct sower_responses *responses);

#endif
