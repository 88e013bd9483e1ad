/* Reads the header of a NumPy file (numpy.lib.format): dtype and shape of its array, and where its elements begin. */
#ifndef SOWER_PROTO_NPY_READ_H
#define SOWER_PROTO_NPY_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/attributes.h"
#include "core/problem.h"
#include "core/shape.h"

/* A header has at most as many bytes as one of version 1.0 can have. Sower's own have less than 400. */
enum { SOWER_NPY_HEADER_MAX = 10 + 65535, SOWER_NPY_TYPE_MAX = 15 };

struct sower_npy {
    char type[SOWER_NPY_TYPE_MAX + 1]; /* "<f4" */
    struct sower_shape shape;
    size_t header_size; /* bytes before the first element */
};

/* Whether a file that begins with these bytes is a NumPy file. */
SOWER_MUST_USE bool sower_npy_is(const uint8_t *bytes, size_t size);

/* Reads the header from the first bytes of the file: all of it, or at least SOWER_NPY_HEADER_MAX bytes. Refuses arrays in
 * Fortran order, of more than eight axes, and of records. */
SOWER_MUST_USE bool sower_npy_read(const uint8_t *bytes, size_t size, struct sower_npy *npy,
                                   struct sower_problem *problem);

/* Whether an array of this type has the bytes that Sower writes for a dtype. Two dtypes may have the same type, because
 * NumPy has no type of its own for them. */
SOWER_MUST_USE bool sower_npy_has_dtype(const struct sower_npy *npy, enum sower_dtype dtype);

#endif
