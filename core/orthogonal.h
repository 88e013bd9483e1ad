/* Haar-distributed semi-orthogonal matrices, by rows.
 *
 * A rows × columns matrix Q with orthonormal columns (rows ≥ columns) or rows (rows < columns), uniform over all of them
 * (Stewart, "The efficient generation of random orthogonal matrices", 1980; Mezzadri, 2007), a pure function of the
 * seed. The Householder vectors are drawn from the seed's stream themselves, so nothing is factorised, and rows can be
 * made without the rest. All sums are chains of fma in an order that does not depend on vector width, tile size or
 * threads. The work is in two parts:
 *
 *   prepare  the factors, once per matrix: some hundred milliseconds at 2048 × 2048, memory sower_orthogonal_memory()
 *   read     any rectangle of Q from the factors, as often as one likes */
#ifndef SOWER_CORE_ORTHOGONAL_H
#define SOWER_CORE_ORTHOGONAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "parallel.h"
#include "seed.h"

struct sower_orthogonal; /* the factors of one matrix; immutable once made, so threads may share it */

/* Bytes that the factors of a matrix of this shape take while they exist; UINT64_MAX when that overflows. */
uint64_t sower_orthogonal_memory(uint64_t rows, uint64_t columns);

/* Makes the factors. NULL when memory runs out. Release with sower_orthogonal_free. */
struct sower_orthogonal *sower_orthogonal_prepare(const struct sower_seed *seed, uint64_t rows, uint64_t columns,
                                                  const struct sower_parallel *parallel);

/* Writes the rectangle [row, row + row_count) × [column, column + column_count) of Q, row-major and dense, times `gain`, to `values`.
 * Its bits do not depend on how the matrix is cut into rectangles. False when memory for scratch space runs out. */
bool sower_orthogonal_read(const struct sower_orthogonal *factors, double gain, uint64_t row, uint64_t row_count,
                           uint64_t column, uint64_t column_count, const struct sower_parallel *parallel, double *values);

void sower_orthogonal_free(struct sower_orthogonal *factors);

#endif
