/* Deterministic structures: each element depends only on its place in its batch entry, and most elements are
 * zero. */
#include <math.h>

#include "core/initializers/elements.h"
#include "core/initializers/families.h"
#include "core/structure.h"
#include "core/view.h"

/* What the value of an element depends on, apart from its places. */
struct pattern {
    const struct sower_plan *plan;
    struct sower_view view;
    sower_axes space;
    uint64_t centre; /* the place whose index along each spatial axis is size / 2 */
};

static struct pattern pattern_of(const struct sower_plan *plan)
{
    const struct sower_shape *shape = &plan->shape;
    struct pattern pattern = {
        .plan = plan,
        .view = sower_view_of_layout(shape, &plan->layout),
        .space = sower_layout_space_axes(&plan->layout, shape->rank),
    };
    for (size_t axis = 0; axis < shape->rank; axis++) {
        if ((pattern.space >> axis & 1) != 0) {
            pattern.centre = pattern.centre * shape->sizes[axis] + shape->sizes[axis] / 2;
        }
    }
    return pattern;
}

static bool read_elements(const struct sower_source *source, const struct sower_runs *runs, void *elements,
                          sower_place_value *value_of)
{
    const struct pattern pattern = pattern_of(&source->plan);
    sower_elements_read_view(source->plan.dtype, &pattern.view, runs, elements, value_of, &pattern);
    return true;
}

/* Counts the out channels and the in channels, for shapes without elements too. */
static bool count_channels(const struct sower_plan *plan, uint64_t *out, uint64_t *in,
                           struct sower_problem *problem)
{
    const size_t rank = plan->shape.rank;
    return (sower_axes_product(&plan->shape, sower_layout_out_axes(&plan->layout, rank), out) &&
            sower_axes_product(&plan->shape, sower_layout_in_axes(&plan->layout, rank), in)) ||
           sower_problem_set(problem, SOWER_PROBLEM_TOO_LARGE, "shape",
                             "The product of the sizes of the in axes or of the out axes is above 2^63 - 1; "
                             "use smaller sizes.");
}

static double elements_of_entry(const struct sower_plan *plan)
{
    double elements = 1;
    for (size_t axis = 0; axis < plan->shape.rank; axis++) {
        bool batch = (plan->layout.batch_axes >> axis & 1) != 0;
        elements *= batch ? 1 : (double)plan->shape.sizes[axis];
    }
    return elements;
}

static double identity_value(const void *about, const uint64_t place[SOWER_GROUP_COUNT])
{
    const struct pattern *pattern = about;
    return place[SOWER_GROUP_OUT] == place[SOWER_GROUP_IN] ? pattern->plan->gain : 0;
}

static bool read_identity(const struct sower_source *source, const struct sower_runs *runs, void *elements)
{
    return read_elements(source, runs, elements, identity_value);
}

static const struct sower_structure IDENTITY = {.read = read_identity};

static bool resolve_identity(const double *values, struct sower_plan *plan, struct sower_problem *problem)
{
    plan->gain = values[0];
    if (!sower_plan_constant(plan, plan->gain, problem)) {
        return false;
    }
    plan->structure = &IDENTITY;
    uint64_t out, in;
    if (!count_channels(plan, &out, &in, problem)) {
        return false;
    }
    sower_plan_mix_with_zeros(plan, fmin((double)out, (double)in) / ((double)out * (double)in));
    return true;
}

static double dirac_value(const void *about, const uint64_t place[SOWER_GROUP_COUNT])
{
    const struct pattern *pattern = about;
    uint64_t per_group = pattern->view.sizes[SOWER_GROUP_OUT] / (uint64_t)pattern->plan->values[0];
    bool centred = place[SOWER_GROUP_SPACE] == pattern->centre;
    return centred && place[SOWER_GROUP_IN] == place[SOWER_GROUP_OUT] % per_group ? 1 : 0;
}

static bool read_dirac(const struct sower_source *source, const struct sower_runs *runs, void *elements)
{
    return read_elements(source, runs, elements, dirac_value);
}

static const struct sower_structure DIRAC = {.read = read_dirac};

static bool resolve_dirac(const double *values, struct sower_plan *plan, struct sower_problem *problem)
{
    uint64_t out, in, groups = (uint64_t)values[0];
    if (!count_channels(plan, &out, &in, problem)) {
        return false;
    }
    if (out % groups != 0) {
        return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "init",
                                 "dirac: groups is %llu; it must divide the number of output channels, %llu.",
                                 (unsigned long long)groups, (unsigned long long)out);
    }
    plan->structure = &DIRAC;
    plan->law = sower_law_constant(1);
    double ones = (double)groups * fmin((double)(out / groups), (double)in);
    plan->low = 0;
    plan->high = plan->mean_expected = 1;
    plan->std_expected = 0;
    sower_plan_mix_with_zeros(plan, ones / elements_of_entry(plan));
    return true;
}

/* The weight of position `place` in an interpolation kernel of `size` positions: a triangle whose peak
 * is in the middle. */
static double triangle(uint64_t place, uint64_t size)
{
    double reach = (double)((size + 1) / 2);
    double middle = size % 2 == 1 ? reach - 1 : reach - 0.5;
    return 1 - fabs((double)place - middle) / reach;
}

static double bilinear_value(const void *about, const uint64_t place[SOWER_GROUP_COUNT])
{
    const struct pattern *pattern = about;
    const uint64_t *sizes = pattern->view.sizes;
    if (place[SOWER_GROUP_OUT] != place[SOWER_GROUP_IN] && sizes[SOWER_GROUP_OUT] != 1 &&
        sizes[SOWER_GROUP_IN] != 1) {
        return 0;
    }
    double weight = 1;
    uint64_t left = place[SOWER_GROUP_SPACE];
    for (size_t axis = pattern->plan->shape.rank; axis-- > 0;) {
        uint64_t size = pattern->plan->shape.sizes[axis];
        if ((pattern->space >> axis & 1) != 0) {
            weight *= triangle(left % size, size);
            left /= size;
        }
    }
    return weight;
}

