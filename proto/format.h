/* Formats: the bytes around the numbers.
 *
 *   npy  NumPy's .npy version 1.0: magic, a Python dict literal, padded so that the data starts at a multiple
 * of 64 bytes; C order, little-endian. bf16 and f8 have no NumPy dtype of their own: they are written as
 * '<V2' and '|V1', as ml_dtypes does, to be viewed as the type that the answer's Sower-Dtype names. raw  the
 * numbers alone, little-endian, C order.
 *
 * A body is the prefix (empty for raw) followed by the elements of the region. */
#ifndef SOWER_PROTO_FORMAT_H
#define SOWER_PROTO_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#include "request.h"

enum { SOWER_PREFIX_MAX = 512 };

struct sower_body {
    uint8_t prefix[SOWER_PREFIX_MAX];
    size_t prefix_size; /* a multiple of 64 */
    uint64_t data_size; /* bytes of elements */
};

const char *sower_format_name(enum sower_format format); /* "npy", "raw" */
const char *
sower_format_media_type(enum sower_format format); /* application/x-npy, application/octet-stream */

void sower_format_body(const struct sower_request *request, struct sower_body *body);

#endif
