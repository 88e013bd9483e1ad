#include "core/orthogonal.h"

#include <stdlib.h>
#include <string.h>

#include "core/panels.h"
#include "core/reflectors.h"
#include "core/tile.h"

enum {
    BLOCK = 240,         /* values of l in one f32 chain: part of the contract, and a good size for caches */
    SOLVE_GROUPS = 8,    /* groups that one task solves together */
    PRODUCT_GROUPS = 16, /* groups in one task of the product */
    PRODUCT_PANELS = 16, /* panels in one task of the product */
    SCRATCH_BYTES = 16 << 20, /* the most for the doubles of one batch, unless one group needs more */
};

static const uint64_t elements_max = UINT64_C(1) << 36;

struct sower_orthogonal {
    struct sower_reflectors reflectors;
    bool tall;
    struct sower_panels solved; /* N, lower, m × m; only when tall */
};

/* Vectors in groups. A group has as many vectors as a tile has rows, interleaved: the left operand of
 * tiles. Value l of vector r is at group[l · tile->rows + r]. The vectors are columns of N while
 * solving, and in the product of a matrix that is not tall; they are rows of V in the product of a tall
 * matrix. The values before the first l at which a vector of the group is not zero are undefined and
 * never read. If the product is in f32, `singles` has the same values, rounded. */
struct batch {
    const struct sower_orthogonal *factors;
    bool of_vectors; /* rows of V; otherwise columns of N */
    size_t row;      /* the number of the first vector: a column of N or a row of V */
    size_t end;      /* vectors from this number on do not exist and are zero */
    size_t groups;
    double *values;
    float *singles; /* or NULL */
};

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* The number of rows of V without a pivot: n − m. */
static size_t dense_rows(const struct sower_orthogonal *factors)
{
    return factors->reflectors.length - factors->reflectors.count;
}

static size_t group_size(const struct sower_orthogonal *factors)
{
    const struct sower_reflectors *reflectors = &factors->reflectors;
    return sower_panels_count(&reflectors->gram) * reflectors->gram.width * reflectors->tile->rows;
}

static double *group_values(const struct batch *batch, size_t group)
{
    return batch->values + group * group_size(batch->factors);
}

static float *group_singles(const struct batch *batch, size_t group)
{
    return batch->singles + group * group_size(batch->factors);
}

static size_t group_row(const struct batch *batch, size_t group)
{
    return batch->row + group * batch->factors->reflectors.tile->rows;
}

/* The first l at which a vector of the group is not zero. */
static size_t group_first(const struct batch *batch, size_t group)
{
    size_t row = group_row(batch, group);
    size_t dense = batch->of_vectors ? dense_rows(batch->factors) : 0;
    return row < dense ? 0 : row - dense;
}

/* Fills a group with rows of V: those with the group's numbers, or, for columns of N, the rows of their
 * pivots, from which the columns are solved. */
static void load_group(const struct batch *batch, size_t group)
{
    const struct sower_reflectors *reflectors = &batch->factors->reflectors;
    size_t rows = reflectors->tile->rows;
    double *values = group_values(batch, group);
    size_t first = group_first(batch, group);
    memset(values + first * rows, 0, (group_size(batch->factors) - first * rows) * sizeof *values);
    for (size_t r = 0; r < rows && group_row(batch, group) + r < batch->end; r++) {
        size_t row = group_row(batch, group) + r + (batch->of_vectors ? 0 : dense_rows(batch->factors));
        size_t own = row < dense_rows(batch->factors) ? 0 : row - dense_rows(batch->factors);
        sower_reflectors_row(reflectors, row, own, reflectors->count - own, values + own * rows + r, rows);
    }
}

/* Rounds a group to f32 if its product is in f32. */
static void finish_group(const struct batch *batch, size_t group)
{
    if (batch->singles) {
        size_t first = group_first(batch, group) * batch->factors->reflectors.tile->rows;
        const double *values = group_values(batch, group);
        float *singles = group_singles(batch, group);
        for (size_t i = first; i < group_size(batch->factors); i++) {
            singles[i] = (float)values[i];
        }
    }
}

