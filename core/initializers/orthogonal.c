/* Orthogonal weights: `orthogonal` uses the whole tensor as a matrix; `delta_orthogonal` has a matrix at the
 * centre of a convolution.
 *
 * core/orthogonal.h computes the matrices; this file maps the elements of a tensor to a matrix. Where
 * possible it reads runs as rectangles of the matrix (whole rows, or a column range of several rows),
 * because rows that are computed together cost less than single rows. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/initializers/families.h"
#include "core/orthogonal.h"
#include "core/structure.h"

struct matrix {
    uint64_t rows, columns;
};

/* The layout oi flattens all axes but the first, io all axes but the last. */
static struct matrix flattened(const struct sower_plan *plan)
{
    const struct sower_shape *shape = &plan->shape;
    struct sower_shape rest = {.rank = shape->rank - 1};
    if (plan->layout.order == SOWER_LAYOUT_IO) {
        memcpy(rest.sizes, shape->sizes, rest.rank * sizeof rest.sizes[0]);
        return (struct matrix){sower_shape_count(&rest), shape->sizes[rest.rank]};
    }
    memcpy(rest.sizes, shape->sizes + 1, rest.rank * sizeof rest.sizes[0]);
    return (struct matrix){shape->sizes[0], sower_shape_count(&rest)};
}

/* Products that one core sums in a second. The inner products of all reflectors are m² n / 2 products. */
static const double PRODUCTS_SINGLE = 0x1p35, PRODUCTS_DOUBLE = 0x1p34;

static struct sower_cost matrix_cost(struct matrix matrix, enum sower_dtype dtype)
{
    if (matrix.rows == 0 || matrix.columns == 0) {
        return (struct sower_cost){0};
    }
    uint64_t side = matrix.rows < matrix.columns ? matrix.rows : matrix.columns;
    double products = (double)matrix.rows * (double)matrix.columns * (double)side / 2;
    return (struct sower_cost){
        .memory = sower_orthogonal_memory(matrix.rows, matrix.columns, dtype),
        .scratch = sower_orthogonal_scratch(matrix.rows, matrix.columns, dtype),
        .smaller_side = side,
        .seconds = products / (dtype == SOWER_F64 ? PRODUCTS_DOUBLE : PRODUCTS_SINGLE),
    };
}

static void release(void *factors)
{
    sower_orthogonal_free(factors);
}

/* Doubles of scratch memory; rows are read as many at a time as fit. 64 rows of 8192 columns fit, which
 * is enough for full speed. */
enum { SCRATCH = 1 << 19 };

/* Writes a rectangle of the matrix, row-major, as elements of the source's dtype. */
static bool read_rectangle(const struct sower_source *source, struct matrix at, struct matrix size,
                           uint8_t *elements)
{
    const enum sower_dtype dtype = source->plan.dtype;
    const uint64_t columns_at_once = size.columns < SCRATCH ? size.columns : SCRATCH;
    const uint64_t rows_at_once = SCRATCH / columns_at_once;
    double *values = malloc(SCRATCH * sizeof *values);
    bool good = values != NULL;
    for (uint64_t row = 0; good && row < size.rows; row += rows_at_once) {
        uint64_t rows = size.rows - row < rows_at_once ? size.rows - row : rows_at_once;
        for (uint64_t column = 0; good && column < size.columns; column += columns_at_once) {
            uint64_t columns =
                size.columns - column < columns_at_once ? size.columns - column : columns_at_once;
            good = sower_orthogonal_read(source->factors, source->plan.gain, at.rows + row, rows,
                                         at.columns + column, columns, &sower_parallel_none, values);
            sower_dtype_narrow(dtype, values, (size_t)(rows * columns), elements);
            elements += rows * columns * sower_dtype_size(dtype);
        }
    }
    free(values);
    return good;
}

