/* Householder reflectors drawn from a stream, and their inner products: what orthogonal.h builds on.
 *
 * `count` reflectors act on vectors of `length` ≥ count numbers. Reflector l turns the Gaussian vector
 * X[0 … pivot(l)][l] onto its last axis, pivot(l) = length − count + l. X holds f32 standard normals of the
 * stream, one word each. V is X but for the pivots, and zero below them: f32 values too. In double, every
 * operation rounded once:
 *
 *     tail   t_l = Σ_i X[i][l]², i = 0 … pivot(l) − 1 (the squares are exact)
 *     pivot  V[pivot(l)][l] = x + copysign(√(t_l + x²), x), rounded to f32; x = X[pivot(l)][l] (x² is exact)
 *     scale  c_l = −2 / (t_l + V[pivot(l)][l]²): minus two over the square of the length of v_l (V² is exact)
 *     sign   s_l = −copysign(1, x)
 *     gram   G[k][l] = Σ_i V[i][k] · V[i][l], l < k, i = 0 … pivot(l)
 *
 * Sums run in the order of i. That of G is, for tensors of f64, one chain of fma that starts with 0. For all
 * other types only the first 240 rows are summed so; each further 240 are a chain of fma in f32 that starts
 * with 0, and the chains' results are added to the sum, in order. (The short vectors, which need it, lie in
 * the first rows.)
 *
 * H_l = I + c_l v_l v_lᵀ is the reflection, and s_l times its column of the pivot is x_l / |x_l|: uniform on
 * the sphere. A vector of a single number (pivot 0) is not reflected, only its sign counts: V = 0, c = 0, s =
 * copysign(1, x). */
#ifndef SOWER_CORE_REFLECTORS_H
#define SOWER_CORE_REFLECTORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/attributes.h"
#include "core/panels.h"
#include "core/parallel.h"
#include "core/seed.h"
#include "core/tile.h"

struct sower_reflectors {
    const struct sower_tile *tile;
    struct sower_seed seed;
    size_t length;
    size_t count;
    bool across;    /* X[i][l] takes word l · length + i when across, otherwise i · count + l */
    bool single;    /* sums of f32 where the above allows them; f64 tensors do without */
    double *pivots; /* V[pivot(l)][l]; this and the next two are padded with zeros to whole panels */
    double *scales; /* c_l */
    double *signs;  /* s_l */
    struct sower_panels vectors; /* Vᵀ, lower, count × length; kept only when across; floats when single */
    struct sower_panels gram;    /* Gᵀ, upper, of doubles; what it holds for l ≥ k means nothing */
};

/* Sets the sizes and nothing else: enough to ask `vectors` and `gram` what they would take. */
void sower_reflectors_shape(struct sower_reflectors *reflectors, const struct sower_tile *tile, size_t length,
                            size_t count, bool across, bool single);

/* Bytes that drawing them takes besides, while it lasts. */
uint64_t sower_reflectors_scratch(const struct sower_reflectors *reflectors);

/* Draws the reflectors of a shape that was set. False when memory runs out; release with
 * sower_reflectors_free in either case. Scratch memory stays below 40 MiB for up to 8192 reflectors. */
SOWER_MUST_USE bool sower_reflectors_draw(struct sower_reflectors *reflectors, const struct sower_seed *seed,
                                          const struct sower_parallel *parallel);

void sower_reflectors_free(struct sower_reflectors *reflectors);

/* V[row][first … first + count − 1] to values[0], values[stride], …: from memory, or anew from the stream. */
void sower_reflectors_row(const struct sower_reflectors *reflectors, size_t row, size_t first, size_t count,
                          double *values, size_t stride);

#endif