/* Makes a group of rows of V. */
static void make_group_of_vectors(void *work, size_t group)
{
    load_group(work, group);
    finish_group(work, group);
}

/* Adds `depth` steps, starting with l, to the tile of a group in a panel. */
static void add_some_steps(const struct batch *batch, size_t group, const struct sower_panels *panels,
                           size_t panel, size_t l, size_t depth, double *sums)
{
    const struct sower_tile *tile = batch->factors->reflectors.tile;
    const void *right = sower_panels_row(panels, panel, l);
    if (panels->single) {
        const float *left = group_singles(batch, group) + l * tile->rows;
        tile->add_single(depth, left, tile->rows, right, sums);
    } else {
        const double *left = group_values(batch, group) + l * tile->rows;
        tile->add(depth, left, tile->rows, right, sums);
    }
}

/* Adds the steps l = 0 … last − 1, without those that are zero, to the tiles of groups begin … end − 1
 * in one panel. Goes block by block, so that a block of the panel stays in the caches for all groups. */
static void add_steps(const struct batch *batch, size_t begin, size_t end, const struct sower_panels *panels,
                      size_t panel, size_t last, double (*sums)[SOWER_TILE_MAX])
{
    size_t start = sower_panels_first(panels, panel);
    for (size_t l = larger(start, group_first(batch, begin)) / BLOCK * BLOCK; l < last; l += BLOCK) {
        size_t stop = smaller(l + BLOCK, last);
        for (size_t group = begin; group < end; group++) {
            size_t from = larger(larger(l, start), group_first(batch, group));
            if (from < stop) {
                add_some_steps(batch, group, panels, panel, from, stop - from, sums[group - begin]);
            }
        }
    }
}

/* Sets the tile of one panel before the first step: the rows of V. */
static void start_triangle(const struct batch *batch, size_t group, size_t panel, double *sums)
{
    const struct sower_tile *tile = batch->factors->reflectors.tile;
    const double *values = group_values(batch, group);
    for (size_t j = 0; j < tile->columns; j++) {
        size_t l = panel * tile->columns + j;
        bool zero = l < group_first(batch, group);
        for (size_t r = 0; r < tile->rows; r++) {
            sums[r * tile->columns + j] = zero ? 0 : values[l * tile->rows + r];
        }
    }
}

/* Solves the triangle of one panel, after the steps before it: value by value, because each value is
 * needed for the later ones. */
static void solve_triangle(const struct batch *batch, size_t group, size_t panel, double *sums)
{
    const struct sower_reflectors *reflectors = &batch->factors->reflectors;
    const struct sower_tile *tile = reflectors->tile;
    double *values = group_values(batch, group);
    size_t first = panel * tile->columns;
    for (size_t l = larger(first, group_first(batch, group)); l < first + tile->columns; l++) {
        double *value = values + l * tile->rows;
        for (size_t r = 0; r < tile->rows; r++) {
            value[r] = reflectors->scales[l] * sums[r * tile->columns + l - first];
        }
        tile->add(1, value, tile->rows, sower_panels_row(&reflectors->gram, panel, l), sums);
    }
}

/* Turns a few groups of pivot rows of V into columns of N. */
static void solve_groups(void *work, size_t index)
{
    struct batch *batch = work;
    const struct sower_reflectors *reflectors = &batch->factors->reflectors;
    const struct sower_tile *tile = reflectors->tile;
    size_t begin = index * SOLVE_GROUPS;
    size_t end = smaller(begin + SOLVE_GROUPS, batch->groups);
    double sums[SOLVE_GROUPS][SOWER_TILE_MAX];
    for (size_t group = begin; group < end; group++) {
        load_group(batch, group);
    }
    size_t panels = sower_panels_count(&reflectors->gram);
    for (size_t panel = group_first(batch, begin) / tile->columns; panel < panels; panel++) {
        size_t first = panel * tile->columns;
        for (size_t group = begin; group < end; group++) {
            start_triangle(batch, group, panel, sums[group - begin]);
        }
        add_steps(batch, begin, end, &reflectors->gram, panel, first, sums);
        for (size_t group = begin; group < end; group++) {
            solve_triangle(batch, group, panel, sums[group - begin]);
        }
    }
    for (size_t group = begin; group < end; group++) {
        finish_group(batch, group);
    }
}