/* Writes one run of neighbouring elements: the end of a row, whole rows, and the start of a row. */
static bool read_span(const struct sower_source *source, uint64_t columns, uint64_t first, uint64_t length,
                      uint8_t *elements)
{
    while (length > 0) {
        struct matrix at = {first / columns, first % columns};
        struct matrix size = {1, columns - at.columns};
        if (at.columns == 0 && length >= columns) {
            size.rows = length / columns;
        } else if (size.columns > length) {
            size.columns = length;
        }
        if (!read_rectangle(source, at, size, elements)) {
            return false;
        }
        uint64_t done = size.rows * size.columns;
        elements += done * sower_dtype_size(source->plan.dtype);
        first += done;
        length -= done;
    }
    return true;
}

static bool read_orthogonal(const struct sower_source *source, const struct sower_runs *runs, void *elements)
{
    const uint64_t columns = flattened(&source->plan).columns;
    uint64_t column = runs->first % columns;
    if (runs->count > 1 && runs->stride == columns && column + runs->length <= columns) {
        return read_rectangle(source, (struct matrix){runs->first / columns, column},
                              (struct matrix){runs->count, runs->length}, elements);
    }
    uint8_t *at = elements;
    for (uint64_t run = 0; run < runs->count; run++) {
        if (!read_span(source, columns, runs->first + run * runs->stride, runs->length, at)) {
            return false;
        }
        at += runs->length * sower_dtype_size(source->plan.dtype);
    }
    return true;
}

static struct sower_cost orthogonal_cost(const struct sower_plan *plan)
{
    return matrix_cost(flattened(plan), plan->dtype);
}

static void *orthogonal_prepare(const struct sower_plan *plan, const struct sower_seed *seed,
                                const struct sower_parallel *parallel)
{
    struct matrix matrix = flattened(plan);
    return sower_orthogonal_prepare(seed, matrix.rows, matrix.columns, plan->dtype, parallel);
}

static const struct sower_structure ORTHOGONAL = {
    .cost = orthogonal_cost,
    .prepare = orthogonal_prepare,
    .release = release,
    .read = read_orthogonal,
};

/* Sets what the plan expects of one element of a Haar matrix. It is symmetric around 0, its variance is
 * gain² over the longer side, and its magnitude is at most gain. Rounding can exceed gain, by less
 * than a factor of 1 + 2⁻¹⁰. */
static bool expect_haar(struct sower_plan *plan, double gain, struct matrix matrix,
                        struct sower_problem *problem)
{
    plan->law = sower_law_constant(gain * (1 + 0x1p-10));
    if (!sower_plan_check_law(plan, &plan->law, problem)) {
        return false;
    }
    plan->gain = gain;
    plan->low = -gain;
    plan->high = gain;
    plan->mean_expected = 0;
    plan->std_expected =
        gain / sqrt(fmax((double)(matrix.rows > matrix.columns ? matrix.rows : matrix.columns), 1));
    return true;
}

static bool resolve_orthogonal(const double *values, struct sower_plan *plan, struct sower_problem *problem)
{
    plan->structure = &ORTHOGONAL;
    return expect_haar(plan, values[0], flattened(plan), problem);
}

/* The matrix of a delta_orthogonal weight: out × in (oi) or in × out (io). */
static struct matrix central(const struct sower_plan *plan)
{
    const struct sower_shape *shape = &plan->shape;
    if (plan->layout.order == SOWER_LAYOUT_IO) {
        return (struct matrix){shape->sizes[shape->rank - 2], shape->sizes[shape->rank - 1]};
    }
    return (struct matrix){shape->sizes[0], shape->sizes[1]};
}

static struct sower_cost delta_orthogonal_cost(const struct sower_plan *plan)
{
    if (sower_shape_count(&plan->shape) == 0) { /* a spatial axis can be empty when the matrix is not */
        return (struct sower_cost){0};
    }
    return matrix_cost(central(plan), plan->dtype);
}

static void *delta_orthogonal_prepare(const struct sower_plan *plan, const struct sower_seed *seed,
                                      const struct sower_parallel *parallel)
{
    struct matrix matrix = central(plan);
    return sower_orthogonal_prepare(seed, matrix.rows, matrix.columns, plan->dtype, parallel);
}

