#include "core/matrices.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/orthogonal.h"

enum { ENTRIES, ROWS, COLUMNS }; /* the groups of the view */

enum {
    TINY_ELEMENTS = 64,      /* of a matrix whose elements take much less memory than time */
    SMALL_ELEMENTS = 4096,   /* of a matrix whose factors reading may compute */
    TASK_ELEMENTS = 1 << 18, /* of the matrices in one task; larger ones are divided into tasks themselves */
    TASK_MATRICES = 2048,
};

/* Factors of small matrices that are kept, in all. */
static const uint64_t SMALL_MEMORY = 16 << 20;

/* Products that one core sums in a second; the inner products of all reflectors are m² n / 2 products. Seconds
 * that a matrix takes besides. */
static const double PRODUCTS_SINGLE = 0x1p35, PRODUCTS_DOUBLE = 0x1p34, SECONDS_MATRIX = 6e-6;

/* A rectangle of matrix elements: of one matrix, or of all rows of all entries, one above the other. */
struct rectangle {
    uint64_t row, column, rows, columns;
};

struct sower_matrices_factors {
    uint64_t count;
    struct sower_orthogonal **matrices; /* NULL unless the factors are kept */
    uint8_t *elements;                  /* NULL unless the elements are kept */
};

static uint64_t smaller(uint64_t one, uint64_t other)
{
    return one < other ? one : other;
}

static uint64_t multiply(uint64_t one, uint64_t other)
{
    uint64_t product;
    return __builtin_mul_overflow(one, other, &product) ? UINT64_MAX : product;
}

/* Whether the tensor is the entries one after the other, each row by row. */
static bool in_order(const struct sower_view *view)
{
    for (size_t axis = 1; axis < view->rank; axis++) {
        if (view->axes[axis].group < view->axes[axis - 1].group) {
            return false;
        }
    }
    return true;
}

/* The last of some axes, as a set. */
static sower_axes last_of(sower_axes axes)
{
    sower_axes last = 1u << 7;
    while (axes != 0 && (axes & last) == 0) {
        last >>= 1;
    }
    return axes & last;
}

static uint64_t factors_memory(const struct sower_matrices *matrices)
{
    return sower_orthogonal_memory(matrices->rows, matrices->columns, matrices->dtype);
}

static enum sower_matrices_keep choose_keep(const struct sower_matrices *matrices)
{
    uint64_t elements = matrices->rows * matrices->columns;
    bool many = multiply(matrices->count, factors_memory(matrices)) > SMALL_MEMORY;
    if (!in_order(&matrices->view) || (many && elements <= TINY_ELEMENTS)) {
        return SOWER_KEEP_ELEMENTS;
    }
    return many && elements <= SMALL_ELEMENTS ? SOWER_KEEP_NOTHING : SOWER_KEEP_FACTORS;
}

struct sower_matrices sower_matrices_make(const struct sower_shape *shape, sower_axes outs, sower_axes others,
                                          uint64_t blocks, double gain, enum sower_dtype dtype)
{
    struct sower_matrices matrices = {.gain = gain, .dtype = dtype};
    if (sower_shape_count(shape) == 0) {
        return matrices;
    }
    bool side_by_side = (last_of((sower_axes)(outs | others)) & outs) != 0;
    sower_axes groups[SOWER_GROUP_COUNT] = {
        [ENTRIES] = (sower_axes) ~(outs | others),
        [ROWS] = side_by_side ? others : outs,
        [COLUMNS] = side_by_side ? outs : others,
    };
    matrices.view = sower_view_make(shape, groups);
    matrices.down = side_by_side ? 1 : blocks;
    matrices.across = side_by_side ? blocks : 1;
    matrices.rows = matrices.view.sizes[ROWS] / matrices.down;
    matrices.columns = matrices.view.sizes[COLUMNS] / matrices.across;
    matrices.count = matrices.view.sizes[ENTRIES] * blocks;
    matrices.keep = choose_keep(&matrices);
    return matrices;
}

/* Whether one matrix is prepared after the other, each divided into tasks. Otherwise a task prepares some
 * matrices. */
