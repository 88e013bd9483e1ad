/* Zero rows and columns: indices of the first and of the last axis whose elements are all 0.
 *
 * An embedding often has a row of zeros, for the token that pads a text (padding_idx in PyTorch). Such rows are
 * part of the draw. All other elements keep their values: an element depends only on its seed and its index.
 * A tensor of one axis has one element in each of its rows, and the same element in the column of that index. */
#ifndef SOWER_CORE_ZEROS_H
#define SOWER_CORE_ZEROS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/attributes.h"
#include "core/problem.h"
#include "core/shape.h"

/* The most rows, and the most columns. */
enum { SOWER_ZEROS_MAX = 8 };

/* Ascending, each index once. */
struct sower_zero_indices {
    size_t count;
    uint64_t at[SOWER_ZEROS_MAX];
};

struct sower_zeros {
    struct sower_zero_indices rows;    /* of the first axis */
    struct sower_zero_indices columns; /* of the last axis */
};

/* Set the rows or the columns to `count` indices; a negative one counts from the end of the axis. Refuse (field
 * "zero_rows" or "zero_columns") more than SOWER_ZEROS_MAX, an index beyond the axis, and the same index twice.
 * A scalar has no axes, so every index is refused. */
SOWER_MUST_USE bool sower_zeros_set_rows(struct sower_zeros *zeros, const struct sower_shape *shape,
                                         const int64_t *indices, size_t count, struct sower_problem *problem);
SOWER_MUST_USE bool sower_zeros_set_columns(struct sower_zeros *zeros, const struct sower_shape *shape,
                                            const int64_t *indices, size_t count,
                                            struct sower_problem *problem);

/* The fraction of the elements that are in no zero row and in no zero column; 1 for an empty tensor. */
double sower_zeros_share_of_others(const struct sower_zeros *zeros, const struct sower_shape *shape);

/* Writes 0 over the elements of zero rows and columns. `elements` are those of the runs, one run after the
 * other, `size` bytes each. In every dtype all bits of 0 are zero. */
void sower_zeros_put(const struct sower_zeros *zeros, const struct sower_shape *shape,
                     const struct sower_runs *runs, size_t size, void *elements);

#endif
