#include "core/law.h"

#include <math.h>

#include "core/normal.h"
#include "core/scalar.h"

struct sower_law sower_law_constant(double value)
{
    return (struct sower_law){
        .kind = SOWER_LAW_CONSTANT,
        .shift = (float)value,
        .low = -INFINITY,
        .high = INFINITY,
        .kind64 = SOWER_LAW_CONSTANT,
        .shift64 = value,
        .low64 = -(double)INFINITY,
        .high64 = (double)INFINITY,
    };
}

/* The smallest float that is not below x. */
static float round_up(double x)
{
    float rounded = (float)x;
    return (double)rounded < x ? nextafterf(rounded, INFINITY) : rounded;
}

/* The largest float that is not above x. */
static float round_down(double x)
{
    return -round_up(-x);
}

/* When no f32 lies between the bounds, the law becomes a constant: the clamp would make every element
 * `high`, which is below the lower bound then. */
static void make_constant_if_bounds_cross(struct sower_law *law)
{
    if (law->low > law->high) {
        law->kind = SOWER_LAW_CONSTANT;
        law->scale = 0;
        law->low = -INFINITY;
        law->high = INFINITY;
    }
}

struct sower_law sower_law_uniform(double low, double high)
{
    if (low == high) {
        return sower_law_constant(low);
    }
    double half = (high - low) / 2;
    double middle = low + half;
    double below_high = nextafter(high, -(double)INFINITY);
    struct sower_law law = {
        .kind = SOWER_LAW_UNIFORM,
        .scale = (float)half,
        .shift = (float)middle,
        .low = round_up(low),
        .high = round_down(below_high),
        .kind64 = SOWER_LAW_UNIFORM,
        .scale64 = half,
        .shift64 = middle,
        .low64 = low,
        .high64 = below_high,
    };
    make_constant_if_bounds_cross(&law);
    return law;
}

struct sower_law sower_law_normal(double mean, double std)
{
    struct sower_law law = sower_law_constant(mean);
    if (std != 0) {
        law.kind = law.kind64 = SOWER_LAW_NORMAL;
        law.scale = (float)std;
        law.scale64 = std;
    }
    return law;
}

/* The number of 32-bit words whose middle, a 64-bit word, is below `rank`. */
static uint64_t rank32(uint64_t rank)
{
    return (rank >> 32) + ((rank & UINT32_MAX) > UINT32_C(0x80000000));
}

bool sower_law_truncated_normal(double mean, double std, double lower, double upper, double low, double high,
                                const char *field, struct sower_law *law, struct sower_problem *problem)
{
    if (std == 0) {
        *law = sower_law_constant(mean);
        return true;
    }
    uint64_t below = sower_normal_rank(lower);
    uint64_t above = sower_normal_rank(-upper);
    uint64_t outside32 = rank32(below) + rank32(above);
    if (!(lower < upper) || outside32 > (UINT64_C(1) << 32) - (UINT64_C(1) << 16)) {
        return sower_problem_set(
            problem, SOWER_PROBLEM_INVALID, field,
            "The bounds contain less than 1/65536 of the normal distribution: they are %g and %g standard "
            "deviations from the mean. Move them closer to the mean or further apart.",
            lower, upper);
    }
    *law = sower_law_normal(mean, std);
    law->kind = law->kind64 = SOWER_LAW_TRUNCATED_NORMAL;
    law->low = round_up(low);
    law->high = round_down(high);
    law->low64 = low;
    law->high64 = high;
    bool all32 = outside32 == 0;
    law->first = all32 ? 1 : (uint32_t)rank32(below);
    law->span = (uint32_t)((UINT64_C(1) << 32) - (all32 ? 2 : outside32));
    bool all64 = below == 0 && above == 0;
    law->first64 = all64 ? 1 : below;
    law->span64 = UINT64_C(0) - (all64 ? 2 : below + above);
    make_constant_if_bounds_cross(law);
    return true;
}

/* The greatest distance of an element from the middle, in units of scale. */
static double greatest_distance(const struct sower_law *law, enum sower_dtype dtype)
{
    bool wide = dtype == SOWER_F64;
    switch (sower_law_kind(law, dtype)) {
    case SOWER_LAW_UNIFORM:
        return wide ? 1 - 0x1p-53 : 1 - 0x1p-24;
    case SOWER_LAW_NORMAL:
    case SOWER_LAW_TRUNCATED_NORMAL:
        return wide ? sower_normal_f64(UINT64_MAX) : (double)sower_normal_f32(UINT32_MAX);
    case SOWER_LAW_CONSTANT:
    case SOWER_LAW_COUNT:
        break;
    }
    return 0;
}

/* One extreme of the law, in double: the least one for a negative distance, otherwise the greatest. */
static double extreme64(const struct sower_law *law, enum sower_dtype dtype, double distance)
{
    double x = fma(distance, law->scale64, law->shift64);
    if (sower_law_kind(law, dtype) == SOWER_LAW_TRUNCATED_NORMAL) {
        x = distance < 0 ? fmax(x, law->low64) : fmin(x, law->high64);
    }
    return x;
}

/* Whether the parameters and the extreme at this distance are finite in f64. */
static bool fits_f64(const struct sower_law *law, double distance, double *beyond)
{
    *beyond = !isfinite(law->shift64)   ? law->shift64
              : !isfinite(law->scale64) ? law->scale64
                                        : extreme64(law, SOWER_F64, distance);
    return isfinite(*beyond);
}

/* The same for f32 and the narrower types. */
static bool fits_f32(const struct sower_law *law, enum sower_dtype dtype, double distance, double *beyond)
{
    if (!isfinite(law->shift) || !isfinite(law->scale)) {
        *beyond = isfinite(law->shift) ? law->scale64 : law->shift64;
        return false;
    }
    *beyond = extreme64(law, dtype, distance);
    float x = fmaf((float)distance, law->scale, law->shift);
    if (law->kind == SOWER_LAW_TRUNCATED_NORMAL) {
        /* Round the bounds to nearest: rounded inwards, a bound that is too large would become the
         * largest number. */
        x = distance < 0 ? fmaxf(x, (float)law->low64) : fminf(x, (float)law->high64);
    }
    if (!isfinite(x) || (dtype != SOWER_F16 && dtype != SOWER_BF16)) {
        return isfinite(x);
    }
    unsigned char element[2];
    double value;
    sower_dtype_store(dtype, sower_inline_clamp_f32(law, x), element);
    sower_dtype_widen(dtype, element, 1, &value);
    return isfinite(value);
}

bool sower_law_fits(const struct sower_law *law, enum sower_dtype dtype, double *beyond)
{
    double distance = greatest_distance(law, dtype);
    if (dtype == SOWER_F64) {
        return fits_f64(law, -distance, beyond) && fits_f64(law, distance, beyond);
    }
    return fits_f32(law, dtype, -distance, beyond) && fits_f32(law, dtype, distance, beyond);
}

float sower_law_f32(const struct sower_law *law, uint32_t word)
{
    return sower_inline_law_f32(law, word);
}

double sower_law_f64(const struct sower_law *law, uint64_t word)
{
    return sower_inline_law_f64(law, word);
}