/* The place of the matrix in the tensor: element n of the matrix (row-major) is the tensor's element
 * first + n · stride. */
struct delta {
    uint64_t first, stride;
};

static struct delta delta_of(const struct sower_plan *plan)
{
    const struct sower_shape *shape = &plan->shape;
    bool io = plan->layout.order == SOWER_LAYOUT_IO;
    uint64_t centre = 0, points = 1;
    for (size_t n = 0; n < shape->rank - 2; n++) {
        uint64_t size = shape->sizes[n + (io ? 0 : 2)];
        centre = centre * size + (size - 1) / 2;
        points *= size;
    }
    struct matrix matrix = central(plan);
    return io ? (struct delta){centre * matrix.rows * matrix.columns, 1} : (struct delta){centre, points};
}

/* Writes the elements of one run that belong to the matrix; the others are already zero. */
static bool read_delta_run(const struct sower_source *source, uint64_t first, uint64_t length,
                           uint8_t *elements)
{
    const struct delta delta = delta_of(&source->plan);
    const struct matrix matrix = central(&source->plan);
    const size_t size = sower_dtype_size(source->plan.dtype);
    const uint64_t count = matrix.rows * matrix.columns;
    uint64_t n = first <= delta.first ? 0 : (first - delta.first + delta.stride - 1) / delta.stride;
    if (n >= count || delta.first + n * delta.stride >= first + length) {
        return true;
    }
    uint64_t inside = (first + length - 1 - delta.first - n * delta.stride) / delta.stride + 1;
    if (inside > count - n) {
        inside = count - n;
    }
    uint8_t *dense = malloc((size_t)inside * size);
    if (dense == NULL) {
        return false;
    }
    bool good = read_span(source, matrix.columns, n, inside, dense);
    for (uint64_t i = 0; good && i < inside; i++) {
        memcpy(elements + (delta.first + (n + i) * delta.stride - first) * size, dense + i * size, size);
    }
    free(dense);
    return good;
}

static bool read_delta_orthogonal(const struct sower_source *source, const struct sower_runs *runs,
                                  void *elements)
{
    size_t size = (size_t)runs->length * sower_dtype_size(source->plan.dtype);
    memset(elements, 0, size * (size_t)runs->count);
    for (uint64_t run = 0; run < runs->count; run++) {
        if (!read_delta_run(source, runs->first + run * runs->stride, runs->length,
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
    struct matrix matrix = central(plan);
    bool io = plan->layout.order == SOWER_LAYOUT_IO;
    uint64_t in = io ? matrix.rows : matrix.columns, out = io ? matrix.columns : matrix.rows;
    if (in > out) {
        return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "shape",
                                 "delta_orthogonal needs at least as many output channels as input channels; "
                                 "this shape has %llu input and %llu output channels.",
                                 (unsigned long long)in, (unsigned long long)out);
    }
    plan->structure = &DELTA_ORTHOGONAL;
    if (!expect_haar(plan, values[0], matrix, problem)) {
        return false;
    }
    double share = (double)matrix.rows * (double)matrix.columns / (double)sower_shape_count(&plan->shape);
    sower_plan_mix_with_zeros(plan, share);
    return true;
}

#define GAIN SOWER_REAL("gain", 1, 0, "a factor for every element")

const struct sower_entry sower_entries_orthogonal[] = {
    {
        .name = "orthogonal",
        .summary = "A uniformly random (Haar) matrix with orthonormal rows or columns, whichever are fewer.",
        .formula =
            "Q^T Q = gain^2 I (or Q Q^T); layout oi flattens all axes but the first, io all but the last",
        .source = "Saxe, McClelland & Ganguli, 2014; Stewart, 1980; Mezzadri, 2007",
        .example = "orthogonal(gain=1.4142135623730951)",
        .rank_minimum = 2,
        .rank_maximum = SOWER_RANK_MAX,
        .parameters = {GAIN},
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
        .parameters = {GAIN},
        .resolve = resolve_delta_orthogonal,
    },
    {.name = NULL},
};
