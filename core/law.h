/* Laws: how one word of the stream becomes one element.
 *
 * A law gives every element its value independently of all other elements: element i of the whole tensor
 * uses word i of the stream. Parameters are resolved in double. For dtypes of at most 32 bits they are
 * rounded once to f32, and words have 32 bits. f64 tensors use 64-bit words; numbers in [brackets] are
 * those for f64.
 *
 *   constant
 *     x = value; no word is read.
 *
 *   uniform
 *     s = word >> 8 [11], arithmetic, as signed
 *     c = (2s + 1) · 2^-24 [2^-53]; exact, never 0, |c| < 1
 *     x = fma(c, half, middle), clamped to [low, high]
 *
 *   normal
 *     x = fma(z(word), std, mean), where z is the inverse normal CDF of a word (normal.h)
 *
 *   truncated normal
 *     w = first + floor((word · span + floor(span / 2)) / 2^32 [2^64])
 *     x = fma(z(w), std, mean), clamped to [low, high]
 *
 *     The truncation is exact and does not reject words. The words first to first + span - 1 are those whose
 *     z lies between the bounds. The rank R = sower_normal_rank() counts the others: R(lower) 64-bit words
 *     lie below and R(-upper) above. A 32-bit word represents the 64-bit word in its middle, so the number of
 *     32-bit words outside is (R >> 32) + (the lower half of R > 2^31). When no word lies outside, the first
 *     and the last word are left out, so that span fits in a word. Symmetric bounds cut off the same number of
 *     words on both sides; then span is even, ~word maps to ~w, and the law is odd.
 *
 * The bounds of the clamp are rounded inwards, so no element leaves the support: low is the smallest number
 * of the format that is not below the requested bound; high is the largest number that is not above it, or,
 * for the uniform law, that is below it. (Rounding to a dtype of 16 or 8 bits can still go beyond a bound by
 * one step of that dtype.) Clamping compares numbers, so a zero keeps its sign. When no f32 lies between the
 * bounds, the law for f32 is the constant nearest to the middle or the mean.
 *
 * `struct sower_law` has the numbers for both widths; the dtype selects one of them. */
#ifndef SOWER_CORE_LAW_H
#define SOWER_CORE_LAW_H

#include <stdbool.h>
#include <stdint.h>

#include "core/attributes.h"
#include "core/dtype.h"
#include "core/problem.h"

enum sower_law_kind {
    SOWER_LAW_CONSTANT,
    SOWER_LAW_UNIFORM,
    SOWER_LAW_NORMAL,
    SOWER_LAW_TRUNCATED_NORMAL,
    SOWER_LAW_COUNT,
};

struct sower_law {
    /* f32 tensors and narrower */
    enum sower_law_kind kind;
    float scale;    /* uniform: half the range; normal, truncated: std; else 0 */
    float shift;    /* uniform: the middle; normal, truncated: mean; constant: the value */
    float low;      /* uniform, truncated: no element below; else -infinity */
    float high;     /* uniform, truncated: no element above (uniform: the largest float below the bound) */
    uint32_t first; /* truncated: the first word inside the bounds */
    uint32_t span;  /* truncated: the number of words inside, 2^16 to 2^32 - 2 */
    /* f64 tensors */
    enum sower_law_kind kind64; /* as kind, unless that is constant because no f32 lies between the bounds */
    double scale64, shift64, low64, high64;
    uint64_t first64;
    uint64_t span64; /* at most 2^64 - 2 */
};

/* The kind that applies to elements of this dtype. */
static inline enum sower_law_kind sower_law_kind(const struct sower_law *law, enum sower_dtype dtype)
{
    return dtype == SOWER_F64 ? law->kind64 : law->kind;
}

/* Every element is `value`. */
struct sower_law sower_law_constant(double value);

/* U[low, high); low == high gives the constant. The caller has checked that low ≤ high and that low,
 * high and high − low are finite. half = (high − low) / 2 and middle = low + half are computed in
 * double, then rounded. */
struct sower_law sower_law_uniform(double low, double high);

/* N(mean, std²); std ≥ 0. std == 0 gives the constant mean. */
struct sower_law sower_law_normal(double mean, double std);

/* N(mean, std²) conditioned on lower ≤ (x − mean)/std ≤ upper; these bounds are in units of std and may
 * be infinite. `low` and `high` are the same bounds as values: the support. Refuses bounds that contain
 * less than 2^-16 of the distribution, because too few words would remain; the problem names `field`.
 * std == 0 gives the constant mean. */
SOWER_MUST_USE bool sower_law_truncated_normal(double mean, double std, double lower, double upper,
                                               double low, double high, const char *field,
                                               struct sower_law *law, struct sower_problem *problem);

/* Whether the dtype can represent every value that the law can give. The parameters and both extremes
 * (the values of the smallest and the largest word) must be finite in the law's format. For f16 and bf16
 * the extremes must also be finite after clamping and rounding; f8 saturates. If the result is false,
 * *beyond is the parameter or the extreme that is too large, in double. */
SOWER_MUST_USE bool sower_law_fits(const struct sower_law *law, enum sower_dtype dtype, double *beyond);

/* The element of one word: f32 for dtypes of at most 32 bits, f64 for f64. These functions define the laws;
 * kernels compute the same values faster. */
float sower_law_f32(const struct sower_law *law, uint32_t word);
double sower_law_f64(const struct sower_law *law, uint64_t word);

#endif
