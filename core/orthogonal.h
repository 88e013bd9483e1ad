/* Haar-distributed semi-orthogonal matrices, by rectangles.
 *
 * A rows × columns matrix Q with orthonormal columns (rows > columns) or rows (rows ≤ columns), uniform over
 * all of them, a pure function of the seed. Q is the orthogonal factor of a Gaussian matrix, its signs chosen
 * so that the triangular one has a positive diagonal (Mezzadri, "How to generate random matrices from the
 * classical compact groups", 2007). As each reflector acts on what the earlier ones left untouched, it can be
 * drawn on its own, and nothing is factorised (Stewart, "The efficient generation of random orthogonal
 * matrices", 1980). Their product is kept in the compact form I + V T Vᵀ (Schreiber and Van Loan, 1989), of
 * which any element can be had alone.
 *
 * Let n be the larger side and m the smaller. reflectors.h says what V (n × m), c, s, G and
 * pivot(l) = n − m + l are; X[i][l], of which V is made, takes the stream's word for the tensor's own
 * element: l · n + i when rows ≤ columns, else i · m + l. Then, in double and with N[k][j] = 0 for k < j,
 *
 *     N[k][j] = c_k · (V[pivot(j)][k] + Σ_l G[k][l] · N[l][j])    k ≥ j; l = j … k − 1
 *     Y[i][j] = δ + Σ_l V[i][l] · N[l][j]                        δ = 1 if i = pivot(j), else 0; l = 0 … m − 1
 *     element = Y[i][j] · (s_j · gain)
 *
 * which is the tensor's element [i][j] if rows > columns, else its [j][i].
 *
 * The sum of N is a chain of fma in the order of l, which starts with the number before it. So is that of Y
 * for tensors of f64. For all other types N is rounded to f32, each 240 values of l (0 … 239, 240 … 479, and
 * so on) are a chain of fma in f32 that starts with 0, and the chains' results are added to δ, in order and
 * in double. Terms that are zero make no difference.
 *
 * Max |QᵀQ − I| is some 10⁻¹⁴ for f64, and 2 · 10⁻⁷ for f32, half of which is the rounding of the elements.
 *
 * The work is in two parts. To prepare makes the factors, once per matrix: G, and V or, for a tall matrix
 * (rows > columns), N. To read makes any rectangle of Q from them, as often as one likes. A row of a tall
 * matrix costs m steps of fma for each element read. A row of any other costs at most m for each element, and
 * before that m²/2, whatever part of it is read. Rectangles of 64 rows and more are made at nearly full
 * speed: read several rows at a time, and as many columns as are wanted. */
#ifndef SOWER_CORE_ORTHOGONAL_H
#define SOWER_CORE_ORTHOGONAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/attributes.h"
#include "core/dtype.h"
#include "core/parallel.h"
#include "core/seed.h"

struct sower_orthogonal; /* the factors of one matrix; immutable once made, so threads may share it */

/* Bytes that the factors of a matrix of this shape keep: of a tall one 2 · m², of another 4 · m · n + 2 · m²
 * (for m much smaller than n; 6 · m² when square). Of f64 it is 4 · m², and 8 · m · n + 4 · m² (8 · m²).
 * UINT64_MAX beyond 2^36 elements. */
uint64_t sower_orthogonal_memory(uint64_t rows, uint64_t columns, enum sower_dtype dtype);

/* Bytes that preparing takes besides, while it lasts: less than 48 MiB (m up to 8192), for a tall matrix
 * another 4 · m². UINT64_MAX as above. */
uint64_t sower_orthogonal_scratch(uint64_t rows, uint64_t columns, enum sower_dtype dtype);

/* Makes the factors. Of the dtype it matters only whether it is f64. NULL when memory runs out, or beyond
 * 2^36 elements. Release with sower_orthogonal_free. */
SOWER_MUST_USE struct sower_orthogonal *sower_orthogonal_prepare(const struct sower_seed *seed, uint64_t rows,
                                                                 uint64_t columns, enum sower_dtype dtype,
                                                                 const struct sower_parallel *parallel);

/* Writes the rectangle [row, row + row_count) × [column, column + column_count) of Q, row-major and dense,
 * times `gain`, to `values`, for the caller to narrow to the dtype. Its bits do not depend on how the matrix
 * is cut into rectangles. Takes up to 32 MiB of scratch memory (m up to 8192); false when that cannot be had.
 */
SOWER_MUST_USE bool sower_orthogonal_read(const struct sower_orthogonal *factors, double gain, uint64_t row,
                                          uint64_t row_count, uint64_t column, uint64_t column_count,
                                          const struct sower_parallel *parallel, double *values);

void sower_orthogonal_free(struct sower_orthogonal *factors);

#endif
