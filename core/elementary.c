#include "core/elementary.h"

#include <math.h>
#include <stdint.h>

/* ln 2 = LN2_HIGH + LN2_LOW. The high part has 42 bits after the point, so its product with an exponent is exact. */
static const double LN2_HIGH = 0x1.62e42fefa38p-1, LN2_LOW = 0x1.ef35793c7673p-45;
static const double INVERSE_LN2 = 0x1.71547652b82fep+0;

/* π/2 in three parts, and 2/π. */
static const double QUARTER_HIGH = 0x1.921fb54442d18p+0, QUARTER_MIDDLE = 0x1.1a62633145c07p-54,
                    QUARTER_LOW = -0x1.f1976b7ed8fbcp-110;
static const double INVERSE_QUARTER = 0x1.45f306dc9c883p-1;

static const double SQRT_HALF = 0x1.6a09e667f3bcdp-1;

/* 1/n!; every n! up to 19! is a double. */
static const double INVERSE_FACTORIAL[] = {1.0,
                                           1.0,
                                           1.0 / 2,
                                           1.0 / 6,
                                           1.0 / 24,
                                           1.0 / 120,
                                           1.0 / 720,
                                           1.0 / 5040,
                                           1.0 / 40320,
                                           1.0 / 362880,
                                           1.0 / 3628800,
                                           1.0 / 39916800,
                                           1.0 / 479001600,
                                           1.0 / 6227020800,
                                           1.0 / 87178291200,
                                           1.0 / 1307674368000,
                                           1.0 / 20922789888000,
                                           1.0 / 355687428096000,
                                           1.0 / 6402373705728000,
                                           1.0 / 121645100408832000};

enum { EXP_DEGREE = 14, SIN_DEGREE = 19, COS_DEGREE = 18, LN_TERMS = 10 };

/* A number that one double cannot hold: high + low, with low at most half a unit in the last place of high. */
struct pair {
    double high, low;
};

/* With m in [√½, √2) and f = m - 1: ln m = f - (h - s · (h + R)), where h = f²/2, s = f/(2 + f) and
 * R = 2s²/3 + 2s⁴/5 + … is the rest of the series of 2 artanh(s) = ln m. The exact f is added last, so the roundings
 * of s count little. */
double sower_ln(double x)
{
    int exponent;
    double m = frexp(x, &exponent);
    if (m < SQRT_HALF) {
        m = 2 * m;
        exponent--;
    }
    double f = m - 1, h = f * f / 2, s = f / (2 + f), z = s * s;
    double rest = 2.0 / (2 * LN_TERMS + 1);
    for (int j = LN_TERMS - 1; j >= 1; j--) {
        rest = fma(rest, z, 2.0 / (2 * j + 1));
    }
    double k = exponent;
    return k * LN2_HIGH + (f - (h - fma(s, h + rest * z, k * LN2_LOW)));
}

/* (e^x - 1 - x)/x² for |x| ≤ 0.35. */
static double exp_series(double x)
{
    double sum = INVERSE_FACTORIAL[EXP_DEGREE];
    for (int n = EXP_DEGREE - 1; n >= 2; n--) {
        sum = fma(sum, x, INVERSE_FACTORIAL[n]);
    }
    return sum;
}

double sower_exp(double x)
{
    double k = floor(fma(x, INVERSE_LN2, 0.5));
    double r = fma(-k, LN2_HIGH, x); /* exact */
    double shift = k * LN2_LOW;
    double high = r - shift, low = (r - high) - shift;
    double rest = fma(high * high, exp_series(high), fma(low, high, low));
    double sum = 1 + high;
    return ldexp(sum + (((1 - sum) + high) + rest), (int)k);
}

/* x - k · π/2 for the whole number k next to x · 2/π. QUARTER_HIGH and x are multiples of the last place of the
 * difference, so the first step is exact. */
static struct pair reduce_angle(double x, double k)
{
    double r = fma(-k, QUARTER_HIGH, x);
    double product = k * QUARTER_MIDDLE, product_rest = fma(k, QUARTER_MIDDLE, -product);
    double difference = r - product, back = difference - r;
    double rest = (r - (difference - back)) - (product + back);
    double low = fma(-k, QUARTER_LOW, rest - product_rest);
    double high = difference + low;
    return (struct pair){high, (difference - high) + low};
}

/* Sums (-1)^((n - first)/2) · x^(n - first)/n! over n = first, first + 2, … last, for z = x². */
static double alternating_series(int first, int last, double z)
{
    double sum = INVERSE_FACTORIAL[last];
    for (int n = last - 2; n >= first; n -= 2) {
        sum = fma(-sum, z, INVERSE_FACTORIAL[n]);
    }
    return sum;
}

static double sin_reduced(struct pair x)
{
    double z = x.high * x.high;
    double rest = fma(-(x.high * z), alternating_series(3, SIN_DEGREE, z), x.low * (1 - z / 2));
    return x.high + rest;
}

static double cos_reduced(struct pair x)
{
    double z = x.high * x.high, h = z / 2, sum = 1 - h;
    double rest = fma(z * z, alternating_series(4, COS_DEGREE, z), -(x.high * x.low));
    return sum + (((1 - sum) - h) + rest);
}

/* The sine of x + quarters · π/2. */
static double sin_shifted(double x, uint64_t quarters)
{
    double k = floor(fma(x, INVERSE_QUARTER, 0.5));
    struct pair reduced = reduce_angle(x, k);
    quarters += (uint64_t)k;
    double value = quarters % 2 == 0 ? sin_reduced(reduced) : cos_reduced(reduced);
    return quarters % 4 < 2 ? value : -value;
}

double sower_sin(double x)
{
    return sin_shifted(x, 0);
}

double sower_cos(double x)
{
    return sin_shifted(x, 1);
}

/* 1 - e^-x for x > 0. */
static double one_minus_exp(double x)
{
    return x < 0.34 ? fma(-(x * x), exp_series(-x), x) : 1 - sower_exp(-x);
}

double sower_inverse_softplus(double x)
{
    return x > 40 ? x : x + sower_ln(one_minus_exp(x)); /* above 40, x is the nearest double */
}
