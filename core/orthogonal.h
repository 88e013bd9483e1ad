/* Haar-distributed semi-orthogonal matrices, computed by rectangles.
 *
 * Q is a rows × columns matrix with orthonormal columns (rows > columns) or rows (rows ≤ columns). It is
 * uniformly distributed over all such matrices and a pure function of the seed. Q is the orthogonal factor
 * of a Gaussian matrix; its signs are chosen so that the triangular factor has a positive diagonal
 * (Mezzadri, "How to generate random matrices from the classical compact groups", 2007). Each Householder
 * reflector acts on numbers that the earlier ones left untouched, so each can be drawn independently and no
 * matrix is factorised (Stewart, "The efficient generation of random orthogonal matrices", 1980). The
 * product of the reflectors is kept in the compact form I + V T Vᵀ (Schreiber and Van Loan, 1989), which
 * gives any element alone.
 *
 * Let n be the larger side and m the smaller. reflectors.h defines V (n × m), c, s, G and
 * pivot(l) = n − m + l. V is made from X, and X[i][l] uses one word of the stream, counted from the first word
 * of the matrix: word l · n + i when rows ≤ columns, else word i · m + l. Then, in double and with N[k][j] = 0 for
 * k < j,
 *
 *     N[k][j] = c_k · (V[pivot(j)][k] + Σ_l G[k][l] · N[l][j])    k ≥ j; l = j … k − 1
 *     Y[i][j] = δ + Σ_l V[i][l] · N[l][j]                        δ = 1 if i = pivot(j), else 0; l = 0 … m − 1
 *     element = Y[i][j] · (s_j · gain)
 *
 * which is the tensor's element [i][j] if rows > columns, else its [j][i].
 *
 * The sum in N is a chain of fma in the order of l that starts with the number before the sum. For f64
 * tensors the sum in Y is such a chain too. For all other types N is rounded to f32; every 240 values of l
 * (0 … 239, 240 … 479, and so on) form a chain of fma in f32 that starts with 0; and the results of the
 * chains are added to δ in double, in order. Terms that are zero make no difference.
 *
 * Max |QᵀQ − I| is about 10⁻¹⁴ for f64 and 2 · 10⁻⁷ for f32; rounding the elements causes half of the latter.
 *
 * The work has two parts. Preparing computes the factors once per matrix: G, and V or, for a tall matrix
 * (rows > columns), N. Reading computes any rectangle of Q from the factors and can be repeated. Each
 * element of a tall matrix costs m steps of fma. For other matrices each element costs at most m steps,
 * and each row costs another m²/2 steps, however few of its elements are read. Rectangles of at least 64
 * rows are computed at nearly full speed, so read several rows at a time and all the columns that are
 * needed. */
#ifndef SOWER_CORE_ORTHOGONAL_H
#define SOWER_CORE_ORTHOGONAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/attributes.h"
#include "core/dtype.h"
#include "core/parallel.h"
#include "core/seed.h"

struct sower_orthogonal; /* the factors of one matrix; they never change, so threads may share them */

/* Bytes that the factors of a matrix of this shape keep:
 *
 *                               tall      others, m much smaller than n    square
 *     f32 and narrower types    2 · m²    4 · m · n + 2 · m²               6 · m²
 *     f64                       4 · m²    8 · m · n + 4 · m²               8 · m²
 *
 * UINT64_MAX for more than 2^36 elements. */
uint64_t sower_orthogonal_memory(uint64_t rows, uint64_t columns, enum sower_dtype dtype);

/* Additional bytes while preparing runs: less than 48 MiB (m up to 8192); for a tall matrix another 4 · m².
 * UINT64_MAX for more than 2^36 elements. */
uint64_t sower_orthogonal_scratch(uint64_t rows, uint64_t columns, enum sower_dtype dtype);

/* Computes the factors of the matrix whose words begin with word `first_word` of the stream; it uses rows ·
 * columns words. All dtypes other than f64 give the same factors. NULL when memory runs out, or for more than
 * 2^36 elements. Release them with sower_orthogonal_free. */
SOWER_MUST_USE struct sower_orthogonal *sower_orthogonal_prepare(const struct sower_seed *seed,
                                                                 uint64_t first_word, uint64_t rows,
                                                                 uint64_t columns, enum sower_dtype dtype,
                                                                 const struct sower_parallel *parallel);

/* Bytes that sower_orthogonal_read takes while it reads `row_count` rows at a time: up to 32 MiB (m up to 8192).
 * UINT64_MAX for more than 2^36 elements. */
uint64_t sower_orthogonal_read_scratch(uint64_t rows, uint64_t columns, enum sower_dtype dtype,
                                       uint64_t row_count);

/* Writes the rectangle [row, row + row_count) × [column, column + column_count) of Q times `gain` to
 * `values`, row-major and dense, in double; the caller rounds to the dtype. The bits do not depend on
 * the division of the matrix into rectangles. False when scratch memory runs out. */
SOWER_MUST_USE bool sower_orthogonal_read(const struct sower_orthogonal *factors, double gain, uint64_t row,
                                          uint64_t row_count, uint64_t column, uint64_t column_count,
                                          const struct sower_parallel *parallel, double *values);

void sower_orthogonal_free(struct sower_orthogonal *factors);

#endif
