/* Deterministic structures: each element depends only on its position, and most elements are zero. */
#include <math.h>

#include "core/initializers/elements.h"
#include "core/initializers/families.h"
#include "core/structure.h"

/* The axes of a convolution's weight, for both layouts. */
struct channels {
    uint64_t out, in;               /* sizes */
    uint64_t out_stride, in_stride; /* elements from one channel to the next */
    size_t first_space, space_rank; /* the spatial axes */
    uint64_t space_stride;          /* elements of one step along the last of them */
};

static struct channels channels_of(const struct sower_plan *plan)
{
    const struct sower_shape *shape = &plan->shape;
    struct channels channels = {.space_rank = shape->rank - 2};
    if (plan->layout.order == SOWER_LAYOUT_IO) {
        channels.in = shape->sizes[shape->rank - 2];
        channels.out = shape->sizes[shape->rank - 1];
        channels.out_stride = 1;
        channels.in_stride = channels.out;
        channels.space_stride = channels.in * channels.out;
        return channels;
    }
    channels.out = shape->sizes[0];
    channels.in = shape->sizes[1];
    channels.first_space = 2;
    channels.space_stride = channels.in_stride = 1;
    for (size_t axis = 2; axis < shape->rank; axis++) {
        channels.in_stride *= shape->sizes[axis];
    }
    channels.out_stride = channels.in * channels.in_stride;
    return channels;
}

/* The element index of the point size / 2 of every spatial axis. */
static uint64_t centre_offset(const struct sower_plan *plan, const struct channels *channels)
{
    uint64_t offset = 0;
    for (size_t n = 0; n < channels->space_rank; n++) {
        uint64_t size = plan->shape.sizes[channels->first_space + n];
        offset = offset * size + size / 2;
    }
    return offset * channels->space_stride;
}

static double identity_value(const struct sower_plan *plan, uint64_t index)
{
    uint64_t columns = plan->shape.sizes[1];
    return index / columns == index % columns ? plan->gain : 0;
}

static bool read_identity(const struct sower_source *source, const struct sower_runs *runs, void *elements)
{
    return sower_elements_read(source, runs, elements, identity_value);
}

static const struct sower_structure IDENTITY = {.read = read_identity};

static bool resolve_identity(const double *values, struct sower_plan *plan, struct sower_problem *problem)
{
    plan->gain = values[0];
    if (!sower_plan_constant(plan, plan->gain, problem)) {
        return false;
    }
    plan->structure = &IDENTITY;
    double rows = (double)plan->shape.sizes[0], columns = (double)plan->shape.sizes[1];
    sower_plan_mix_with_zeros(plan, fmin(rows, columns) / (rows * columns));
    return true;
}

static double dirac_value(const struct sower_plan *plan, uint64_t index)
{
    struct channels channels = channels_of(plan);
    uint64_t per_group = channels.out / (uint64_t)plan->values[0];
    uint64_t out = index / channels.out_stride % channels.out;
    uint64_t in = index / channels.in_stride % channels.in;
    bool centred =
        index == out * channels.out_stride + in * channels.in_stride + centre_offset(plan, &channels);
    return centred && in == out % per_group ? 1 : 0;
}

static bool read_dirac(const struct sower_source *source, const struct sower_runs *runs, void *elements)
{
    return sower_elements_read(source, runs, elements, dirac_value);
}

static const struct sower_structure DIRAC = {.read = read_dirac};

static bool resolve_dirac(const double *values, struct sower_plan *plan, struct sower_problem *problem)
{
    struct channels channels = channels_of(plan);
    uint64_t groups = (uint64_t)values[0];
    if (channels.out % groups != 0) {
        return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "init",
                                 "dirac: groups is %llu; it must divide the number of output channels, %llu.",
                                 (unsigned long long)groups, (unsigned long long)channels.out);
    }
    plan->structure = &DIRAC;
    plan->law = sower_law_constant(1);
    double ones = (double)groups * fmin((double)(channels.out / groups), (double)channels.in);
    plan->low = 0;
    plan->high = plan->mean_expected = 1;
    plan->std_expected = 0;
    sower_plan_mix_with_zeros(plan, ones / (double)sower_shape_count(&plan->shape));
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

static double bilinear_value(const struct sower_plan *plan, uint64_t index)
{
    struct channels channels = channels_of(plan);
    uint64_t out = index / channels.out_stride % channels.out;
    uint64_t in = index / channels.in_stride % channels.in;
    if (out != in && channels.out != 1 && channels.in != 1) {
        return 0;
    }
    double weight = 1;
    uint64_t space = index / channels.space_stride;
    for (size_t n = channels.space_rank; n-- > 0;) {
        uint64_t size = plan->shape.sizes[channels.first_space + n];
        weight *= triangle(space % size, size);
        space /= size;
    }
    return weight;
}

static bool read_bilinear(const struct sower_source *source, const struct sower_runs *runs, void *elements)
{
    return sower_elements_read(source, runs, elements, bilinear_value);
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

static double lstm_bias_value(const struct sower_plan *plan, uint64_t index)
{
    return index / (plan->shape.sizes[0] / 4) == 1 ? plan->values[0] : 0;
}

static bool read_lstm_bias(const struct sower_source *source, const struct sower_runs *runs, void *elements)
{
    return sower_elements_read(source, runs, elements, lstm_bias_value);
}

static const struct sower_structure LSTM_BIAS = {.read = read_lstm_bias};

static bool resolve_lstm_bias(const double *values, struct sower_plan *plan, struct sower_problem *problem)
{
    if (plan->shape.sizes[0] % 4 != 0) {
        return sower_problem_set(
            problem, SOWER_PROBLEM_INVALID, "shape",
            "lstm_bias needs a size that is a multiple of 4, a quarter for each gate; this size is %llu.",
            (unsigned long long)plan->shape.sizes[0]);
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
