/* The bytes of a response body: a format's prefix, then the elements of a region, addressable by byte.
 *
 * A read may begin and end anywhere, also inside an element, because an HTTP Range may. The source writes whole
 * elements directly into the caller's buffer. Only partial elements, and buffers that are not aligned for the
 * element, need a copy through a small buffer. */
#ifndef SOWER_PROTO_TENSOR_BYTES_H
#define SOWER_PROTO_TENSOR_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/attributes.h"
#include "core/source.h"
#include "proto/format.h"

/* A position that is a multiple of this is at the start of an element. */
enum { SOWER_TENSOR_BYTES_ALIGNMENT = 64 };

struct sower_tensor_bytes {
    struct sower_body body;
    struct sower_region region;
    const struct sower_source *source; /* of the draw; opened by the caller */
};

/* The size of the whole body. */
uint64_t sower_tensor_bytes_size(const struct sower_tensor_bytes *bytes);

/* Writes bytes position … position + count − 1 of the body to `buffer`; the body must have them. False
 * when the source runs out of memory. */
SOWER_MUST_USE bool sower_tensor_bytes_read(const struct sower_tensor_bytes *bytes, uint64_t position,
                                            size_t count, uint8_t *buffer);

#endif
