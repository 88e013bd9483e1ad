#include <math.h>

#include "core/initializers/families.h"

static bool resolve_zeros(const double *values, struct sower_plan *plan, struct sower_problem *problem)
{
    (void)values;
    return sower_plan_constant(plan, 0, problem);
}

static bool resolve_ones(const double *values, struct sower_plan *plan, struct sower_problem *problem)
{
    (void)values;
    return sower_plan_constant(plan, 1, problem);
}

static bool resolve_constant(const double *values, struct sower_plan *plan, struct sower_problem *problem)
{
    return sower_plan_constant(plan, values[0], problem);
}

static bool resolve_uniform(const double *values, struct sower_plan *plan, struct sower_problem *problem)
{
    return sower_plan_uniform(plan, values[0], values[1], problem);
}

static bool resolve_normal(const double *values, struct sower_plan *plan, struct sower_problem *problem)
{
    return sower_plan_normal(plan, values[0], values[1], problem);
}

static bool resolve_truncated_normal(const double *values, struct sower_plan *plan,
                                     struct sower_problem *problem)
{
    double mean = values[0], std = values[1], lower = values[2], upper = values[3];
    /* With std = 0 an infinite bound times std would be NaN; sower_plan_truncated_normal gives a
     * constant then. */
    double low = std == 0 ? mean : mean + lower * std;
    double high = std == 0 ? mean : mean + upper * std;
    return sower_plan_truncated_normal(plan, mean, std, lower, upper, low, high, problem);
}

static bool resolve_trunc_normal(const double *values, struct sower_plan *plan, struct sower_problem *problem)
{
    double mean = values[0], std = values[1], a = values[2], b = values[3];
    return sower_plan_truncated_normal(plan, mean, std, (a - mean) / std, (b - mean) / std, a, b, problem);
}

const struct sower_entry sower_entries_plain[] = {
    {
        .name = "zeros",
        .summary = "Every element is 0.",
        .formula = "x = 0",
        .source = "common usage: biases, residual outputs",
        .example = "zeros",
        .rank_maximum = SOWER_RANK_MAX,
        .resolve = resolve_zeros,
    },
    {
        .name = "ones",
        .summary = "Every element is 1.",
        .formula = "x = 1",
        .source = "common usage: scales of normalization layers",
        .example = "ones",
        .rank_maximum = SOWER_RANK_MAX,
        .resolve = resolve_ones,
    },
    {
        .name = "constant",
        .summary = "Every element is the same value.",
        .formula = "x = value",
        .source = "common usage",
        .example = "constant(value=0.1)",
        .rank_maximum = SOWER_RANK_MAX,
        .parameters = {SOWER_REAL("value", 0, -INFINITY, "the value of every element")},
        .resolve = resolve_constant,
    },
    {
        .name = "uniform",
        .summary = "Independent uniform values.",
        .formula = "x ~ U[low, high)",
        .source = "defaults as in Keras' RandomUniform",
        .example = "uniform(low=-0.1,high=0.1)",
        .rank_maximum = SOWER_RANK_MAX,
        .parameters = {SOWER_REAL("low", -0.05, -INFINITY, "the lower end of the range"),
                       SOWER_REAL("high", 0.05, -INFINITY, "the upper end of the range")},
        .resolve = resolve_uniform,
    },
    {
        .name = "normal",
        .summary = "Independent normal values.",
        .formula = "x ~ N(mean, std^2)",
        .source = "defaults as in Keras' RandomNormal",
        .example = "normal(std=0.02)",
        .rank_maximum = SOWER_RANK_MAX,
        .parameters = {SOWER_REAL("mean", 0, -INFINITY, "the mean"),
                       SOWER_REAL("std", 0.05, 0, "the standard deviation")},
        .resolve = resolve_normal,
    },
    {
        .name = "truncated_normal",
        .summary =
            "Normal values truncated at bounds given in standard deviations; std is not corrected for the "
            "truncation.",
        .formula = "x ~ N(mean, std^2) given lower <= (x - mean)/std <= upper",
        .source = "Keras' TruncatedNormal, jax.nn.initializers.truncated_normal",
        .example = "truncated_normal(std=0.02)",
        .rank_maximum = SOWER_RANK_MAX,
        .parameters = {SOWER_REAL("mean", 0, -INFINITY, "the mean before truncation"),
                       SOWER_REAL("std", 0.05, 0, "the standard deviation before truncation"),
                       {.name = "lower",
                        .kind = SOWER_PARAMETER_REAL,
                        .default_value = -2,
                        .minimum = -INFINITY,
                        .maximum = INFINITY,
                        .allows_infinity = true,
                        .meaning = "the lower bound, in standard deviations from the mean"},
                       {.name = "upper",
                        .kind = SOWER_PARAMETER_REAL,
                        .default_value = 2,
                        .minimum = -INFINITY,
                        .maximum = INFINITY,
                        .allows_infinity = true,
                        .meaning = "the upper bound, in standard deviations from the mean"}},
        .resolve = resolve_truncated_normal,
    },
    {
        .name = "trunc_normal",
        .summary = "Normal values truncated at absolute bounds; std is not corrected for the truncation.",
        .formula = "x ~ N(mean, std^2) given a <= x <= b",
        .source = "torch.nn.init.trunc_normal_",
        .example = "trunc_normal(std=0.02)",
        .rank_maximum = SOWER_RANK_MAX,
        .parameters = {SOWER_REAL("mean", 0, -INFINITY, "the mean before truncation"),
                       {.name = "std",
                        .kind = SOWER_PARAMETER_REAL,
                        .default_value = 1,
                        .minimum = 0,
                        .minimum_excluded = true,
                        .maximum = INFINITY,
                        .meaning = "the standard deviation before truncation"},
                       {.name = "a",
                        .kind = SOWER_PARAMETER_REAL,
                        .default_value = -2,
                        .minimum = -INFINITY,
                        .maximum = INFINITY,
                        .allows_infinity = true,
                        .meaning = "the lower bound, as a value"},
                       {.name = "b",
                        .kind = SOWER_PARAMETER_REAL,
                        .default_value = 2,
                        .minimum = -INFINITY,
                        .maximum = INFINITY,
                        .allows_infinity = true,
                        .meaning = "the upper bound, as a value"}},
        .resolve = resolve_trunc_normal,
    },
    {.name = NULL},
};
