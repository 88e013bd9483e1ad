/* Expectations: what the answer for a tensor or a model must be, as far as it can be known before it comes.
 *
 * The same code as in the daemon reads the request here, so size, header fields and the bytes before the
 * first element are known, the draw id and the seed as well where the root is. The elements can be known too:
 * then each byte is derived and compared when it comes.
 *
 * A daemon with a private root gives another draw id, and another header of a safetensors file. The root's id
 * is no secret: the daemon's plan tells it, and the id of the draw must follow from it. Its seed cannot be
 * judged without the key. */
#ifndef SOWER_CLIENT_SOW_TENSORS_EXPECTED_H
#define SOWER_CLIENT_SOW_TENSORS_EXPECTED_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "client/sow/daemon/http.h"
#include "core/source.h"
#include "proto/format.h"
#include "proto/model.h"
#include "proto/request.h"
#include "proto/tensor_bytes.h"

enum { EXPECTED_SOURCES_MAX = 64, EXPECTED_REASON_SIZE = 640 };

struct expected {
    struct sower_request *request; /* of a tensor; NULL for a model */
    struct sower_model *model;     /* NULL for a tensor */
    bool root_given;               /* as a key; otherwise the public root is assumed, until root_learn */
    bool root_private;             /* its id is known, and no more */
    bool derives;                  /* every byte is compared, not only those before the first element */
    uint64_t size;                 /* of the whole answer */
    const uint8_t *prefix;         /* its first bytes */
    size_t prefix_size;
    struct sower_body body;                         /* of a tensor */
    char fields[HTTP_FIELD_COUNT][HTTP_FIELD_SIZE]; /* that the answer must have; empty: not known */
    pthread_mutex_t lock;                           /* guards the sources */
    struct expected_source {
        size_t tensor;
        unsigned users; /* 0: not open */
        struct sower_source source;
    } sources[EXPECTED_SOURCES_MAX];
};

/* Begin with a request or a model that was derived here, and that stays. expected_end closes. */
void expected_of_tensor(struct expected *expected, struct sower_request *request, bool root_given);
void expected_of_model(struct expected *expected, struct sower_model *model, bool root_given);
void expected_end(struct expected *expected);

/* Takes another root than the public one, by its id; the seed is not known from here on. */
void expected_set_root(struct expected *expected, const struct sower_seed *root_id);

enum expected_judgement {
    EXPECTED_FITS,
    EXPECTED_WRONG,      /* `reason` is a clause for report_stranger: what came, what must come */
    EXPECTED_OTHER_ROOT, /* the same, where another root than the public one may be the cause */
    EXPECTED_UNKNOWN,    /* memory has run out */
};

/* Judges the header of an answer. */
enum expected_judgement expected_header(const struct expected *expected, const struct http_response *answer,
                                        char reason[EXPECTED_REASON_SIZE]);

/* One reader of the answer's bytes; several may read at once. All zeros, but for `expected`, at the begin. */
struct expected_reader {
    struct expected *expected;
    struct expected_source *source; /* of the tensor that it is in; NULL: none yet */
    struct sower_tensor_bytes bytes;
    uint8_t *block;
};

/* Judges `size` bytes of the answer, from byte `at` on. */
enum expected_judgement expected_bytes(struct expected_reader *reader, uint64_t at, const uint8_t *found,
                                       size_t size, char reason[EXPECTED_REASON_SIZE]);

/* Gives up what the reader holds. */
void expected_reader_end(struct expected_reader *reader);

#endif