static bool one_by_one(const struct sower_matrices *matrices)
{
    return matrices->count == 1 || matrices->rows * matrices->columns > TASK_ELEMENTS;
}

static uint64_t matrices_per_task(const struct sower_matrices *matrices)
{
    return smaller(TASK_ELEMENTS / (matrices->rows * matrices->columns), TASK_MATRICES);
}

/* Doubles of scratch memory for reading; rows are read as many at a time as fit. 64 rows of 8192 columns fit,
 * which is enough for full speed. */
enum { SCRATCH = 1 << 19 };

/* As much of a rectangle as is read at once. */
static struct rectangle read_at_once(uint64_t rows, uint64_t columns)
{
    columns = smaller(columns, SCRATCH);
    return (struct rectangle){.rows = smaller(rows, SCRATCH / columns), .columns = columns};
}

/* Bytes that computing all elements of a matrix takes: the factors, doubles, and elements of up to that size. */
static uint64_t elements_scratch(const struct sower_matrices *matrices)
{
    uint64_t rows = matrices->rows, columns = matrices->columns;
    struct rectangle once = read_at_once(rows, columns);
    return factors_memory(matrices) +
           sower_orthogonal_read_scratch(rows, columns, matrices->dtype, once.rows) +
           2 * once.rows * once.columns * sizeof(double);
}

static uint64_t kept_memory(const struct sower_matrices *matrices)
{
    uint64_t memory = sizeof(struct sower_matrices_factors);
    uint64_t each = 0;
    if (matrices->keep == SOWER_KEEP_FACTORS) {
        each = factors_memory(matrices) + sizeof(struct sower_orthogonal *);
    } else if (matrices->keep == SOWER_KEEP_ELEMENTS) {
        each = matrices->rows * matrices->columns * sower_dtype_size(matrices->dtype);
    }
    return __builtin_add_overflow(memory, multiply(matrices->count, each), &memory) ? UINT64_MAX : memory;
}

/* Products of preparing, relative to the inner products of the reflectors. */
static double effort(const struct sower_matrices *matrices)
{
    return matrices->keep == SOWER_KEEP_ELEMENTS ? 4 : 1;
}

struct sower_cost sower_matrices_cost(const struct sower_matrices *matrices)
{
    if (matrices->count == 0) {
        return (struct sower_cost){0};
    }
    uint64_t rows = matrices->rows, columns = matrices->columns, side = smaller(rows, columns);
    struct sower_cost cost = {.memory = kept_memory(matrices), .smaller_side = side};
    double products = (double)rows * (double)columns * (double)side / 2;
    double each = products / (matrices->dtype == SOWER_F64 ? PRODUCTS_DOUBLE : PRODUCTS_SINGLE);
    if (matrices->keep != SOWER_KEEP_NOTHING) {
        cost.seconds = (double)matrices->count * (effort(matrices) * each + SECONDS_MATRIX);
    }
    uint64_t scratch = sower_orthogonal_scratch(rows, columns, matrices->dtype);
    if (matrices->keep == SOWER_KEEP_ELEMENTS) {
        scratch += elements_scratch(matrices);
    }
    if (matrices->keep != SOWER_KEEP_NOTHING) {
        *(one_by_one(matrices) ? &cost.scratch : &cost.scratch_per_thread) = scratch;
    }
    return cost;
}

static struct sower_orthogonal *prepare_matrix(const struct sower_matrices *matrices, uint64_t number,
                                               const struct sower_seed *seed,
                                               const struct sower_parallel *parallel)
{
    uint64_t words = matrices->rows * matrices->columns;
    return sower_orthogonal_prepare(seed, number * words, matrices->rows, matrices->columns, matrices->dtype,
                                    parallel);
}

/* Where elements go: the element of a rectangle's row r and column c to start + (r · stride + c) · size. */
struct target {
    uint8_t *start;
    uint64_t stride;
};

static uint8_t *target_at(const struct sower_matrices *matrices, const struct target *target, uint64_t row,
                          uint64_t column)
{
    return target->start + (row * target->stride + column) * sower_dtype_size(matrices->dtype);
}

