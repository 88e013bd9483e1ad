/* Tables: tensors that belong to a model's file but are no random weights, such as positions, masks and frequencies,
 * and the biases of Mamba's time steps. Each row (the last axis) or matrix (the last two axes) of a tensor of more
 * axes has the same table; batch axes are not counted. The arithmetic is that of elementary.h. */
#include <math.h>

#include "core/elementary.h"
#include "core/initializers/elements.h"
#include "core/initializers/families.h"
#include "core/kernel.h"
#include "core/structure.h"

/* The size of axis n from the end, not counting batch axes. */
static uint64_t size_from_end(const struct sower_plan *plan, size_t n)
{
    size_t axis = plan->shape.rank;
    for (size_t left = n + 1; left > 0;) {
        axis--;
        left -= (plan->layout.batch_axes >> axis & 1) == 0;
    }
    return plan->shape.sizes[axis];
}

static uint64_t columns_of(const struct sower_plan *plan)
{
    return size_from_end(plan, 0);
}

static uint64_t rows_of(const struct sower_plan *plan)
{
    return size_from_end(plan, 1);
}

/* Refuses values that the dtype cannot represent: the structure's least and greatest. */
static bool check_values(const struct sower_plan *plan, double one, double other,
                         struct sower_problem *problem)
{
    const struct sower_law first = sower_law_constant(one), second = sower_law_constant(other);
    return sower_plan_check_law(plan, &first, problem) && sower_plan_check_law(plan, &second, problem);
}

static void set_support(struct sower_plan *plan, double one, double other)
{
    plan->low = fmin(one, other);
    plan->high = fmax(one, other);
}

/* start + step · i, with one rounding. */
static double progression(const struct sower_plan *plan, uint64_t i)
{
    return fma((double)i, plan->values[1], plan->values[0]);
}

/* The last value of the progression; its first, if the axis is empty. */
static double progression_end(const struct sower_plan *plan)
{
    uint64_t columns = columns_of(plan);
    return progression(plan, columns == 0 ? 0 : columns - 1);
}

static double arange_value(const struct sower_plan *plan, uint64_t index)
{
    return progression(plan, index % columns_of(plan));
}

static bool read_arange(const struct sower_source *source, const struct sower_runs *runs, void *elements)
{
    return sower_elements_read(source, runs, elements, arange_value);
}

static const struct sower_structure ARANGE = {.read = read_arange};

static bool resolve_arange(const double *values, struct sower_plan *plan, struct sower_problem *problem)
{
    const double end = progression_end(plan), columns = fmax((double)columns_of(plan), 1);
    if (!check_values(plan, values[0], end, problem)) {
        return false;
    }
    plan->structure = &ARANGE;
    plan->mean_expected = values[0] / 2 + end / 2;
    plan->std_expected = fabs(values[1]) * sqrt((columns * columns - 1) / 12);
    set_support(plan, values[0], end);
    return true;
}

static double log_arange_value(const struct sower_plan *plan, uint64_t index)
{
    return sower_ln(progression(plan, index % columns_of(plan)));
}

static bool read_log_arange(const struct sower_source *source, const struct sower_runs *runs, void *elements)
{
    return sower_elements_read(source, runs, elements, log_arange_value);
}

static const struct sower_structure LOG_ARANGE = {.read = read_log_arange};

static bool resolve_log_arange(const double *values, struct sower_plan *plan, struct sower_problem *problem)
{
    const double end = progression_end(plan);
    if (isinf(end)) {
        return sower_problem_set(
            problem, SOWER_PROBLEM_INVALID, "init",
            "log_arange: start + step (n - 1) is beyond the largest double for %llu columns. "
            "Use smaller parameters.",
            (unsigned long long)columns_of(plan));
    }
    plan->structure = &LOG_ARANGE;
    set_support(plan, sower_ln(values[0]), sower_ln(end));
    return true;
}