static bool read_bilinear(const struct sower_source *source, const struct sower_runs *runs, void *elements)
{
    return read_elements(source, runs, elements, bilinear_value);
}

static const struct sower_structure BILINEAR = {.read = read_bilinear};

static bool resolve_bilinear(const double *values, struct sower_plan *plan, struct sower_problem *problem)
{
    (void)values;
    (void)problem;
    plan->structure = &BILINEAR;
    plan->law = sower_law_constant(1);
    plan->low = 0;
    plan->high = 1;
    return true;
}

/* The only axis that is no batch axis may be in any group; the place in the other groups is 0. */
static double lstm_bias_value(const void *about, const uint64_t place[SOWER_GROUP_COUNT])
{
    const struct pattern *pattern = about;
    const uint64_t *sizes = pattern->view.sizes;
    uint64_t size = sizes[SOWER_GROUP_OUT] * sizes[SOWER_GROUP_IN] * sizes[SOWER_GROUP_SPACE];
    uint64_t at = place[SOWER_GROUP_OUT] + place[SOWER_GROUP_IN] + place[SOWER_GROUP_SPACE];
    return at / (size / 4) == 1 ? pattern->plan->values[0] : 0;
}

static bool read_lstm_bias(const struct sower_source *source, const struct sower_runs *runs, void *elements)
{
    return read_elements(source, runs, elements, lstm_bias_value);
}

static const struct sower_structure LSTM_BIAS = {.read = read_lstm_bias};

/* The size of the only axis that is no batch axis. */
static uint64_t size_of_entry(const struct sower_plan *plan)
{
    size_t axis = 0;
    while ((plan->layout.batch_axes >> axis & 1) != 0) {
        axis++;
    }
    return plan->shape.sizes[axis];
}

static bool resolve_lstm_bias(const double *values, struct sower_plan *plan, struct sower_problem *problem)
{
    const uint64_t size = size_of_entry(plan);
    if (size % 4 != 0) {
        return sower_problem_set(
            problem, SOWER_PROBLEM_INVALID, "shape",
            "lstm_bias needs a size that is a multiple of 4, a quarter for each gate; this size is %llu.",
            (unsigned long long)size);
    }
    if (!sower_plan_constant(plan, values[0], problem)) {
        return false;
    }
    plan->structure = &LSTM_BIAS;
    sower_plan_mix_with_zeros(plan, 0.25);
    return true;
}

/* Input, forget, cell, output. The forget gate is the second one in both Keras (ifco) and PyTorch
 * (ifgo), so the choice does not change the values. */
static const char *const GATES[] = {"ifgo", "ifco", NULL};

const struct sower_entry sower_entries_structured[] = {
    {
        .name = "identity",
        .aliases = {"eye"},
        .summary =
            "The identity matrix times a gain; a rectangular matrix has the gain on its main diagonal.",
        .formula = "x[i, j] = gain if i = j, else 0",
        .source = "Le et al., 2015 (IRNN); Keras' Identity, torch.nn.init.eye_",
        .example = "identity(gain=1)",
        .rank_minimum = 2,
        .rank_maximum = 2,
        .parameters = {SOWER_REAL("gain", 1, -INFINITY, "the value on the diagonal")},
        .resolve = resolve_identity,
    },
    {
        .name = "dirac",
        .summary =
            "A convolution that copies its input: 1 at the spatial centre from each channel to itself.",
        .formula = "x[o, i, centre] = 1 if i = o mod (out/groups), else 0; centre = size/2, rounded down",
        .source = "Zagoruyko & Komodakis, 2017; torch.nn.init.dirac_",
        .example = "dirac(groups=2)",
        .rank_minimum = 3,
        .rank_maximum = 5,
        .parameters = {{.name = "groups",
                        .kind = SOWER_PARAMETER_INTEGER,
                        .default_value = 1,
                        .minimum = 1,
                        .maximum = 9007199254740992,
                        .meaning = "the number of groups of the convolution; each copies its own input"}},
        .resolve = resolve_dirac,
    },
    {
        .name = "bilinear",
        .summary = "Interpolation kernels for upsampling with transposed convolutions.",
        .formula = "the product over the spatial axes of 1 - |p - c|/f, where k is the size of the axis, f = "
                   "floor((k + 1)/2), and c = f - 1 (k odd) or f - 1/2 (k even); 0 unless the in and the out "
                   "channel are the same or there is only one in or one out channel",
        .source = "Long, Shelhamer & Darrell, 2015",
        .example = "bilinear",
        .rank_minimum = 3,
        .rank_maximum = 5,
        .resolve = resolve_bilinear,
    },
    {
        .name = "lstm_bias",
        .summary = "The bias of an LSTM's four gates: the forget gate starts open.",
        .formula = "x = forget in the second quarter, else 0",
        .source = "Gers et al., 2000; Jozefowicz et al., 2015; Keras' unit_forget_bias",
        .example = "lstm_bias(forget=1)",
        .rank_minimum = 1,
        .rank_maximum = 1,
        .parameters = {SOWER_REAL("forget", 1, -INFINITY, "the value of the forget gate's quarter"),
                       {.name = "gates",
                        .kind = SOWER_PARAMETER_CHOICE,
                        .maximum = 1,
                        .choices = GATES,
                        .meaning = "the order of the gates: i input, f forget, g or c cell, o output"}},
        .resolve = resolve_lstm_bias,
    },
    {.name = NULL},
};
