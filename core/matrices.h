/* Batches of Haar matrices: the elements of a tensor that consists of them.
 *
 * The axes of the tensor are batch axes, axes of the out side, and axes of the other side. Each batch entry is a
 * matrix; if the last axis that is no batch axis belongs to the out side, the out side is the columns, else the
 * rows. `blocks` cuts the out side into equal parts, so that an entry has several matrices, one above the other
 * or side by side. Matrix q = entry · blocks + block uses words q · rows · columns … of the tensor's stream
 * (orthogonal.h), so no two matrices use the same word.
 *
 * What a source keeps depends on the tensor:
 *
 *   factors   of each matrix, if rows of the tensor are rows of matrices
 *   nothing   for a great many small matrices of that kind: reading computes the factors of the matrices that it
 *             meets, which costs about as much as reading a whole small matrix
 *   elements  the whole tensor, if other axes come between (a batch axis that is not the first, for example), because
 *             reading a run would meet all matrices; and for a great many tiny matrices, whose elements take
 *             much less memory than their factors */
#ifndef SOWER_CORE_MATRICES_H
#define SOWER_CORE_MATRICES_H

#include <stdbool.h>
#include <stdint.h>

#include "core/attributes.h"
#include "core/dtype.h"
#include "core/layout.h"
#include "core/parallel.h"
#include "core/seed.h"
#include "core/shape.h"
#include "core/source.h"
#include "core/view.h"

enum sower_matrices_keep { SOWER_KEEP_FACTORS, SOWER_KEEP_NOTHING, SOWER_KEEP_ELEMENTS };

struct sower_matrices {
    struct sower_view view;
    uint64_t rows, columns; /* of one matrix */
    uint64_t down, across;  /* blocks of an entry one above the other, and side by side; one of them is 1 */
    uint64_t count; /* of matrices; 0 for a tensor without elements, and then only this field is set */
    double gain;    /* a factor for every element */
    enum sower_dtype dtype;
    enum sower_matrices_keep keep;
};

struct sower_matrices_factors; /* what the source keeps; it never changes, so threads may share it */

/* `outs` and `others` are the axes of the two sides; all other axes are batch axes. `blocks` divides the product of
 * the sizes of `outs`. */
struct sower_matrices sower_matrices_make(const struct sower_shape *shape, sower_axes outs, sower_axes others,
                                          uint64_t blocks, double gain, enum sower_dtype dtype);

struct sower_cost sower_matrices_cost(const struct sower_matrices *matrices);

/* Computes what the source keeps; NULL when memory runs out. Only for tensors that have elements. Release it with
 * sower_matrices_free. */
SOWER_MUST_USE struct sower_matrices_factors *sower_matrices_prepare(const struct sower_matrices *matrices,
                                                                     const struct sower_seed *seed,
                                                                     const struct sower_parallel *parallel);

/* Writes the runs (shape.h) to `elements`, in host byte order. The seed is that of the preparation. False when
 * scratch memory runs out. */
SOWER_MUST_USE bool sower_matrices_read(const struct sower_matrices *matrices,
                                        const struct sower_matrices_factors *factors,
                                        const struct sower_seed *seed, const struct sower_runs *runs,
                                        void *elements);

void sower_matrices_free(struct sower_matrices_factors *factors);

#endif