/* A rectangle of Q, computed one batch of rows at a time. */
struct product {
    struct batch batch;
    const struct sower_panels *panels;
    size_t column;
    size_t column_end;
    double gain;
    double *values; /* of the batch's first row and the rectangle's first column */
};

/* Sets the tile before the first step: δ. */
static void start_tile(const struct product *product, size_t group, size_t panel, double *sums)
{
    const struct sower_orthogonal *factors = product->batch.factors;
    size_t width = product->panels->width;
    size_t first = panel * width;
    memset(sums, 0, factors->reflectors.tile->rows * width * sizeof *sums);
    for (size_t r = 0; r < factors->reflectors.tile->rows; r++) {
        size_t row = group_row(&product->batch, group) + r;
        /* Rows of a tall matrix above the first pivot have no pivot: the difference wraps to more than
         * any column. */
        size_t pivot = factors->tall ? row - dense_rows(factors) : row + dense_rows(factors);
        if (pivot >= first && pivot - first < width) {
            sums[r * width + pivot - first] = 1;
        }
    }
}

/* Writes the part of a finished tile that lies in the rectangle. */
static void write_tile(const struct product *product, size_t group, size_t panel, const double *sums)
{
    const struct sower_orthogonal *factors = product->batch.factors;
    const double *signs = factors->reflectors.signs;
    size_t width = product->panels->width;
    size_t first = panel * width;
    size_t begin = larger(first, product->column);
    size_t end = smaller(first + width, product->column_end);
    for (size_t r = 0; r < factors->reflectors.tile->rows; r++) {
        size_t row = group_row(&product->batch, group) + r;
        if (row >= product->batch.end) {
            return;
        }
        double *values =
            product->values + (row - product->batch.row) * (product->column_end - product->column);
        for (size_t column = begin; column < end; column++) {
            double factor = signs[factors->tall ? column : row] * product->gain;
            values[column - product->column] = sums[r * width + column - first] * factor;
        }
    }
}

static size_t divide_up(size_t count, size_t size)
{
    return count / size + (count % size != 0);
}

/* Multiplies some groups by some panels. */
static void multiply(void *work, size_t index)
{
    const struct product *product = work;
    const struct batch *batch = &product->batch;
    size_t width = product->panels->width;
    size_t blocks = divide_up(batch->groups, PRODUCT_GROUPS);
    size_t begin = index % blocks * PRODUCT_GROUPS;
    size_t end = smaller(begin + PRODUCT_GROUPS, batch->groups);
    size_t first = product->column / width + index / blocks * PRODUCT_PANELS;
    size_t last = smaller(first + PRODUCT_PANELS, divide_up(product->column_end, width));
    double sums[PRODUCT_GROUPS][SOWER_TILE_MAX];
    for (size_t panel = first; panel < last; panel++) {
        for (size_t group = begin; group < end; group++) {
            start_tile(product, group, panel, sums[group - begin]);
        }
        add_steps(batch, begin, end, product->panels, panel, product->panels->depth, sums);
        for (size_t group = begin; group < end; group++) {
            write_tile(product, group, panel, sums[group - begin]);
        }
    }
}

/* The number of groups in one batch, for `rows` rows in total. */
static size_t batch_groups(const struct sower_orthogonal *factors, size_t rows)
{
    size_t groups = SCRATCH_BYTES / sizeof(double) / group_size(factors);
    return larger(1, smaller(groups, divide_up(rows, factors->reflectors.tile->rows)));
}

