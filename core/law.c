#include "law.h"

#include <math.h>

#include "normal.h"
#include "scalar.h"

struct sower_law sower_law_constant(double value)
{
    return (struct sower_law){
        .kind = SOWER_LAW_CONSTANT,
        .shift = (float)value,
        .low = -INFINITY,
        .high = INFINITY,
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

static void keep_bounds_in_order(struct sower_law *law, double middle)
{
    if (law->low > law->high) {
        law->low = law->high = (float)middle;
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
        .scale64 = half,
        .shift64 = middle,
        .low64 = low,
        .high64 = below_high,
    };
    keep_bounds_in_order(&law, middle);
    return law;
}

struct sower_law sower_law_normal(double mean, double std)
{
    struct sower_law law = sower_law_constant(mean);
    if (std != 0) {
        law.kind = SOWER_LAW_NORMAL;
        law.scale = (float)std;
        law.scale64 = std;
    }
    return law;
}

/* How many 32-bit words have, in their middle, a 64-bit word below `rank`. */
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
            "The bounds hold less than 1/65536 of the normal distribution (%g to %g in units "
            "of std, from the mean). Move them towards the mean or apart.",
            lower, upper);
    }
    *law = sower_law_normal(mean, std);
    law->kind = SOWER_LAW_TRUNCATED_NORMAL;
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
    keep_bounds_in_order(law, mean);
    return true;
}

float sower_law_f32(const struct sower_law *law, uint32_t word)
{
    return sower_inline_law_f32(law, word);
}

double sower_law_f64(const struct sower_law *law, uint64_t word)
{
    return sower_inline_law_f64(law, word);
}
