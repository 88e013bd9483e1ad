/* Orthogonal weights: `orthogonal` consists of Haar matrices; `delta_orthogonal` has them at the centre of a
 * convolution. matrices.h makes the matrices; this file says which axes are their sides. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/initializers/families.h"
#include "core/matrices.h"
#include "core/structure.h"

enum { GAIN_VALUE, BLOCKS_VALUE }; /* the parameters */

static sower_axes out_axes(const struct sower_plan *plan)
{
    return sower_layout_out_axes(&plan->layout, plan->shape.rank);
}

static sower_axes in_axes(const struct sower_plan *plan)
{
    return sower_layout_in_axes(&plan->layout, plan->shape.rank);
}

static sower_axes space_axes(const struct sower_plan *plan)
{
    return sower_layout_space_axes(&plan->layout, plan->shape.rank);
}

/* Sets what the plan expects of one element of a Haar matrix. It is symmetric around 0, its variance is
 * gain² over the longer side, and its magnitude is at most gain. Rounding can exceed gain, by less
 * than a factor of 1 + 2⁻¹⁰. */
static bool expect_haar(struct sower_plan *plan, double gain, double longer, struct sower_problem *problem)
{
    plan->law = sower_law_constant(gain * (1 + 0x1p-10));
    if (!sower_plan_check_law(plan, &plan->law, problem)) {
        return false;
    }
    plan->gain = gain;
    plan->low = -gain;
    plan->high = gain;
    plan->mean_expected = 0;
    plan->std_expected = gain / sqrt(fmax(longer, 1));
    return true;
}

/* The sides of one block, for shapes without elements too. */
struct sides {
    uint64_t out, other;
};

static bool sides_of(const struct sower_plan *plan, sower_axes others, struct sides *sides,
                     struct sower_problem *problem)
{
    const uint64_t blocks = (uint64_t)plan->values[BLOCKS_VALUE];
    if (!sower_axes_product(&plan->shape, out_axes(plan), &sides->out) ||
        !sower_axes_product(&plan->shape, others, &sides->other)) {
        return sower_problem_set(problem, SOWER_PROBLEM_TOO_LARGE, "shape",
                                 "A side of the matrix, a product of sizes of this shape, is above 2^63 - 1; "
                                 "use smaller sizes.");
    }
    if (sides->out % blocks != 0) {
        return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "init",
                                 "blocks is %llu; it must divide the number of output channels, %llu.",
                                 (unsigned long long)blocks, (unsigned long long)sides->out);
    }
    sides->out /= blocks;
    return true;
}

static double longer_side(const struct sides *sides)
{
    return (double)(sides->out > sides->other ? sides->out : sides->other);
}

static struct sower_matrices orthogonal_matrices(const struct sower_plan *plan)
{
    return sower_matrices_make(&plan->shape, out_axes(plan), (sower_axes)(in_axes(plan) | space_axes(plan)),
                               (uint64_t)plan->values[BLOCKS_VALUE], plan->gain, plan->dtype);
}

static struct sower_cost orthogonal_cost(const struct sower_plan *plan)
{
    const struct sower_matrices matrices = orthogonal_matrices(plan);
    return sower_matrices_cost(&matrices);
}

static void *orthogonal_prepare(const struct sower_plan *plan, const struct sower_seed *seed,
                                const struct sower_parallel *parallel)
{
    const struct sower_matrices matrices = orthogonal_matrices(plan);
    return sower_matrices_prepare(&matrices, seed, parallel);
}

static void release(void *factors)
{
    sower_matrices_free(factors);
}

static bool read_orthogonal(const struct sower_source *source, const struct sower_runs *runs, void *elements)
{
    const struct sower_matrices matrices = orthogonal_matrices(&source->plan);
    return sower_matrices_read(&matrices, source->factors, &source->seed, runs, elements);
}

static const struct sower_structure ORTHOGONAL = {
    .cost = orthogonal_cost,
    .prepare = orthogonal_prepare,
    .release = release,
    .read = read_orthogonal,
};