/* Stores a solved group in N, as a right operand. */
static void keep_group(void *work, size_t group)
{
    const struct product *product = work;
    const struct batch *batch = &product->batch;
    const struct sower_panels *solved = product->panels;
    size_t rows = batch->factors->reflectors.tile->rows;
    size_t row = group_row(batch, group);
    for (size_t l = row; l < solved->depth; l++) {
        void *target = sower_panels_row(solved, row / solved->width, l);
        for (size_t r = 0; r < rows; r++) {
            double value = group_values(batch, group)[l * rows + r];
            sower_panels_put(solved->single, target, row % solved->width + r, value);
        }
    }
}

static uint64_t batch_size(const struct sower_orthogonal *factors, size_t groups)
{
    return (uint64_t)groups * group_size(factors) * sizeof(double);
}

/* Computes all of N, for a tall matrix. */
static bool solve_all(struct sower_orthogonal *factors, const struct sower_parallel *parallel)
{
    size_t count = factors->reflectors.count;
    size_t rows = factors->reflectors.tile->rows;
    size_t groups = batch_groups(factors, count);
    struct product product = {.panels = &factors->solved};
    struct batch *batch = &product.batch;
    *batch = (struct batch){.factors = factors, .end = count};
    uint64_t size = batch_size(factors, groups);
    batch->values = sower_panels_buffer(size);
    bool ok = batch->values && sower_panels_allocate(&factors->solved);
    if (ok) {
        memset(factors->solved.values, 0, (size_t)sower_panels_size(&factors->solved));
    }
    for (; ok && batch->row < count; batch->row += groups * rows) {
        batch->groups = smaller(groups, divide_up(count - batch->row, rows));
        sower_parallel_run(parallel, solve_groups, batch, divide_up(batch->groups, SOLVE_GROUPS));
        sower_parallel_run(parallel, keep_group, &product, batch->groups);
    }
    sower_panels_buffer_free(batch->values, size);
    return ok;
}

static void shape_factors(struct sower_orthogonal *factors, size_t rows, size_t columns, bool single)
{
    size_t length = larger(rows, columns), count = smaller(rows, columns);
    *factors = (struct sower_orthogonal){.tall = rows > columns};
    sower_reflectors_shape(&factors->reflectors, sower_tile(), length, count, !factors->tall, single);
    factors->solved = (struct sower_panels){
        .width = factors->reflectors.vectors.width,
        .single = single,
        .depth = count,
        .columns = count,
    };
}

static bool shape_possible(uint64_t rows, uint64_t columns)
{
    return rows <= SIZE_MAX && columns <= SIZE_MAX && (columns == 0 || rows <= elements_max / columns);
}

uint64_t sower_orthogonal_memory(uint64_t rows, uint64_t columns, enum sower_dtype dtype)
{
    struct sower_orthogonal factors;
    if (!shape_possible(rows, columns)) {
        return UINT64_MAX;
    }
    shape_factors(&factors, (size_t)rows, (size_t)columns, dtype != SOWER_F64);
    if (factors.tall) {
        return sower_panels_size(&factors.solved);
    }
    return sower_panels_size(&factors.reflectors.vectors) + sower_panels_size(&factors.reflectors.gram);
}

uint64_t sower_orthogonal_scratch(uint64_t rows, uint64_t columns, enum sower_dtype dtype)
{
    struct sower_orthogonal factors;
    if (!shape_possible(rows, columns)) {
        return UINT64_MAX;
    }
    shape_factors(&factors, (size_t)rows, (size_t)columns, dtype != SOWER_F64);
    uint64_t drawing = sower_reflectors_scratch(&factors.reflectors);
    if (!factors.tall) {
        return drawing;
    }
    uint64_t solving = batch_size(&factors, batch_groups(&factors, factors.reflectors.count));
    return sower_panels_size(&factors.reflectors.gram) + (drawing > solving ? drawing : solving);
}

