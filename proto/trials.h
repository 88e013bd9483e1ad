/* Requests for trials: numbers that are given out once.
 *
 * An experiment gives out its trial numbers in order, from 0; a request takes `count` of them. A client that
 * does not know whether its request arrived asks again with the same key and gets the same numbers. */
#ifndef SOWER_PROTO_TRIALS_H
#define SOWER_PROTO_TRIALS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "core/attributes.h"
#include "core/problem.h"
#include "core/seed.h"

enum {
    SOWER_TRIALS_COUNT_MAX = 1000000, /* the most numbers for one request */
    SOWER_TRIALS_KEY_MAX = 255,       /* bytes of a key */
};

struct sower_trials_request {
    char experiment[SOWER_EXPERIMENT_MAX + 1];
    uint64_t count;
    char key[SOWER_TRIALS_KEY_MAX + 1]; /* empty: none */
    json_t *purposes; /* whose numbers of the first trial are asked for (purposes.h); NULL: none */
};

/* Reads the fields: `count`, whose default is 1, and `purposes`. With `from_pairs` a value is text. The caller
 * releases request->purposes (json_decref), also after a problem. */
SOWER_MUST_USE bool sower_trials_read_fields(const json_t *fields, bool from_pairs,
                                             struct sower_trials_request *request,
                                             struct sower_problem *problem);

/* Reads a key: 1 to SOWER_TRIALS_KEY_MAX printable characters of ASCII, without a space at either end, because
 * HTTP removes it. Problems have the field "Idempotency-Key". */
SOWER_MUST_USE bool sower_trials_read_key(const char *text, size_t length,
                                          struct sower_trials_request *request,
                                          struct sower_problem *problem);

#endif