/* Rounds rows of doubles to elements. */
static void narrow_rows(const struct sower_matrices *matrices, const double *values, uint64_t rows,
                        uint64_t columns, struct target target)
{
    if (columns == target.stride) { /* then the rows follow each other */
        columns *= rows;
        rows = 1;
    }
    for (uint64_t row = 0; row < rows; row++) {
        sower_dtype_narrow(matrices->dtype, values + row * columns, (size_t)columns,
                           target_at(matrices, &target, row, 0));
    }
}

/* Writes a rectangle of one matrix. */
static bool read_matrix(const struct sower_matrices *matrices, const struct sower_orthogonal *factors,
                        const struct rectangle *at, struct target target,
                        const struct sower_parallel *parallel)
{
    const struct rectangle once = read_at_once(at->rows, at->columns);
    double *values = malloc((size_t)(once.rows * once.columns) * sizeof *values);
    bool good = values != NULL;
    for (uint64_t row = 0; good && row < at->rows; row += once.rows) {
        uint64_t rows = smaller(at->rows - row, once.rows);
        for (uint64_t column = 0; good && column < at->columns; column += once.columns) {
            uint64_t columns = smaller(at->columns - column, once.columns);
            good = sower_orthogonal_read(factors, matrices->gain, at->row + row, rows, at->column + column,
                                         columns, parallel, values);
            if (good) {
                struct target part = {target_at(matrices, &target, row, column), target.stride};
                narrow_rows(matrices, values, rows, columns, part);
            }
        }
    }
    free(values);
    return good;
}

/* The state of a preparation, which its tasks share. */
struct preparation {
    const struct sower_matrices *matrices;
    const struct sower_seed *seed;
    const struct sower_parallel *parallel;
    struct sower_matrices_factors *factors;
    _Atomic bool failed; /* memory ran out */
};

/* What one step along the places of a group adds to an element's index, place by place. */
static uint64_t offset_of(const struct sower_view *view, size_t group, uint64_t place)
{
    uint64_t offset = 0, stride = 1;
    for (size_t axis = view->rank; axis-- > 0;) {
        if (view->axes[axis].group == group) {
            offset += place % view->axes[axis].size * stride;
            place /= view->axes[axis].size;
        }
        stride *= view->axes[axis].size;
    }
    return offset;
}

/* A rectangle of a matrix, on the way to its places in the tensor. */
struct scattering {
    const struct preparation *preparation;
    uint64_t number; /* of the matrix */
    struct rectangle at;
    const uint8_t *elements; /* of the rectangle, row by row */
};

/* A task: puts one row of the rectangle to its places. */
static void scatter_row(void *work, size_t row)
{
    const struct scattering *scattering = work;
    const struct rectangle *at = &scattering->at;
    const struct sower_matrices *matrices = scattering->preparation->matrices;
    const struct sower_view *view = &matrices->view;
    const size_t size = sower_dtype_size(matrices->dtype);
    const uint8_t *element = scattering->elements + row * at->columns * size;
    uint64_t blocks = matrices->down * matrices->across, block = scattering->number % blocks;
    uint64_t first_row = matrices->down > 1 ? block * matrices->rows : 0;
    uint64_t first_column = matrices->across > 1 ? block * matrices->columns : 0;
    uint64_t start = offset_of(view, ENTRIES, scattering->number / blocks) +
                     offset_of(view, ROWS, first_row + at->row + row);
    for (uint64_t column = 0; column < at->columns; column++, element += size) {
        uint64_t index = start + offset_of(view, COLUMNS, first_column + at->column + column);
        memcpy(scattering->preparation->factors->elements + index * size, element, size);
    }
}