uint64_t sower_orthogonal_read_scratch(uint64_t rows, uint64_t columns, enum sower_dtype dtype,
                                       uint64_t row_count)
{
    struct sower_orthogonal factors;
    bool single = dtype != SOWER_F64;
    if (!shape_possible(rows, columns)) {
        return UINT64_MAX;
    }
    shape_factors(&factors, (size_t)rows, (size_t)columns, single);
    uint64_t doubles = batch_size(&factors, batch_groups(&factors, (size_t)row_count));
    return single ? doubles + doubles / 2 : doubles;
}

struct sower_orthogonal *sower_orthogonal_prepare(const struct sower_seed *seed, uint64_t first_word,
                                                  uint64_t rows, uint64_t columns, enum sower_dtype dtype,
                                                  const struct sower_parallel *parallel)
{
    if (!shape_possible(rows, columns)) {
        return NULL;
    }
    struct sower_orthogonal *factors = malloc(sizeof *factors);
    if (!factors) {
        return NULL;
    }
    shape_factors(factors, (size_t)rows, (size_t)columns, dtype != SOWER_F64);
    bool ok =
        rows == 0 || columns == 0 || sower_reflectors_draw(&factors->reflectors, seed, first_word, parallel);
    if (ok && rows > 0 && factors->tall) {
        ok = columns == 0 || solve_all(factors, parallel);
        sower_panels_free(&factors->reflectors.gram);
    }
    if (!ok) {
        sower_orthogonal_free(factors);
        return NULL;
    }
    return factors;
}

bool sower_orthogonal_read(const struct sower_orthogonal *factors, double gain, uint64_t row,
                           uint64_t row_count, uint64_t column, uint64_t column_count,
                           const struct sower_parallel *parallel, double *values)
{
    if (row_count == 0 || column_count == 0) {
        return true;
    }
    size_t groups = batch_groups(factors, (size_t)row_count);
    size_t rows = factors->reflectors.tile->rows;
    struct product product = {
        .batch = {.factors = factors, .of_vectors = factors->tall, .row = (size_t)row},
        .panels = factors->tall ? &factors->solved : &factors->reflectors.vectors,
        .column = (size_t)column,
        .column_end = (size_t)(column + column_count),
        .gain = gain,
        .values = values,
    };
    struct batch *batch = &product.batch;
    batch->end = (size_t)(row + row_count);
    uint64_t numbers = (uint64_t)groups * group_size(factors);
    bool single = factors->reflectors.single;
    batch->values = sower_panels_buffer(numbers * sizeof(double));
    batch->singles = single ? sower_panels_buffer(numbers * sizeof(float)) : NULL;
    bool ok = batch->values && (!single || batch->singles);
    size_t stripes = divide_up(divide_up(product.column_end, product.panels->width) -
                                   product.column / product.panels->width,
                               PRODUCT_PANELS);
    for (; ok && batch->row < batch->end; batch->row += groups * rows) {
        batch->groups = smaller(groups, divide_up(batch->end - batch->row, rows));
        if (factors->tall) {
            sower_parallel_run(parallel, make_group_of_vectors, batch, batch->groups);
        } else {
            sower_parallel_run(parallel, solve_groups, batch, divide_up(batch->groups, SOLVE_GROUPS));
        }
        product.values = values + (batch->row - row) * column_count;
        sower_parallel_run(parallel, multiply, &product, divide_up(batch->groups, PRODUCT_GROUPS) * stripes);
    }
    sower_panels_buffer_free(batch->values, numbers * sizeof(double));
    sower_panels_buffer_free(batch->singles, numbers * sizeof(float));
    return ok;
}

void sower_orthogonal_free(struct sower_orthogonal *factors)
{
    if (factors) {
        sower_reflectors_free(&factors->reflectors);
        sower_panels_free(&factors->solved);
        free(factors);
    }
}
