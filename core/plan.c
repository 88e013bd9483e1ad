#include "core/plan.h"

#include <math.h>
#include <stdio.h>

#include "core/catalogue.h"
#include "core/environment.h"

static bool check_rank(const struct sower_entry *entry, const struct sower_shape *shape,
                       const struct sower_layout *layout, struct sower_problem *problem)
{
    const size_t rank = sower_layout_rank_of_entry(layout, shape->rank);
    const char *which = layout->batch_axes != 0 ? ", not counting batch axes" : "";
    if (rank >= entry->rank_minimum && rank <= entry->rank_maximum) {
        return true;
    }
    if (entry->rank_minimum == entry->rank_maximum) {
        return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "shape",
                                 "%s needs a tensor of exactly %zu dimension%s%s; this one has %zu.",
                                 entry->name, entry->rank_minimum, entry->rank_minimum == 1 ? "" : "s", which,
                                 rank);
    }
    return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "shape",
                             "%s needs a tensor of %zu to %zu dimensions%s; this one has %zu.", entry->name,
                             entry->rank_minimum, entry->rank_maximum, which, rank);
}

static bool make(const struct sower_initializer *initializer, const struct sower_shape *shape,
                 enum sower_dtype dtype, const struct sower_layout *layout, struct sower_plan *plan,
                 struct sower_problem *problem)
{
    if (!check_rank(initializer->entry, shape, layout, problem)) {
        return false;
    }
    *plan = (struct sower_plan){
        .shape = *shape,
        .dtype = dtype,
        .layout = *layout,
        .fans = sower_layout_fans(layout, shape),
        .gain = NAN,
        .std = NAN,
        .limit = NAN,
        .mean_expected = NAN,
        .std_expected = NAN,
        .low = -INFINITY,
        .high = INFINITY,
    };
    for (size_t i = 0; i < SOWER_PARAMETER_MAX; i++) {
        plan->values[i] = initializer->values[i];
    }
    if (!initializer->entry->resolve(plan->values, plan, problem)) {
        return false;
    }
    double share = sower_zeros_share_of_others(&layout->zeros, shape);
    if (share < 1) {
        sower_plan_mix_with_zeros(plan, share);
    }
    return true;
}

bool sower_plan_make(const struct sower_initializer *initializer, const struct sower_shape *shape,
                     enum sower_dtype dtype, const struct sower_layout *layout, struct sower_plan *plan,
                     struct sower_problem *problem)
{
    const struct sower_environment found = sower_environment_enter();
    bool made = make(initializer, shape, dtype, layout, plan, problem);
    sower_environment_leave(&found);
    return made;
}

bool sower_plan_check_law(const struct sower_plan *plan, const struct sower_law *law,
                          struct sower_problem *problem)
{
    /* The f8 types saturate, but they are rounded from f32, so the value must be finite in f32. */
    bool narrowest = sower_dtype_size(plan->dtype) == 1;
    enum sower_dtype holder = narrowest ? SOWER_F32 : plan->dtype;
    double beyond;
    if (sower_law_fits(law, plan->dtype, &beyond)) {
        return true;
    }
    char number[48] = "too large for a double";
    if (isfinite(beyond)) {
        snprintf(number, sizeof number, "of magnitude %.9g", fabs(beyond));
    }
    return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "init",
                             "These parameters give a number %s, but the largest number of %s%s is %.9g. "
                             "Use smaller parameters%s.",
                             number, sower_dtype_name(holder), narrowest ? ", from which f8 is rounded," : "",
                             sower_dtype_largest(holder),
                             plan->dtype == SOWER_F64 ? "" : ", or a dtype with a wider range");
}

bool sower_plan_constant(struct sower_plan *plan, double value, struct sower_problem *problem)
{
    plan->law = sower_law_constant(value);
    if (!sower_plan_check_law(plan, &plan->law, problem)) {
        return false;
    }
    double element;
    double rounded[1];
    sower_dtype_narrow(plan->dtype, &value, 1, rounded);
    sower_dtype_widen(plan->dtype, rounded, 1, &element);
    plan->mean_expected = plan->low = plan->high = element;
    plan->std_expected = 0;
    return true;
}