/* Computes all elements of a matrix. */
static bool make_elements(const struct preparation *preparation, uint64_t number,
                          const struct sower_orthogonal *factors, const struct sower_parallel *parallel)
{
    const struct sower_matrices *matrices = preparation->matrices;
    struct rectangle at = read_at_once(matrices->rows, matrices->columns);
    const struct rectangle once = at;
    uint8_t *elements = malloc((size_t)(at.rows * at.columns) * sower_dtype_size(matrices->dtype));
    bool good = elements != NULL;
    for (; good && at.row < matrices->rows; at.row += once.rows) {
        at.rows = smaller(once.rows, matrices->rows - at.row);
        for (at.column = 0; good && at.column < matrices->columns; at.column += once.columns) {
            at.columns = smaller(once.columns, matrices->columns - at.column);
            good = read_matrix(matrices, factors, &at, (struct target){elements, at.columns}, parallel);
            if (good) {
                struct scattering scattering = {preparation, number, at, elements};
                sower_parallel_run(parallel, scatter_row, &scattering, (size_t)at.rows);
            }
        }
    }
    free(elements);
    return good;
}

/* Computes what is kept of one matrix. */
static bool keep_matrix(const struct preparation *preparation, uint64_t number,
                        const struct sower_parallel *parallel)
{
    struct sower_orthogonal *factors =
        prepare_matrix(preparation->matrices, number, preparation->seed, parallel);
    if (factors == NULL) {
        return false;
    }
    if (preparation->matrices->keep == SOWER_KEEP_FACTORS) {
        preparation->factors->matrices[number] = factors;
        return true;
    }
    bool good = make_elements(preparation, number, factors, parallel);
    sower_orthogonal_free(factors);
    return good;
}

/* A task: keeps some matrices. */
static void keep_some(void *work, size_t index)
{
    struct preparation *preparation = work;
    uint64_t step = matrices_per_task(preparation->matrices), number = (uint64_t)index * step;
    uint64_t end = smaller(number + step, preparation->matrices->count);
    for (bool good = true; good && number < end; number++) {
        good = keep_matrix(preparation, number, &sower_parallel_none);
        if (!good) {
            atomic_store(&preparation->failed, true);
        }
    }
}

static void keep_all(struct preparation *preparation)
{
    const struct sower_matrices *matrices = preparation->matrices;
    if (!one_by_one(matrices)) {
        uint64_t step = matrices_per_task(matrices);
        sower_parallel_run(preparation->parallel, keep_some, preparation,
                           (size_t)(matrices->count / step + (matrices->count % step != 0)));
        return;
    }
    for (uint64_t number = 0; number < matrices->count && !preparation->failed; number++) {
        preparation->failed = !keep_matrix(preparation, number, preparation->parallel);
    }
}

/* Allocates the memory for what is kept. */
static bool allocate(const struct sower_matrices *matrices, struct sower_matrices_factors *factors)
{
    factors->count = matrices->count;
    if (matrices->keep == SOWER_KEEP_FACTORS) {
        factors->matrices = calloc((size_t)matrices->count, sizeof(struct sower_orthogonal *));
        return factors->matrices != NULL;
    }
    if (matrices->keep == SOWER_KEEP_ELEMENTS) {
        uint64_t elements = matrices->count * matrices->rows * matrices->columns;
        factors->elements = malloc((size_t)elements * sower_dtype_size(matrices->dtype));
        return factors->elements != NULL;
    }
    return true;
}

struct sower_matrices_factors *sower_matrices_prepare(const struct sower_matrices *matrices,
                                                      const struct sower_seed *seed,
                                                      const struct sower_parallel *parallel)
{
    struct sower_matrices_factors *factors = calloc(1, sizeof *factors);
    if (factors == NULL) {
        return NULL;
    }
    struct preparation preparation = {matrices, seed, parallel, factors, !allocate(matrices, factors)};
    if (matrices->keep != SOWER_KEEP_NOTHING && !preparation.failed) {
        keep_all(&preparation);
    }
    if (preparation.failed) {
        sower_matrices_free(factors);
        return NULL;
    }
    return factors;
}

/* Everything that reading needs. */
struct reader {
    const struct sower_matrices *matrices;
    const struct sower_matrices_factors *factors;
    const struct sower_seed *seed;
};

