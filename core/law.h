/* Laws: how one word of the stream becomes one element.
 *
 * A law says for every index of the whole tensor, independently of all others, which value it has: element i
 * takes word i of the stream. Parameters are resolved in double and rounded once to f32 (dtypes of 32 bits
 * and fewer). Words have 32 bits, those of f64 tensors 64; what f64 has instead stands in brackets.
 *
 *   constant
 *     x = value; no word is read.
 *
 *   uniform
 *     s = word >> 8 [11], arithmetic, as signed
 *     c = (2s + 1) · 2^-24 [2^-53], exact, never 0, |c| < 1
 *     x = fma(c, half, middle), clamped to [low, high]
 *
 *   normal
 *     x = fma(z(word), std, mean), z the inverse normal CDF of a word (normal.h)
 *
 *   truncated normal
 *     w = first + floor((word · span + floor(span / 2)) / 2^32 [2^64])
 *     x = fma(z(w), std, mean), clamped to [low, high]
 *
 *     An exact truncation, without rejection: words first to first + span - 1 are those whose z lies within
 *     the bounds. They are counted by rank R = sower_normal_rank(): R(lower) 64-bit words lie below and
 *     R(-upper) above. A 32-bit word stands for the 64-bit one in its middle, so of 32-bit words
 *     (R >> 32) + (the lower half of R > 2^31) lie outside. Where no word lies outside, the first and the
 *     last are left out all the same, so that span fits a word. With symmetric bounds as many are cut off on
 *     either side; then span is even, ~word goes to ~w, and the law is odd.
 *
 * The clamp's bounds are rounded inwards, so no element leaves its support: low is the smallest number of the
 * format that is not below the bound asked for, high the largest that is not above, and for the uniform law
 * below. (A dtype of 16 or 8 bits may still round to beyond them by one of its own steps.) A number is
 * clamped by comparison, so a zero keeps its sign. Where no f32 lies between the bounds, the law of f32 is
 * constant: the number nearest to the middle, or to the mean.
 *
 * `struct sower_law` holds both widths; which one is used follows from the dtype. */
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
    uint32_t span;  /* truncated: how many words are inside, 2^16 to 2^32 - 2 */
    /* f64 tensors */
    enum sower_law_kind kind64; /* as kind, unless that is constant because no f32 lies between the bounds */
    double scale64, shift64, low64, high64;
    uint64_t first64;
    uint64_t span64; /* at most 2^64 - 2 */
};

/* The kind that a dtype's elements follow. */
static inline enum sower_law_kind sower_law_kind(const struct sower_law *law, enum sower_dtype dtype)
{
    return dtype == SOWER_F64 ? law->kind64 : law->kind;
}

/* The law of a single value. */
struct sower_law sower_law_constant(double value);

/* U[low, high); low == high gives the constant. low ≤ high, both finite, and high − low finite: checked by
 * the caller. half = (high − low) / 2 and middle = low + half in double, then rounded. */
struct sower_law sower_law_uniform(double low, double high);

/* N(mean, std²); std ≥ 0. std == 0 gives the constant mean. */
struct sower_law sower_law_normal(double mean, double std);

/* N(mean, std²) conditioned on lower ≤ (x − mean)/std ≤ upper: bounds in units of std, which may be infinite.
 * `low` and `high` are the same bounds as values: the support that no element leaves. Refuses, naming
 * `field`, bounds that hold less than 2^-16 of the distribution: too few words would be left to draw from.
 * std == 0 gives the constant mean. */
SOWER_MUST_USE bool sower_law_truncated_normal(double mean, double std, double lower, double upper,
                                               double low, double high, const char *field,
                                               struct sower_law *law, struct sower_problem *problem);

/* Whether the dtype holds every value that the law can give. The parameters and both extremes, those of the
 * words farthest out, must be finite in the law's format; clamped and rounded to f16 or bf16 the extremes
 * must be finite as well (f8 saturates). If not, *beyond is the parameter or the extreme at fault, in double.
 */
SOWER_MUST_USE bool sower_law_fits(const struct sower_law *law, enum sower_dtype dtype, double *beyond);

/* The element that a word becomes: f32 for dtypes of 32 bits and fewer, f64 for f64. These define the laws;
 * kernels compute the same faster. */
float sower_law_f32(const struct sower_law *law, uint32_t word);
double sower_law_f64(const struct sower_law *law, uint64_t word);

#endif