static double tril_value(const struct sower_plan *plan, uint64_t index)
{
    uint64_t columns = columns_of(plan);
    return index % columns <= index / columns % rows_of(plan) ? plan->values[0] : plan->values[1];
}

static bool read_tril(const struct sower_source *source, const struct sower_runs *runs, void *elements)
{
    return sower_elements_read(source, runs, elements, tril_value);
}

static const struct sower_structure TRIL = {.read = read_tril};

static bool resolve_tril(const double *values, struct sower_plan *plan, struct sower_problem *problem)
{
    if (!check_values(plan, values[0], values[1], problem)) {
        return false;
    }
    plan->structure = &TRIL;
    double rows = (double)rows_of(plan), columns = (double)columns_of(plan), side = fmin(rows, columns);
    double share = (side * (side + 1) / 2 + (rows - side) * columns) / (rows * columns);
    plan->mean_expected = share * values[0] + (1 - share) * values[1];
    plan->std_expected = fabs(values[0] - values[1]) * sqrt(share * (1 - share));
    set_support(plan, values[0], values[1]);
    return true;
}

/* base^(-i/n) */
static double frequency(double base, uint64_t i, uint64_t n)
{
    return sower_exp(-((double)i * sower_ln(base) / (double)n));
}

static double inverse_frequency_value(const struct sower_plan *plan, uint64_t index)
{
    uint64_t columns = columns_of(plan);
    return frequency(plan->values[0], index % columns, columns);
}

static bool read_inverse_frequency(const struct sower_source *source, const struct sower_runs *runs,
                                   void *elements)
{
    return sower_elements_read(source, runs, elements, inverse_frequency_value);
}

static const struct sower_structure INVERSE_FREQUENCY = {.read = read_inverse_frequency};

static bool resolve_inverse_frequency(const double *values, struct sower_plan *plan,
                                      struct sower_problem *problem)
{
    (void)problem;
    uint64_t columns = columns_of(plan);
    plan->structure = &INVERSE_FREQUENCY;
    set_support(plan, 1, columns == 0 ? 1 : frequency(values[0], columns - 1, columns));
    return true;
}

enum order { INTERLEAVED, HALVES };

static const char *const ORDERS[] = {"interleaved", "halves", NULL};

static double sinusoid_value(const struct sower_plan *plan, uint64_t index)
{
    uint64_t columns = columns_of(plan), half = columns / 2, column = index % columns;
    bool interleaved = (enum order)plan->values[1] == INTERLEAVED;
    uint64_t i = interleaved ? column / 2 : column % half;
    bool is_cosine = interleaved ? column % 2 == 1 : column >= half;
    uint64_t n = plan->values[2] != 0 ? half - 1 : half;
    double position = (double)(index / columns % rows_of(plan));
    double angle = position * frequency(plan->values[0], i, n);
    return is_cosine ? sower_cos(angle) : sower_sin(angle);
}

static bool read_sinusoid(const struct sower_source *source, const struct sower_runs *runs, void *elements)
{
    return sower_elements_read(source, runs, elements, sinusoid_value);
}

static const struct sower_structure SINUSOID = {.read = read_sinusoid};

static bool resolve_sinusoid(const double *values, struct sower_plan *plan, struct sower_problem *problem)
{
    const uint64_t columns = columns_of(plan);
    const bool endpoint = values[2] != 0;
    if (columns % 2 != 0 || (endpoint && columns == 2)) {
        return sower_problem_set(
            problem, SOWER_PROBLEM_INVALID, "shape",
            "sinusoid needs an even number of columns%s, half for sines and half for cosines; "
            "this tensor has %llu.",
            endpoint ? " (with endpoint=true not 2)" : "", (unsigned long long)columns);
    }
    plan->structure = &SINUSOID;
    set_support(plan, -1, 1);
    return true;
}

/* A dt_bias's parameters, ready for its elements: the logarithm of a time step is uniform. */
struct time_steps {
    double half, middle; /* of the range of the logarithm */
    double floor;        /* no time step is shorter */
};