/* Writes a rectangle of one matrix, whose factors are kept or computed now. */
static bool read_kept(const struct reader *reader, uint64_t number, const struct rectangle *at,
                      struct target target)
{
    const struct sower_matrices *matrices = reader->matrices;
    if (matrices->keep == SOWER_KEEP_FACTORS) {
        return read_matrix(matrices, reader->factors->matrices[number], at, target, &sower_parallel_none);
    }
    struct sower_orthogonal *made = prepare_matrix(matrices, number, reader->seed, &sower_parallel_none);
    bool good = made != NULL && read_matrix(matrices, made, at, target, &sower_parallel_none);
    sower_orthogonal_free(made);
    return good;
}

/* Writes a rectangle of all rows of the tensor: the rows of all entries, one above the other. */
static bool read_rectangle(const struct reader *reader, const struct rectangle *at, uint8_t *elements)
{
    const struct sower_matrices *matrices = reader->matrices;
    const struct target target = {elements, at->columns};
    uint64_t row_end = at->row + at->rows, column_end = at->column + at->columns;
    for (uint64_t row = at->row; row < row_end;) {
        struct rectangle part = {.row = row % matrices->rows};
        part.rows = smaller(matrices->rows - part.row, row_end - row);
        for (uint64_t column = at->column; column < column_end; column += part.columns) {
            uint64_t number = row / matrices->rows * matrices->across + column / matrices->columns;
            part.column = column % matrices->columns;
            part.columns = smaller(matrices->columns - part.column, column_end - column);
            struct target there = {target_at(matrices, &target, row - at->row, column - at->column),
                                   at->columns};
            if (!read_kept(reader, number, &part, there)) {
                return false;
            }
        }
        row += part.rows;
    }
    return true;
}

/* Writes one run of neighbouring elements: the end of a row, whole rows, and the start of a row. */
static bool read_span(const struct reader *reader, uint64_t first, uint64_t length, uint8_t *elements)
{
    const struct sower_matrices *matrices = reader->matrices;
    const uint64_t columns = matrices->columns * matrices->across;
    while (length > 0) {
        struct rectangle at = {first / columns, first % columns, 1, columns - first % columns};
        if (at.column == 0 && length >= columns) {
            at.rows = length / columns;
        } else if (at.columns > length) {
            at.columns = length;
        }
        if (!read_rectangle(reader, &at, elements)) {
            return false;
        }
        uint64_t done = at.rows * at.columns;
        elements += done * sower_dtype_size(matrices->dtype);
        first += done;
        length -= done;
    }
    return true;
}

/* Runs of elements that are kept. */
static void copy_runs(const struct sower_matrices *matrices, const uint8_t *kept,
                      const struct sower_runs *runs, uint8_t *elements)
{
    const size_t size = sower_dtype_size(matrices->dtype), length = (size_t)runs->length * size;
    for (uint64_t run = 0; run < runs->count; run++, elements += length) {
        memcpy(elements, kept + (runs->first + run * runs->stride) * size, length);
    }
}

bool sower_matrices_read(const struct sower_matrices *matrices, const struct sower_matrices_factors *factors,
                         const struct sower_seed *seed, const struct sower_runs *runs, void *elements)
{
    const struct reader reader = {matrices, factors, seed};
    const uint64_t columns = matrices->columns * matrices->across, column = runs->first % columns;
    if (matrices->keep == SOWER_KEEP_ELEMENTS) {
        copy_runs(matrices, factors->elements, runs, elements);
        return true;
    }
    if (runs->count > 1 && runs->stride == columns && column + runs->length <= columns) {
        struct rectangle at = {runs->first / columns, column, runs->count, runs->length};
        return read_rectangle(&reader, &at, elements);
    }
    uint8_t *at = elements;
    for (uint64_t run = 0; run < runs->count; run++) {
        if (!read_span(&reader, runs->first + run * runs->stride, runs->length, at)) {
            return false;
        }
        at += runs->length * sower_dtype_size(matrices->dtype);
    }
    return true;
}

void sower_matrices_free(struct sower_matrices_factors *factors)
{
    if (factors == NULL) {
        return;
    }
    for (uint64_t number = 0; factors->matrices != NULL && number < factors->count; number++) {
        sower_orthogonal_free(factors->matrices[number]);
    }
    free(factors->matrices);
    free(factors->elements);
    free(factors);
}
