/* The inverse normal CDF of a word, and its inverse.
 *
 * A word w of b bits stands for the probability p = (w + 1/2) / 2^b; its normal variate is z = Φ⁻¹(p). Both
 * widths use one scheme. Let r = min(w, ~w), the number of words between w and the nearer end. Words r with
 * the same number of leading zeros n form an octave, 2^(b-1-n) to 2^(b-n) - 1 (r = 0 goes with r = 1). In
 * each octave |z| is a polynomial in d = (r - centre[n]) * 2^-scale, evaluated by Horner's rule with fma from
 * the highest power down; normal_table.h has the coefficients. The difference of integers is exact, its
 * conversion to floating point rounds once, and the power of two is exact again. z is negative for the lower
 * half of the words. So z is odd by construction, and the octave beside the median is centred on the median
 * itself, where z keeps its relative precision.
 *
 *   f32: |z - true z| ≤ 2.5e-7 · max(1, |z|) for all 2^32 words, and z non-decreasing but for 2 ulp, is what
 *        the contract asks; over all words it is 1.22e-7 and 1 ulp (tests/exhaustive.c).
 *   f64: on sampled words within 1.3e-16 · max(1, |z|), about a unit in the last place where |z| > 0.5. */
#ifndef SOWER_CORE_NORMAL_H
#define SOWER_CORE_NORMAL_H

#include <stdint.h>

float sower_normal_f32(uint32_t word);
double sower_normal_f64(uint64_t word);

/* How many 64-bit words w have sower_normal_f64(w) < z (0 to 2^64 − 1; for z beyond the last word, 2^64 − 1
 * is returned as well: the caller treats it as "all"). This is Φ(z) · 2^64 without an evaluation of Φ, by
 * bisection; for NaN 0. */
uint64_t sower_normal_rank(double z);

#endif