static struct time_steps time_steps_of(const struct sower_plan *plan)
{
    double low = sower_ln(plan->values[0]), high = sower_ln(plan->values[1]), half = (high - low) / 2;
    return (struct time_steps){.half = half, .middle = low + half, .floor = plan->values[2]};
}

/* The element for a place between -1 and 1 in the range. */
static double dt_bias_value(const struct time_steps *steps, double place)
{
    return sower_inverse_softplus(fmax(sower_exp(fma(place, steps->half, steps->middle)), steps->floor));
}

enum { CHUNK = 256 };

/* Fills `places` with the law's elements first … first + count - 1; count is at most CHUNK. */
static void make_places(const struct sower_source *source, uint64_t first, size_t count, double places[CHUNK])
{
    const struct sower_plan *plan = &source->plan;
    const struct sower_runs run = {.first = first, .length = count, .stride = count, .count = 1};
    if (plan->dtype == SOWER_F64) {
        sower_kernel()->fill_runs(&plan->law, SOWER_F64, &source->seed, &run, places);
        return;
    }
    float singles[CHUNK];
    sower_kernel()->fill_runs(&plan->law, SOWER_F32, &source->seed, &run, singles);
    for (size_t i = 0; i < count; i++) {
        places[i] = (double)singles[i];
    }
}

static bool read_dt_bias(const struct sower_source *source, const struct sower_runs *runs, void *elements)
{
    const struct time_steps steps = time_steps_of(&source->plan);
    const enum sower_dtype dtype = source->plan.dtype;
    uint8_t *at = elements;
    double places[CHUNK];
    for (uint64_t run = 0; run < runs->count; run++) {
        uint64_t index = runs->first + run * runs->stride, end = index + runs->length;
        while (index < end) {
            size_t count = end - index < CHUNK ? (size_t)(end - index) : CHUNK;
            make_places(source, index, count, places);
            for (size_t i = 0; i < count; i++, at += sower_dtype_size(dtype)) {
                sower_element_store(dtype, dt_bias_value(&steps, places[i]), at);
            }
            index += count;
        }
    }
    return true;
}

static const struct sower_structure DT_BIAS = {.read = read_dt_bias};

static bool resolve_dt_bias(const double *values, struct sower_plan *plan, struct sower_problem *problem)
{
    if (values[0] > values[1]) {
        return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "init",
                                 "dt_bias: low is %.9g and high is %.9g: low must not be above high.",
                                 values[0], values[1]);
    }
    const double longest = fmax(values[1], values[2]);
    if (!check_values(plan, longest, longest, problem)) {
        return false;
    }
    const struct time_steps steps = time_steps_of(plan);
    plan->structure = &DT_BIAS;
    plan->law = sower_law_uniform(-1, 1);
    set_support(plan, dt_bias_value(&steps, -1), dt_bias_value(&steps, 1));
    return true;
}

#define START(number, least, excluded)                                                                       \
    {                                                                                                        \
        .name = "start", .kind = SOWER_PARAMETER_REAL, .default_value = number, .minimum = least,            \
        .minimum_excluded = excluded, .maximum = INFINITY, .meaning = "the first number of each row"         \
    }
#define BASE SOWER_REAL("base", 10000, 1, "the number whose powers divide the positions")
#define TIME_STEP(parameter_name, number, excluded, words)                                                   \
    {                                                                                                        \
        .name = parameter_name, .kind = SOWER_PARAMETER_REAL, .default_value = number,                       \
        .minimum_excluded = excluded, .maximum = 1e300, .meaning = words                                     \
    }

