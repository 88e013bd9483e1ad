/* Answers: small ones that were sent, kept to be sent again.
 *
 * A thousand ranks ask for the same biases, and making such an answer (reading the fields, hashing the names,
 * looking the draw up, printing the headers) takes longer than sending it. So it is kept under the target
 * that it was asked for by, and given to the next request with the same target, to the byte. Whoever takes an
 * answer has it alone until it gives it back, since a header of it (Sower-Request) is of one request; when
 * many ask at the same time, several of the same target are kept.
 *
 * Memory is bounded: what was not used for longest is dropped. Only the answers themselves are kept here, and
 * what the log says of them; whether one may be kept is for the handler to say. All functions may be called
 * by any thread. */
#ifndef SOWER_SERVER_CACHES_RESPONSES_H
#define SOWER_SERVER_CACHES_RESPONSES_H

#include <stddef.h>
#include <stdint.h>

#include "core/draw.h"
#include "proto/hex.h"
#include "proto/record.h"

struct MHD_Response;
struct sower_responses;

/* The greatest body that is kept. */
enum { SOWER_RESPONSE_BODY_MAX = 64 * 1024 };

struct sower_response {
    struct MHD_Response *response; /* with a reference of the answer's own */
    size_t size;                   /* bytes of the body */

    /* for the log */
    const char *experiment, *name; /* in `text` */
    uint64_t trial, line;
    char seed[SOWER_HEX_SIZE];

    /* for where it is kept */
    struct sower_responses *home;
    uint64_t place; /* a hash of the target */
    struct sower_response *next, *newer, *older;
    size_t memory; /* bytes that all of it takes, about */
    char text[];   /* target, experiment, name, each with its NUL */
};

/* Keeps at most `memory` bytes; 0: nothing. NULL when memory runs out. */
struct sower_responses *sower_responses_new(size_t memory);

/* When no answer is out any more. */
void sower_responses_free(struct sower_responses *answers);

/* An answer to this target, which is the caller's now; NULL when there is none at home. */
struct sower_response *sower_responses_take(struct sower_responses *answers, const char *target);

/* A new one, which takes over the reference to `response`; the rest is copied. NULL when memory runs out, and
 * the response is still the caller's. */
struct sower_response *sower_responses_make(struct sower_responses *answers, const char *target,
                                            const struct sower_draw *draw, struct MHD_Response *response,
                                            size_t size);

/* Gives an answer back, or a new one for the first time. It may be dropped at once. */
void sower_responses_give(struct sower_response *answer);

/* Bytes that the answers at home take. */
size_t sower_responses_memory(struct sower_responses *answers);

#endif
