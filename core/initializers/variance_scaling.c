#include <math.h>

#include "core/initializers/families.h"

/* The standard deviation of a standard normal that is truncated at ±2. Keras and JAX divide by it, so
 * that the truncated values have the requested variance. */
static const double TRUNCATED_STD = 0.87962566103423978;

enum mode { FAN_IN, FAN_OUT, FAN_AVERAGE };
enum distribution { TRUNCATED_NORMAL, UNTRUNCATED_NORMAL, UNIFORM };

static const char *const MODES[] = {"fan_in", "fan_out", "fan_avg", NULL};
static const char *const DISTRIBUTIONS[] = {"truncated_normal", "untruncated_normal", "uniform", NULL};

static double fan(const struct sower_fans *fans, enum mode mode)
{
    double in = (double)fans->in, out = (double)fans->out;
    double n = mode == FAN_IN ? in : mode == FAN_OUT ? out : (in + out) / 2;
    return fmax(n, 1);
}

static bool scale_variance(struct sower_plan *plan, double scale, enum mode mode,
                           enum distribution distribution, struct sower_problem *problem)
{
    double n = fan(&plan->fans, mode);
    if (distribution == UNIFORM) {
        double limit = sqrt(3 * scale / n);
        plan->limit = limit;
        return sower_plan_uniform(plan, -limit, limit, problem);
    }
    if (distribution == UNTRUNCATED_NORMAL) {
        return sower_plan_normal(plan, 0, sqrt(scale / n), problem);
    }
    double std = sqrt(scale / n) / TRUNCATED_STD;
    return sower_plan_truncated_normal(plan, 0, std, -2, 2, -2 * std, 2 * std, problem);
}

static bool resolve_variance_scaling(const double *values, struct sower_plan *plan,
                                     struct sower_problem *problem)
{
    return scale_variance(plan, values[0], (enum mode)values[1], (enum distribution)values[2], problem);
}

static bool resolve_glorot_uniform(const double *values, struct sower_plan *plan,
                                   struct sower_problem *problem)
{
    (void)values;
    return scale_variance(plan, 1, FAN_AVERAGE, UNIFORM, problem);
}

static bool resolve_glorot_normal(const double *values, struct sower_plan *plan,
                                  struct sower_problem *problem)
{
    (void)values;
    return scale_variance(plan, 1, FAN_AVERAGE, TRUNCATED_NORMAL, problem);
}

static bool resolve_he_uniform(const double *values, struct sower_plan *plan, struct sower_problem *problem)
{
    (void)values;
    return scale_variance(plan, 2, FAN_IN, UNIFORM, problem);
}

static bool resolve_he_normal(const double *values, struct sower_plan *plan, struct sower_problem *problem)
{
    (void)values;
    return scale_variance(plan, 2, FAN_IN, TRUNCATED_NORMAL, problem);
}

static bool resolve_lecun_uniform(const double *values, struct sower_plan *plan,
                                  struct sower_problem *problem)
{
    (void)values;
    return scale_variance(plan, 1, FAN_IN, UNIFORM, problem);
}

static bool resolve_lecun_normal(const double *values, struct sower_plan *plan, struct sower_problem *problem)
{
    (void)values;
    return scale_variance(plan, 1, FAN_IN, TRUNCATED_NORMAL, problem);
}

const struct sower_entry sower_entries_variance_scaling[] = {
    {
        .name = "variance_scaling",
        .summary = "Values with variance scale/n, where n is the fan that mode selects (at least 1).",
        .formula = "truncated_normal: std = sqrt(scale/n)/0.87962566103423978, truncated at 2 std; "
                   "untruncated_normal: std = sqrt(scale/n); uniform: limit = sqrt(3 scale/n)",
        .source = "Keras' VarianceScaling, jax.nn.initializers.variance_scaling",
        .example = "variance_scaling(scale=2,mode=fan_out,distribution=uniform)",
        .rank_maximum = SOWER_RANK_MAX,
        .parameters = {{.name = "scale",
                        .kind = SOWER_PARAMETER_REAL,
                        .default_value = 1,
                        .minimum = 0,
                        .minimum_excluded = true,
                        .maximum = INFINITY,
                        .meaning = "the variance times n"},
                       {.name = "mode",
                        .kind = SOWER_PARAMETER_CHOICE,
                        .default_value = FAN_IN,
                        .maximum = FAN_AVERAGE,
                        .choices = MODES,
                        .meaning = "the fan used as n"},
                       {.name = "distribution",
                        .kind = SOWER_PARAMETER_CHOICE,
                        .default_value = TRUNCATED_NORMAL,
                        .maximum = UNIFORM,
                        .choices = DISTRIBUTIONS,
                        .meaning = "the shape of the distribution"}},
        .resolve = resolve_variance_scaling,
    },
    {
        .name = "glorot_uniform",
        .summary =
            "variance_scaling(scale=1,mode=fan_avg,distribution=uniform), the default of Keras' Dense.",
        .formula = "limit = sqrt(6/(fan_in + fan_out))",
        .source = "Glorot & Bengio, 2010; Keras and JAX",
        .example = "glorot_uniform",
        .rank_maximum = SOWER_RANK_MAX,
        .resolve = resolve_glorot_uniform,
    },
    {
        .name = "glorot_normal",
        .summary = "variance_scaling(scale=1,mode=fan_avg,distribution=truncated_normal).",
        .formula = "std = sqrt(2/(fan_in + fan_out))/0.87962566103423978, truncated at 2 std",
        .source = "Glorot & Bengio, 2010; Keras and JAX",
        .example = "glorot_normal",
        .rank_maximum = SOWER_RANK_MAX,
        .resolve = resolve_glorot_normal,
    },
    {
        .name = "he_uniform",
        .summary = "variance_scaling(scale=2,mode=fan_in,distribution=uniform).",
        .formula = "limit = sqrt(6/fan_in)",
        .source = "He et al., 2015; Keras and JAX",
        .example = "he_uniform",
        .rank_maximum = SOWER_RANK_MAX,
        .resolve = resolve_he_uniform,
    },
    {
        .name = "he_normal",
        .summary = "variance_scaling(scale=2,mode=fan_in,distribution=truncated_normal).",
        .formula = "std = sqrt(2/fan_in)/0.87962566103423978, truncated at 2 std",
        .source = "He et al., 2015; Keras and JAX",
        .example = "he_normal",
        .rank_maximum = SOWER_RANK_MAX,
        .resolve = resolve_he_normal,
    },
    {
        .name = "lecun_uniform",
        .summary = "variance_scaling(scale=1,mode=fan_in,distribution=uniform).",
        .formula = "limit = sqrt(3/fan_in)",
        .source = "LeCun et al., 1998; Keras and JAX",
        .example = "lecun_uniform",
        .rank_maximum = SOWER_RANK_MAX,
        .resolve = resolve_lecun_uniform,
    },
    {
        .name = "lecun_normal",
        .summary = "variance_scaling(scale=1,mode=fan_in,distribution=truncated_normal).",
        .formula = "std = sqrt(1/fan_in)/0.87962566103423978, truncated at 2 std",
        .source = "LeCun et al., 1998; Klambauer et al., 2017 (SELU); Keras and JAX",
        .example = "lecun_normal",
        .rank_maximum = SOWER_RANK_MAX,
        .resolve = resolve_lecun_normal,
    },
    {.name = NULL},
};
