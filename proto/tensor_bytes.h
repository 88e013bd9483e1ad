/* The bytes of an answer: a format's prefix, then the elements of a region, addressable by byte.
 *
 * What is asked for may begin and end anywhere, also inside an element (a Range is free to). Whole elements
 * are written by the source straight into the caller's buffer; only the ragged edges, and buffers that are
 * not aligned for the element, go through a small one. */
#ifndef SOWER_PROTO_TENSOR_BYTES_H
#define SOWER_PROTO_TENSOR_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/source.h"
#include "proto/format.h"

/* A stream that has reached a multiple of this has reached an element's edge. */
enum { SOWER_TENSOR_BYTES_ALIGNMENT = 64 };

struct sower_tensor_bytes {
    struct sower_body body;
    struct sower_region region;
    const struct sower_source *source; /* of the draw, open */
};

/* The size of the whole answer. */
uint64_t sower_tensor_bytes_size(const struct sower_tensor_bytes *bytes);

/* Writes bytes position … position + count − 1 of the answer to `buffer`; they must lie inside of it. False
 * when the source runs out of memory. */
bool sower_tensor_bytes_read(const struct sower_tensor_bytes *bytes, uint64_t position, size_t count,
                             uint8_t *buffer);

#endif
