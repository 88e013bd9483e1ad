/* Expectations: everything that is known about the response for a tensor or a model before it arrives.
 *
 * sow parses the request with the same code as the daemon. So it knows the size, the header fields and the
 * bytes before the first element; and the draw id and the seed, if it knows the root. With `derives` it
 * also computes every element and compares each byte as it arrives.
 *
 * A daemon with a private root sends another draw id, and another header of a safetensors file. The id of a
 * root is not secret: a plan of the daemon contains it, and the draw id must follow from it. The seed
 * cannot be checked without the key. */
#ifndef SOWER_CLIENT_SOW_TENSORS_EXPECTED_H
#define SOWER_CLIENT_SOW_TENSORS_EXPECTED_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "client/sow/daemon/http.h"
#include "core/attributes.h"
#include "core/source.h"
#include "proto/format.h"
#include "proto/model.h"
#include "proto/request.h"
#include "proto/tensor_bytes.h"

enum { EXPECTED_SOURCES_MAX = 64, EXPECTED_REASON_SIZE = 640 };

struct expected {
    struct sower_request *request; /* for a tensor; NULL for a model */
    struct sower_model *model;     /* NULL for a tensor */
    bool root_given;               /* its key is known; otherwise the public root is assumed until
                                      root_learn */
    bool root_private;             /* only the id of the root is known */
    bool derives;                  /* compare every byte, not only those before the first element */
    uint64_t size;                 /* bytes of the whole response */
    const uint8_t *prefix;         /* its first bytes */
    size_t prefix_size;
    struct sower_body body;                         /* of a tensor */
    char fields[HTTP_FIELD_COUNT][HTTP_FIELD_SIZE]; /* expected header fields; empty: not known */
    pthread_mutex_t lock;                           /* guards the sources */
    struct expected_source {
        size_t tensor;
        unsigned users; /* 0: not open */
        struct sower_source source;
    } sources[EXPECTED_SOURCES_MAX];
};

/* Start from a request or a model that was derived here; it must stay valid until expected_end. */
void expected_of_tensor(struct expected *expected, struct sower_request *request, bool root_given);
void expected_of_model(struct expected *expected, struct sower_model *model, bool root_given);
void expected_end(struct expected *expected);

/* Replaces the public root by a private one, of which only the id is known. From then on the seed is not
 * known. */
void expected_set_root(struct expected *expected, const struct sower_seed *root_id);

enum expected_judgement {
    EXPECTED_MATCHES,
    EXPECTED_WRONG,      /* `reason` is a clause for report_mismatch: what was received and what was
                            expected */
    EXPECTED_OTHER_ROOT, /* the same, but a private root may be the cause */
    EXPECTED_NO_MEMORY,  /* memory has run out */
};

/* Checks the header of a response. */
SOWER_MUST_USE enum expected_judgement expected_header(const struct expected *expected,
                                                       const struct http_response *response,
                                                       char reason[EXPECTED_REASON_SIZE]);

/* A reader of the response's bytes; several may read at the same time. Initialize with zeros, except
 * `expected`. */
struct expected_reader {
    struct expected *expected;
    struct expected_source *source; /* of the current tensor; NULL: none yet */
    struct sower_tensor_bytes bytes;
    uint8_t *block;
};

/* Checks `size` bytes of the response, starting with byte `at`. */
SOWER_MUST_USE enum expected_judgement expected_bytes(struct expected_reader *reader, uint64_t at,
                                                      const uint8_t *found, size_t size,
                                                      char reason[EXPECTED_REASON_SIZE]);

/* Releases what the reader holds. */
void expected_reader_end(struct expected_reader *reader);

#endif