const struct sower_entry sower_entries_tables[] = {
    {
        .name = "arange",
        .summary =
            "Equally spaced numbers along the last axis, for example positions; every row is the same.",
        .formula = "x[.., i] = start + step i",
        .source = "torch.arange; position_ids of Hugging Face's models",
        .example = "arange(start=0,step=1)",
        .rank_minimum = 1,
        .rank_maximum = SOWER_RANK_MAX,
        .parameters = {START(0, -INFINITY, false),
                       SOWER_REAL("step", 1, -INFINITY, "the distance of neighbours")},
        .resolve = resolve_arange,
    },
    {
        .name = "log_arange",
        .summary = "Logarithms of equally spaced numbers along the last axis, as Mamba's A_log; every row is "
                   "the same.",
        .formula = "x[.., i] = ln(start + step i)",
        .source = "Gu & Dao, 2023 (Mamba); S4D-Real of Gu et al., 2022",
        .example = "log_arange(start=1,step=1)",
        .rank_minimum = 1,
        .rank_maximum = SOWER_RANK_MAX,
        .parameters = {START(1, 0, true), SOWER_REAL("step", 1, 0, "the distance of neighbours")},
        .resolve = resolve_log_arange,
    },
    {
        .name = "tril",
        .summary = "A causal mask: one value on and below the diagonal of the last two axes, another above.",
        .formula = "x[.., i, j] = value if j <= i, else above",
        .source = "torch.tril; attn.bias of GPT-2",
        .example = "tril(value=1,above=0)",
        .rank_minimum = 2,
        .rank_maximum = SOWER_RANK_MAX,
        .parameters = {SOWER_REAL("value", 1, -INFINITY, "the value on and below the diagonal"),
                       SOWER_REAL("above", 0, -INFINITY, "the value above the diagonal")},
        .resolve = resolve_tril,
    },
    {
        .name = "inverse_frequency",
        .summary = "The frequencies of rotary embeddings, along the last axis; every row is the same.",
        .formula = "x[.., i] = base^(-i/n), n = the size of the last axis (half of the rotated dimensions)",
        .source = "Su et al., 2021 (RoPE); inv_freq of Hugging Face's models",
        .example = "inverse_frequency(base=10000)",
        .rank_minimum = 1,
        .rank_maximum = SOWER_RANK_MAX,
        .parameters = {BASE},
        .resolve = resolve_inverse_frequency,
    },
    {
        .name = "sinusoid",
        .summary = "Sines and cosines of positions: the rows of the last two axes are positions.",
        .formula = "sin(p f_i) and cos(p f_i), f_i = base^(-i/n), n = columns/2 (endpoint: columns/2 - 1); "
                   "interleaved: columns 2i and 2i + 1; halves: columns i and i + columns/2",
        .source = "Vaswani et al., 2017: the defaults (also DistilBERT, XLM). Marian, RoFormer, GPT-J, CTRL: "
                  "order=halves. Whisper, M2M100, Speech2Text: order=halves, endpoint=true",
        .example = "sinusoid(order=halves,endpoint=true)",
        .rank_minimum = 2,
        .rank_maximum = SOWER_RANK_MAX,
        .parameters = {BASE,
                       {.name = "order",
                        .kind = SOWER_PARAMETER_CHOICE,
                        .maximum = 1,
                        .choices = ORDERS,
                        .meaning = "where sines and cosines are"},
                       {.name = "endpoint",
                        .kind = SOWER_PARAMETER_BOOLEAN,
                        .maximum = 1,
                        .meaning = "whether the last frequency is exactly 1/base"}},
        .resolve = resolve_sinusoid,
    },
    {
        .name = "dt_bias",
        .summary = "The bias of Mamba's time steps: their softplus is log-uniform.",
        .formula = "x = dt + ln(1 - e^-dt), dt = max(e^u, floor), u ~ U[ln low, ln high)",
        .source = "Gu & Dao, 2023 (Mamba), 2024 (Mamba-2)",
        .example = "dt_bias(low=0.001,high=0.1,floor=0.0001)",
        .rank_maximum = SOWER_RANK_MAX,
        .parameters = {TIME_STEP("low", 0.001, true, "the shortest time step"),
                       TIME_STEP("high", 0.1, true, "the longest time step"),
                       TIME_STEP("floor", 0.0001, false, "shorter time steps become this one")},
        .resolve = resolve_dt_bias,
    },
    {.name = NULL},
};
