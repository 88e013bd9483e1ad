/* Householder reflectors drawn from a stream, and their inner products: the base of orthogonal.h.
 *
 * `count` reflectors act on vectors of `length` ≥ count numbers. Reflector l maps the Gaussian vector
 * X[0 … pivot(l)][l] onto its last axis, where pivot(l) = length − count + l. The numbers of X are f32
 * standard normals, one word of the stream each, from a first word on. V is X except for the pivots, and zero below them; it has
 * f32 values too. In double, with every operation rounded once:
 *
 *     tail   t_l = Σ_i X[i][l]², i = 0 … pivot(l) − 1 (the squares are exact)
 *     pivot  V[pivot(l)][l] = x + copysign(√(t_l + x²), x), rounded to f32; x = X[pivot(l)][l] (x² is exact)
 *     scale  c_l = −2 / (t_l + V[pivot(l)][l]²): minus two over the squared length of v_l (V² is exact)
 *     sign   s_l = −copysign(1, x)
 *     gram   G[k][l] = Σ_i V[i][k] · V[i][l], l < k, i = 0 … pivot(l)
 *
 * Sums run in the order of i. For f64 tensors the sum in G is one chain of fma that starts with 0. For all
 * other types only the first 240 rows are such a chain; every further 240 rows are a chain of fma in f32
 * that starts with 0, and the results of the chains are added to the sum, in order. (The first rows are in
 * double because the short vectors need the precision, and these lie in the first rows.)
 *
 * H_l = I + c_l v_l v_lᵀ is the reflection. s_l times the pivot's column of H_l is x_l / |x_l|, which is
 * uniform on the sphere. A vector of a single number (pivot 0) is not reflected and only its sign
 * counts: V = 0, c = 0, s = copysign(1, x). */
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
    uint64_t first_word;
    size_t length;
    size_t count;
    bool
        across; /* X[i][l] uses word first_word + l · length + i if across, else first_word + i · count + l */
    bool single;    /* f32 sums where the text above has them; false for f64 tensors */
    double *pivots; /* V[pivot(l)][l]; this array and the next two are padded with zeros to whole panels */
    double *scales; /* c_l */
    double *signs;  /* s_l */
    struct sower_panels vectors; /* Vᵀ, lower, count × length; kept only when across; floats when single */
    struct sower_panels gram;    /* Gᵀ, upper, doubles; the numbers for l ≥ k have no meaning */
};

/* Sets only the sizes. Then sower_panels_size() works for `vectors` and `gram`. */
void sower_reflectors_shape(struct sower_reflectors *reflectors, const struct sower_tile *tile, size_t length,
                            size_t count, bool across, bool single);

/* Additional bytes while sower_reflectors_draw runs. */
uint64_t sower_reflectors_scratch(const struct sower_reflectors *reflectors);

/* Draws the reflectors after sower_reflectors_shape. False when memory runs out. Call
 * sower_reflectors_free in both cases. Uses less than 40 MiB of scratch memory for up to 8192
 * reflectors. */
SOWER_MUST_USE bool sower_reflectors_draw(struct sower_reflectors *reflectors, const struct sower_seed *seed,
                                          uint64_t first_word, const struct sower_parallel *parallel);

void sower_reflectors_free(struct sower_reflectors *reflectors);

/* Writes V[row][first … first + count − 1] to values[0], values[stride], …. The numbers come from memory
 * (across) or are drawn from the stream again. */
void sower_reflectors_row(const struct sower_reflectors *reflectors, size_t row, size_t first, size_t count,
                          double *values, size_t stride);

#endif
