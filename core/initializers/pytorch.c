#include <math.h>

#include "core/initializers/families.h"

enum mode { FAN_IN, FAN_OUT };

static const char *const MODES[] = {"fan_in", "fan_out", NULL};

static const char *const NONLINEARITIES[] = {
    "linear",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "sigmoid",
    "tanh",
    "relu",
    "leaky_relu",
    "selu",
    NULL,
};
enum nonlinearity {
    TANH = 8,
    RELU,
    LEAKY_RELU,
    SELU
}; /* indices in NONLINEARITIES; the gain of the others is 1 */

/* torch.nn.init.calculate_gain */
static double nonlinearity_gain(enum nonlinearity nonlinearity, double negative_slope)
{
    switch (nonlinearity) {
    case TANH:
        return 5.0 / 3;
    case RELU:
        return sqrt(2);
    case LEAKY_RELU:
        return sqrt(2 / (1 + negative_slope * negative_slope));
    case SELU:
        return 3.0 / 4;
    default:
        return 1;
    }
}

static double fan_sum(const struct sower_fans *fans)
{
    return fmax((double)fans->in + (double)fans->out, 1);
}

static bool resolve_xavier_uniform(const double *values, struct sower_plan *plan,
                                   struct sower_problem *problem)
{
    plan->gain = values[0];
    plan->limit = plan->gain * sqrt(6 / fan_sum(&plan->fans));
    return sower_plan_uniform(plan, -plan->limit, plan->limit, problem);
}

static bool resolve_xavier_normal(const double *values, struct sower_plan *plan,
                                  struct sower_problem *problem)
{
    plan->gain = values[0];
    return sower_plan_normal(plan, 0, plan->gain * sqrt(2 / fan_sum(&plan->fans)), problem);
}

/* σ of both kaiming initializers: gain / √n. */
static double kaiming_std(const double *values, struct sower_plan *plan)
{
    double fan = (double)((enum mode)values[1] == FAN_IN ? plan->fans.in : plan->fans.out);
    plan->gain = nonlinearity_gain((enum nonlinearity)values[2], values[0]);
    return plan->gain / sqrt(fmax(fan, 1));
}

static bool resolve_kaiming_uniform(const double *values, struct sower_plan *plan,
                                    struct sower_problem *problem)
{
    plan->limit = sqrt(3) * kaiming_std(values, plan);
    return sower_plan_uniform(plan, -plan->limit, plan->limit, problem);
}

static bool resolve_kaiming_normal(const double *values, struct sower_plan *plan,
                                   struct sower_problem *problem)
{
    return sower_plan_normal(plan, 0, kaiming_std(values, plan), problem);
}

#define GAIN SOWER_REAL("gain", 1, 0, "a factor for every element")
#define KAIMING_PARAMETERS                                                                                   \
    SOWER_REAL("a", 0, -INFINITY, "the negative slope of leaky_relu"),                                       \
        {.name = "mode",                                                                                     \
         .kind = SOWER_PARAMETER_CHOICE,                                                                     \
         .default_value = FAN_IN,                                                                            \
         .maximum = FAN_OUT,                                                                                 \
         .choices = MODES,                                                                                   \
         .meaning = "the fan used as n"},                                                                    \
    {                                                                                                        \
        .name = "nonlinearity", .kind = SOWER_PARAMETER_CHOICE, .default_value = LEAKY_RELU,                 \
        .maximum = SELU, .choices = NONLINEARITIES,                                                          \
        .meaning = "the activation that follows; it sets the gain"                                           \
    }

const struct sower_entry sower_entries_pytorch[] = {
    {
        .name = "xavier_uniform",
        .summary = "Glorot's uniform range times a gain, as in PyTorch.",
        .formula = "limit = gain sqrt(6/(fan_in + fan_out))",
        .source = "Glorot & Bengio, 2010; torch.nn.init.xavier_uniform_",
        .example = "xavier_uniform(gain=1.4142135623730951)",
        .rank_minimum = 2,
        .rank_maximum = SOWER_RANK_MAX,
        .parameters = {GAIN},
        .resolve = resolve_xavier_uniform,
    },
    {
        .name = "xavier_normal",
        .summary = "Glorot's normal values times a gain, not truncated, as in PyTorch.",
        .formula = "std = gain sqrt(2/(fan_in + fan_out))",
        .source = "Glorot & Bengio, 2010; torch.nn.init.xavier_normal_",
        .example = "xavier_normal",
        .rank_minimum = 2,
        .rank_maximum = SOWER_RANK_MAX,
        .parameters = {GAIN},
        .resolve = resolve_xavier_normal,
    },
    {
        .name = "kaiming_uniform",
        .summary = "He's uniform range for the activation that follows, as in PyTorch.",
        .formula = "limit = sqrt(3) g/sqrt(n); g = 1 (linear, conv, sigmoid), 5/3 (tanh), sqrt(2) (relu), "
                   "sqrt(2/(1 + a^2)) (leaky_relu), 3/4 (selu)",
        .source = "He et al., 2015; torch.nn.init.kaiming_uniform_",
        .example = "kaiming_uniform(nonlinearity=relu)",
        .rank_minimum = 2,
        .rank_maximum = SOWER_RANK_MAX,
        .parameters = {KAIMING_PARAMETERS},
        .resolve = resolve_kaiming_uniform,
    },
    {
        .name = "kaiming_normal",
        .summary = "He's normal values for the activation that follows, not truncated, as in PyTorch.",
        .formula = "std = g/sqrt(n); g = 1 (linear, conv, sigmoid), 5/3 (tanh), sqrt(2) (relu), "
                   "sqrt(2/(1 + a^2)) (leaky_relu), 3/4 (selu)",
        .source = "He et al., 2015; torch.nn.init.kaiming_normal_",
        .example = "kaiming_normal(mode=fan_out,nonlinearity=relu)",
        .rank_minimum = 2,
        .rank_maximum = SOWER_RANK_MAX,
        .parameters = {KAIMING_PARAMETERS},
        .resolve = resolve_kaiming_normal,
    },
    {.name = NULL},
};