static bool resolve_orthogonal(const double *values, struct sower_plan *plan, struct sower_problem *problem)
{
    struct sides sides;
    plan->structure = &ORTHOGONAL;
    return sides_of(plan, (sower_axes)(in_axes(plan) | space_axes(plan)), &sides, problem) &&
           expect_haar(plan, values[GAIN_VALUE], longer_side(&sides), problem);
}

/* Axes without the spatial ones, which the central tensor (below) does not have. */
static sower_axes without_space(const struct sower_plan *plan, sower_axes axes)
{
    sower_axes left = 0, space = space_axes(plan);
    for (size_t axis = 0, kept = 0; axis < plan->shape.rank; axis++) {
        if ((space >> axis & 1) == 0) {
            left |= (sower_axes)((axes >> axis & 1) << kept++);
        }
    }
    return left;
}

/* The matrices of delta_orthogonal fill a tensor without the spatial axes: the central tensor. */
static struct sower_matrices central_matrices(const struct sower_plan *plan)
{
    struct sower_shape central = {.rank = 0};
    sower_axes space = space_axes(plan);
    if (sower_shape_count(&plan->shape) == 0) { /* a spatial axis can be empty when the matrices are not */
        return (struct sower_matrices){0};
    }
    for (size_t axis = 0; axis < plan->shape.rank; axis++) {
        if ((space >> axis & 1) == 0) {
            central.sizes[central.rank++] = plan->shape.sizes[axis];
        }
    }
    return sower_matrices_make(&central, without_space(plan, out_axes(plan)),
                               without_space(plan, in_axes(plan)), (uint64_t)plan->values[BLOCKS_VALUE],
                               plan->gain, plan->dtype);
}

/* The place of the central tensor: its element n is element n of this region. */
static struct sower_region central_region(const struct sower_plan *plan)
{
    struct sower_region region = sower_region_whole(&plan->shape);
    sower_axes space = space_axes(plan);
    for (size_t axis = 0; axis < region.rank; axis++) {
        if ((space >> axis & 1) != 0) {
            region.start[axis] = (plan->shape.sizes[axis] - 1) / 2;
            region.stop[axis] = region.start[axis] + 1;
        }
    }
    return region;
}

static struct sower_cost delta_orthogonal_cost(const struct sower_plan *plan)
{
    const struct sower_matrices matrices = central_matrices(plan);
    return sower_matrices_cost(&matrices);
}

static void *delta_orthogonal_prepare(const struct sower_plan *plan, const struct sower_seed *seed,
                                      const struct sower_parallel *parallel)
{
    const struct sower_matrices matrices = central_matrices(plan);
    return sower_matrices_prepare(&matrices, seed, parallel);
}

/* What reading a delta_orthogonal weight needs. */
struct delta {
    const struct sower_source *source;
    struct sower_matrices matrices;
    struct sower_region region;
    uint64_t count; /* of elements of the central tensor */
};

/* Writes elements n … n + count − 1 of the central tensor to their places among the elements from `first` on. */
static bool read_central(const struct delta *delta, uint64_t n, uint64_t count, uint64_t first,
                         uint8_t *elements)
{
    const struct sower_source *source = delta->source;
    const size_t size = sower_dtype_size(source->plan.dtype);
    const struct sower_runs dense = {n, count, 0, 1};
    uint8_t *values = malloc((size_t)count * size), *value = values;
    if (values == NULL ||
        !sower_matrices_read(&delta->matrices, source->factors, &source->seed, &dense, values)) {
        free(values);
        return false;
    }
    for (uint64_t left = count; left > 0;) {
        struct sower_runs runs = sower_region_runs(&source->plan.shape, &delta->region, n, left);
        size_t length = (size_t)runs.length * size;
        for (uint64_t run = 0; run < runs.count; run++, value += length) {
            memcpy(elements + (runs.first + run * runs.stride - first) * size, value, length);
        }
        n += runs.length * runs.count;
        left -= runs.length * runs.count;
    }
    free(values);
    return true;
}

