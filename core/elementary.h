/* Elementary functions in double: logarithm, exponential, sine, cosine, inverse softplus.
 *
 * The functions of libm differ between libraries and versions, so the contract cannot use them. These functions are
 * fixed sequences of + - * / and fma, each of which IEEE 754 defines exactly; SPEC.md, section 7, lists them. Each
 * function first reduces its argument to a short interval around 0, keeping what a double cannot hold in a second
 * double, and then adds up the Taylor series. The coefficients are quotients of whole numbers, so there is no table.
 * The error is below one unit in the last place (inverse softplus: below 2^-52 times the largest of 1, its argument and its result).
 *
 * They do not enter the floating-point environment (environment.h); the callers have done that. */
#ifndef SOWER_CORE_ELEMENTARY_H
#define SOWER_CORE_ELEMENTARY_H

/* The natural logarithm of a finite x > 0. */
double sower_ln(double x);

/* e to the power of x, for -746 ≤ x ≤ 709. */
double sower_exp(double x);

/* Sine and cosine of 0 ≤ x ≤ 2^36 (in radians). */
double sower_sin(double x);
double sower_cos(double x);

/* The y whose softplus ln(1 + e^y) is x, for a finite x > 0: y = x + ln(1 - e^-x). */
double sower_inverse_softplus(double x);

#endif
