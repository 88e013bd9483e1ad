#include <math.h>

#include "core/initializers/families.h"

static const char *const ACTIVATIONS[] = {"logistic", "tanh", "relu", NULL};
enum activation { LOGISTIC, TANH, RELU }; /* indices in ACTIVATIONS */

/* From the table of Kwon et al.: the factor that multiplies the std and the limit of the logistic
 * function. */
static double activation_factor(enum activation activation)
{
    return activation == TANH ? 4 : activation == RELU ? sqrt(2) : 1;
}

static double fan_sum(const struct sower_fans *fans)
{
    return fmax((double)fans->in + (double)fans->out, 1);
}

static double fan_in(const struct sower_fans *fans)
{
    return fmax((double)fans->in, 1);
}

static bool symmetric_uniform(struct sower_plan *plan, double limit, struct sower_problem *problem)
{
    plan->limit = limit;
    return sower_plan_uniform(plan, -limit, limit, problem);
}

static bool resolve_kwon_uniform(const double *values, struct sower_plan *plan, struct sower_problem *problem)
{
    double factor = activation_factor((enum activation)values[0]);
    return symmetric_uniform(plan, factor * sqrt(6 / fan_sum(&plan->fans)), problem);
}

static bool resolve_kwon_normal(const double *values, struct sower_plan *plan, struct sower_problem *problem)
{
    double factor = activation_factor((enum activation)values[0]);
    return sower_plan_normal(plan, 0, factor * sqrt(2 / fan_sum(&plan->fans)), problem);
}

static bool resolve_siren_uniform(const double *values, struct sower_plan *plan,
                                  struct sower_problem *problem)
{
    double omega = values[0], n = fan_in(&plan->fans);
    bool first = values[1] != 0;
    return symmetric_uniform(plan, first ? 1 / n : sqrt(6 / n) / omega, problem);
}

static bool resolve_small_normal(const double *values, struct sower_plan *plan, struct sower_problem *problem)
{
    (void)values;
    return sower_plan_normal(plan, 0, sqrt(2 / (5 * fan_in(&plan->fans))), problem);
}

static bool resolve_wang_normal(const double *values, struct sower_plan *plan, struct sower_problem *problem)
{
    return sower_plan_normal(plan, 0, 2 / (values[0] * sqrt(fan_in(&plan->fans))), problem);
}

static bool resolve_fan_uniform(const double *values, struct sower_plan *plan, struct sower_problem *problem)
{
    return symmetric_uniform(plan, 1 / sqrt(values[0]), problem);
}

/* 2^53: a double can represent every whole number up to this one. */
static const double WHOLE_MAX = 9007199254740992;

#define ACTIVATION                                                                                           \
    {                                                                                                        \
        .name = "activation", .kind = SOWER_PARAMETER_CHOICE, .required = true, .maximum = RELU,             \
        .choices = ACTIVATIONS, .meaning = "the activation function of the layer"                            \
    }

const struct sower_entry sower_entries_published[] = {
    {
        .name = "kwon_uniform",
        .summary = "A uniform range scaled for the layer's activation function.",
        .formula = "limit = c sqrt(6/(fan_in + fan_out)); c = 1 (logistic), 4 (tanh), sqrt(2) (relu)",
        .source = "Kwon et al.; after Glorot & Bengio, 2010",
        .example = "kwon_uniform(activation=tanh)",
        .rank_maximum = SOWER_RANK_MAX,
        .parameters = {ACTIVATION},
        .resolve = resolve_kwon_uniform,
    },
    {
        .name = "kwon_normal",
        .summary = "Normal values scaled for the layer's activation function.",
        .formula = "std = c sqrt(2/(fan_in + fan_out)); c = 1 (logistic), 4 (tanh), sqrt(2) (relu)",
        .source = "Kwon et al.; after Glorot & Bengio, 2010",
        .example = "kwon_normal(activation=relu)",
        .rank_maximum = SOWER_RANK_MAX,
        .parameters = {ACTIVATION},
        .resolve = resolve_kwon_normal,
    },
    {
        .name = "siren_uniform",
        .summary = "The uniform ranges of networks with sine activations.",
        .formula = "first layer: limit = 1/fan_in; others: limit = sqrt(6/fan_in)/omega",
        .source = "Sitzmann et al., 2020",
        .example = "siren_uniform(omega=30,first=true)",
        .rank_maximum = SOWER_RANK_MAX,
        .parameters = {{.name = "omega",
                        .kind = SOWER_PARAMETER_REAL,
                        .default_value = 30,
                        .minimum = 0,
                        .minimum_excluded = true,
                        .maximum = INFINITY,
                        .meaning = "the frequency factor of the sine"},
                       {.name = "first",
                        .kind = SOWER_PARAMETER_BOOLEAN,
                        .maximum = 1,
                        .meaning = "whether this is the network's first layer"}},
        .resolve = resolve_siren_uniform,
    },
    {
        .name = "small_normal",
        .summary = "Small normal values for the embeddings and projections of deep transformers.",
        .formula = "std = sqrt(2/(5 fan_in))",
        .source = "Nguyen & Salazar, 2019",
        .example = "small_normal",
        .rank_maximum = SOWER_RANK_MAX,
        .resolve = resolve_small_normal,
    },
    {
        .name = "wang_normal",
        .summary = "Normal values that shrink with the number of layers, for residual outputs.",
        .formula = "std = 2/(layers sqrt(fan_in))",
        .source = "Wang & Komatsuzaki, 2021 (GPT-J)",
        .example = "wang_normal(layers=28)",
        .rank_maximum = SOWER_RANK_MAX,
        .parameters = {{.name = "layers",
                        .kind = SOWER_PARAMETER_INTEGER,
                        .required = true,
                        .minimum = 1,
                        .maximum = WHOLE_MAX,
                        .meaning = "the number of layers"}},
        .resolve = resolve_wang_normal,
    },
    {
        .name = "fan_uniform",
        .summary = "The uniform range of PyTorch's default biases, from the fan of the layer's weight.",
        .formula = "limit = 1/sqrt(fan_in)",
        .source = "torch.nn.Linear, torch.nn.Conv2d: the default bias",
        .example = "fan_uniform(fan_in=4096)",
        .rank_maximum = SOWER_RANK_MAX,
        .parameters = {{.name = "fan_in",
                        .kind = SOWER_PARAMETER_INTEGER,
                        .required = true,
                        .minimum = 1,
                        .maximum = WHOLE_MAX,
                        .meaning = "the fan of the weight that the bias belongs to"}},
        .resolve = resolve_fan_uniform,
    },
    {.name = NULL},
};