bool sower_plan_uniform(struct sower_plan *plan, double low, double high, struct sower_problem *problem)
{
    if (low > high) {
        return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "init",
                                 "low is %.9g and high is %.9g: low must not be above high.", low, high);
    }
    if (isinf(high - low)) { /* then half of the range would be infinite for every dtype */
        return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "init",
                                 "The range from %.9g to %.9g is too wide: its width must fit in a double, "
                                 "whose largest number is "
                                 "%.9g.",
                                 low, high, sower_dtype_largest(SOWER_F64));
    }
    plan->law = sower_law_uniform(low, high);
    if (!sower_plan_check_law(plan, &plan->law, problem)) {
        return false;
    }
    plan->low = low;
    plan->high = high;
    plan->mean_expected = low + (high - low) / 2;
    plan->std_expected = (high - low) / sqrt(12);
    return true;
}

bool sower_plan_normal(struct sower_plan *plan, double mean, double std, struct sower_problem *problem)
{
    plan->law = sower_law_normal(mean, std);
    plan->std = plan->std_expected = std;
    plan->mean_expected = mean;
    return sower_plan_check_law(plan, &plan->law, problem);
}

static double density(double z)
{
    static const double INVERSE_SQRT_TWO_PI = 0.39894228040143267794;
    return INVERSE_SQRT_TWO_PI * exp(-z * z / 2);
}

/* The mean and variance of a standard normal between two bounds that are near to each other, by
 * Gauss-Legendre quadrature with eight points. For bounds half a standard deviation apart the error is
 * about 1e-15 of the variance. With x = centre + half · t, the density is exp(-half · t · (centre + half
 * · t / 2)) times the density at the centre. */
static void narrow_moments(double lower, double upper, double *mean, double *variance)
{
    static const double points[] = {0.18343464249564980494, 0.52553240991632898582, 0.79666647741362673959,
                                    0.96028985649753623168};
    static const double weights[] = {0.36268378337836198297, 0.31370664587788728734, 0.22238103445337447054,
                                     0.10122853629037625915};
    const double half = (upper - lower) / 2, centre = lower + half;
    double mass = 0, first = 0, second = 0;
    for (size_t i = 0; i < sizeof points / sizeof points[0]; i++) {
        for (int sign = -1; sign <= 1; sign += 2) {
            double t = sign * points[i];
            double weight = weights[i] * exp(-half * t * (centre + half * t / 2));
            mass += weight;
            first += weight * t;
            second += weight * t * t;
        }
    }
    first /= mass;
    *mean = centre + half * first;
    *variance = half * half * (second / mass - first * first);
}

/* The mean and variance of a standard normal between two bounds (Johnson, Kotz & Balakrishnan,
 * "Continuous univariate distributions", 1994, section 13.10.1). Only readers of the plan see them and
 * no element depends on them, so here alone the transcendental functions of libm are good enough. */
static void truncated_moments(double lower, double upper, double *mean, double *variance)
{
    if (upper - lower < 0.5) { /* below this, the differences in the formula lose too many digits */
        narrow_moments(lower, upper, mean, variance);
        return;
    }
    double mass = lower > 0 ? (erfc(lower / sqrt(2)) - erfc(upper / sqrt(2))) / 2
                            : (erfc(-upper / sqrt(2)) - erfc(-lower / sqrt(2))) / 2;
    double at_lower = isinf(lower) ? 0 : lower * density(lower);
    double at_upper = isinf(upper) ? 0 : upper * density(upper);
    *mean = (density(lower) - density(upper)) / mass;
    *variance = 1 + (at_lower - at_upper) / mass - *mean * *mean;
}

bool sower_plan_truncated_normal(struct sower_plan *plan, double mean, double std, double lower, double upper,
                                 double low, double high, struct sower_problem *problem)
{
    if (!(lower < upper)) {
        return sower_problem_set(
            problem, SOWER_PROBLEM_INVALID, "init",
            "The lower bound is %g and the upper bound is %g: the lower one must be below the upper one.",
            low, high);
    }
    plan->std = std;
    if (std == 0) {
        return sower_plan_constant(plan, mean, problem);
    }
    if (!sower_law_truncated_normal(mean, std, lower, upper, low, high, "init", &plan->law, problem) ||
        !sower_plan_check_law(plan, &plan->law, problem)) {
        return false;
    }
    plan->low = low;
    plan->high = high;
    double shift, variance;
    truncated_moments(lower, upper, &shift, &variance);
    plan->mean_expected = mean + std * shift;
    plan->std_expected = std * sqrt(variance);
    return true;
}

void sower_plan_mix_with_zeros(struct sower_plan *plan, double share)
{
    double mean = plan->mean_expected, std = plan->std_expected;
    plan->mean_expected = share * mean;
    plan->std_expected = sqrt(share * (std * std + mean * mean * (1 - share)));
    plan->low = fmin(plan->low, 0);
    plan->high = fmax(plan->high, 0);
}
