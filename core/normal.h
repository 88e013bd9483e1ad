/* The inverse normal CDF of a word, and its inverse.
 *
 * A word w of b bits represents the probability p = (w + 1/2) / 2^b; its normal variate is z = Φ⁻¹(p). Both
 * widths use the same method. Let r = min(w, ~w): the number of words between w and the nearer end. Words r
 * with the same number n of leading zeros form an octave, 2^(b-1-n) to 2^(b-n) - 1 (r = 0 belongs to the
 * octave of r = 1). In each octave |z| is a polynomial in d = (r - centre[n]) * 2^-scale, evaluated by
 * Horner's rule with fma from the highest power down; normal_table.h has the coefficients. The difference
 * of integers is exact, its conversion to floating point rounds once, and the multiplication by a power of
 * two is exact. z is negative for the lower half of the words, so z is odd by construction. The octave
 * beside the median has its centre at the median, so that z keeps its relative precision near 0.
 *
 *   f32: The contract requires |z - true z| ≤ 2.5e-7 · max(1, |z|) for all 2^32 words, and that z does not
 *        decrease by more than 2 ulp from one word to the next. Measured over all words: 1.22e-7 and 1 ulp
 *        (tests/exhaustive.c).
 *   f64: On sampled words the error is at most 1.3e-16 · max(1, |z|): about one unit in the last place where
 *        |z| > 0.5. */
#ifndef SOWER_CORE_NORMAL_H
#define SOWER_CORE_NORMAL_H

#include <stdint.h>

float sower_normal_f32(uint32_t word);
double sower_normal_f64(uint64_t word);

/* The number of 64-bit words w with sower_normal_f64(w) < z, found by bisection: Φ(z) · 2^64 without
 * evaluating Φ. When z is above all words the result is 2^64 − 1, which callers treat as "all words". 0
 * for NaN. */
uint64_t sower_normal_rank(double z);

#endif