/* Writes the elements of one run that belong to the central tensor; the others are already zero. */
static bool read_delta_run(const struct delta *delta, uint64_t first, uint64_t length, uint8_t *elements)
{
    const struct sower_shape *shape = &delta->source->plan.shape;
    uint64_t n = sower_region_before(shape, &delta->region, first);
    uint64_t end = sower_region_before(shape, &delta->region, first + length);
    return n == end || read_central(delta, n, end - n, first, elements);
}

static bool read_delta_orthogonal(const struct sower_source *source, const struct sower_runs *runs,
                                  void *elements)
{
    const struct delta delta = {
        .source = source,
        .matrices = central_matrices(&source->plan),
        .region = central_region(&source->plan),
    };
    size_t size = (size_t)runs->length * sower_dtype_size(source->plan.dtype);
    memset(elements, 0, size * (size_t)runs->count);
    for (uint64_t run = 0; run < runs->count; run++) {
        if (!read_delta_run(&delta, runs->first + run * runs->stride, runs->length,
                            (uint8_t *)elements + run * size)) {
            return false;
        }
    }
    return true;
}

static const struct sower_structure DELTA_ORTHOGONAL = {
    .cost = delta_orthogonal_cost,
    .prepare = delta_orthogonal_prepare,
    .release = release,
    .read = read_delta_orthogonal,
};

static bool resolve_delta_orthogonal(const double *values, struct sower_plan *plan,
                                     struct sower_problem *problem)
{
    struct sides sides;
    if (!sides_of(plan, in_axes(plan), &sides, problem)) {
        return false;
    }
    if (sides.other > sides.out) {
        return sower_problem_set(
            problem, SOWER_PROBLEM_INVALID, "shape",
            "delta_orthogonal needs at least as many output channels%s as input channels; "
            "this shape has %llu input and %llu output channels%s.",
            values[BLOCKS_VALUE] == 1 ? "" : " in each block", (unsigned long long)sides.other,
            (unsigned long long)sides.out, values[BLOCKS_VALUE] == 1 ? "" : " in each block");
    }
    plan->structure = &DELTA_ORTHOGONAL;
    if (!expect_haar(plan, values[GAIN_VALUE], longer_side(&sides), problem)) {
        return false;
    }
    double share = 1;
    for (size_t axis = 0; axis < plan->shape.rank; axis++) {
        share /= (space_axes(plan) >> axis & 1) != 0 ? (double)plan->shape.sizes[axis] : 1;
    }
    sower_plan_mix_with_zeros(plan, share);
    return true;
}

#define GAIN SOWER_REAL("gain", 1, 0, "a factor for every element")

#define BLOCKS                                                                                               \
    {                                                                                                        \
        .name = "blocks", .kind = SOWER_PARAMETER_INTEGER, .default_value = 1, .minimum = 1,                 \
        .maximum = 9007199254740992, .added_later = true,                                                    \
        .meaning = "the out side consists of this many parts, for example gates, each with its own matrix"   \
    }

const struct sower_entry sower_entries_orthogonal[] = {
    {
        .name = "orthogonal",
        .summary = "A uniformly random (Haar) matrix with orthonormal rows or columns, whichever are fewer.",
        .formula =
            "Q^T Q = gain^2 I (or Q Q^T), where the out axes are one side of Q and all others the other side",
        .source = "Saxe, McClelland & Ganguli, 2014; Stewart, 1980; Mezzadri, 2007",
        .example = "orthogonal(gain=1.4142135623730951)",
        .rank_minimum = 2,
        .rank_maximum = SOWER_RANK_MAX,
        .parameters = {GAIN, BLOCKS},
        .resolve = resolve_orthogonal,
    },
    {
        .name = "delta_orthogonal",
        .summary = "A convolution that is an orthogonal matrix at its spatial centre and zero elsewhere.",
        .formula =
            "x[.., centre, ..] = gain Q, centre = (size - 1)/2, rounded down; at most as many input as "
            "output channels",
        .source = "Xiao et al., 2018; jax.nn.initializers.delta_orthogonal",
        .example = "delta_orthogonal",
        .rank_minimum = 3,
        .rank_maximum = 5,
        .parameters = {GAIN, BLOCKS},
        .resolve = resolve_delta_orthogonal,
    },
    {.name = NULL},
};
