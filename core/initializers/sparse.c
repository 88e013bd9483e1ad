/* Sparse: a fixed number of zeros in every column, at random positions.
 *
 * A batch entry has two axes: the columns of layout oi are the in axis, those of io the out axis, and the other
 * axis is the rows. Each element (i, j) of entry e has a 64-bit key from a second stream (seed: H(key: the
 * tensor's seed, message: empty, personal: "sower.sparse")). The key is the word at index (e · rows + i) · W + j,
 * where W is the number of columns rounded up to a multiple of 8. In each column, ordered by (key, i), the first
 * ⌈sparsity · rows⌉ elements are zero. So the zeros of a column are a uniformly random subset of exact size,
 * independent of the values and of all other columns. Preparing finds the last of these pairs in each column
 * and keeps it as the column's threshold. */
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/initializers/families.h"
#include "core/kernel.h"
#include "core/stream.h"
#include "core/structure.h"
#include "core/view.h"

enum { KEYS_PER_BLOCK = SOWER_STREAM_BLOCK_SIZE / 8 };

/* Columns whose thresholds are found together, because the stream is fastest several blocks at a time. */
enum { PANEL_BLOCKS = 8, PANEL = PANEL_BLOCKS * KEYS_PER_BLOCK };

/* With this many rows, each thread that prepares uses about 16 MiB. */
enum { ROWS_MAX = 1 << 22 };

/* Keys that one core can make and process twice in one second, and the panels that it can begin and end. */
static const double KEYS_PER_SECOND = 1e8, PANELS_PER_SECOND = 1e6;

/* Panels of one task. */
enum { TASK_PANELS = 64 };

/* An element is zero when its key is less than `key`, or equal to `key` with a row less than `row`. */
struct threshold {
    uint64_t key, row;
};

struct factors {
    struct sower_seed seed;        /* of the keys */
    struct threshold thresholds[]; /* one for each column of each entry */
};

/* The sizes of a batch and of the matrices in it. */
struct matrices {
    uint64_t entries, rows, columns;
};

enum { ENTRIES, ROWS, COLUMNS }; /* the groups of a view */

static void group_axes(const struct sower_plan *plan, sower_axes groups[SOWER_GROUP_COUNT])
{
    bool io = plan->layout.order == SOWER_LAYOUT_IO;
    groups[ENTRIES] = plan->layout.batch_axes;
    groups[io ? COLUMNS : ROWS] = sower_layout_out_axes(&plan->layout, plan->shape.rank);
    groups[io ? ROWS : COLUMNS] = sower_layout_in_axes(&plan->layout, plan->shape.rank);
}

/* All zero for a shape without elements. */
static struct matrices matrices_of(const struct sower_plan *plan)
{
    sower_axes groups[SOWER_GROUP_COUNT] = {0};
    if (sower_shape_count(&plan->shape) == 0) {
        return (struct matrices){0};
    }
    group_axes(plan, groups);
    const struct sower_view view = sower_view_make(&plan->shape, groups);
    return (struct matrices){view.sizes[ENTRIES], view.sizes[ROWS], view.sizes[COLUMNS]};
}

static uint64_t blocks_per_row(const struct matrices *matrices)
{
    return (matrices->columns + KEYS_PER_BLOCK - 1) / KEYS_PER_BLOCK;
}

static uint64_t panels_per_entry(const struct matrices *matrices)
{
    return (blocks_per_row(matrices) + PANEL_BLOCKS - 1) / PANEL_BLOCKS;
}

static uint64_t zeros_per_column(const struct sower_plan *plan, const struct matrices *matrices)
{
    return (uint64_t)ceil(plan->values[0] * (double)matrices->rows);
}

static uint64_t key_at(const uint8_t *bytes)
{
    uint64_t key = 0;
    for (size_t i = 8; i-- > 0;) {
        key = key << 8 | bytes[i];
    }
    return key;
}

/* The state of a preparation, which its tasks share. */
struct preparation {
    struct matrices matrices;
    uint64_t zeros; /* of each column, at least 1 */
    struct factors *factors;
    _Atomic bool failed; /* memory ran out */
};

/* Finds the pair (key, row) with a given rank in each column of a panel. The first pass counts the
 * highest bytes of the keys; the counts give the highest byte of the pair. The second pass gathers the
 * pairs with this byte, which are then sorted. The keys are made twice, because keeping them would take
 * too much memory. */
struct panel {
    uint64_t entry;
    uint64_t block; /* the first block of each row of keys */
    size_t blocks;
    size_t count; /* of columns */
    uint32_t counts[PANEL][256];
    struct {
        uint64_t byte;           /* the highest byte of the pair's key */
        size_t rank;             /* of the pair among those with that byte, from 0 */
        struct threshold *pairs; /* the pairs with that byte */
        size_t gathered;         /* how many there are so far */
    } columns[PANEL];
};

static struct sower_cost sparse_cost(const struct sower_plan *plan)
{
    const struct matrices matrices = matrices_of(plan);
    if (matrices.rows == 0) {
        return (struct sower_cost){0};
    }
    struct sower_cost cost = {.memory = sizeof(struct factors) +
                                        matrices.entries * matrices.columns * sizeof(struct threshold)};
    if (zeros_per_column(plan, &matrices) > 0) {
        /* About one in 256 of a panel's pairs is gathered. */
        cost.scratch_per_thread =
            sizeof(struct panel) + PANEL * (matrices.rows / 256 + 16) * sizeof(struct threshold);
        double keys = (double)(matrices.entries * matrices.rows * blocks_per_row(&matrices) * KEYS_PER_BLOCK);
        double panels = (double)(matrices.entries * panels_per_entry(&matrices));
        cost.seconds = keys / KEYS_PER_SECOND + panels / PANELS_PER_SECOND;
    }
    return cost;
}

/* Makes keys of neighbouring blocks of one row. */
static void make_keys(const struct factors *factors, const struct matrices *matrices, uint64_t entry,
                      uint64_t row, uint64_t block, size_t blocks, uint8_t *keys)
{
    uint64_t row_of_keys = entry * matrices->rows + row;
    sower_stream_blocks(&factors->seed, row_of_keys * blocks_per_row(matrices) + block, blocks, keys);
}

static void make_panel_keys(const struct preparation *preparation, const struct panel *panel, uint64_t row,
                            uint8_t keys[PANEL * 8])
{
    make_keys(preparation->factors, &preparation->matrices, panel->entry, row, panel->block, panel->blocks,
              keys);
}

static void count_keys(const struct preparation *preparation, struct panel *panel)
{
    uint8_t keys[PANEL * 8];
    for (uint64_t row = 0; row < preparation->matrices.rows; row++) {
        make_panel_keys(preparation, panel, row, keys);
        for (size_t i = 0; i < panel->count; i++) {
            panel->counts[i][keys[8 * i + 7]]++;
        }
    }
}

/* Finds the byte and the rank for each column. Returns the number of pairs to gather. */
static size_t choose_bytes(struct panel *panel, uint64_t rank)
{
    size_t total = 0;
    for (size_t i = 0; i < panel->count; i++) {
        uint64_t left = rank, byte = 0;
        while (left >= panel->counts[i][byte]) {
            left -= panel->counts[i][byte++];
        }
        panel->columns[i].byte = byte;
        panel->columns[i].rank = (size_t)left;
        total += panel->counts[i][byte];
    }
    return total;
}

static void gather_pairs(const struct preparation *preparation, struct panel *panel, struct threshold *pairs)
{
    uint8_t keys[PANEL * 8];
    for (size_t i = 0; i < panel->count; i++) {
        panel->columns[i].pairs = pairs;
        pairs += panel->counts[i][panel->columns[i].byte];
    }
    for (uint64_t row = 0; row < preparation->matrices.rows; row++) {
        make_panel_keys(preparation, panel, row, keys);
        for (size_t i = 0; i < panel->count; i++) {
            if (keys[8 * i + 7] == panel->columns[i].byte) {
                panel->columns[i].pairs[panel->columns[i].gathered++] =
                    (struct threshold){key_at(keys + 8 * i), row};
            }
        }
    }
}

static int compare_pairs(const void *one, const void *other)
{
    const struct threshold *a = one, *b = other;
    if (a->key != b->key) {
        return a->key < b->key ? -1 : 1;
    }
    return (a->row > b->row) - (a->row < b->row);
}

static void store_thresholds(const struct preparation *preparation, struct panel *panel)
{
    struct threshold *thresholds = preparation->factors->thresholds +
                                   panel->entry * preparation->matrices.columns +
                                   panel->block * KEYS_PER_BLOCK;
    for (size_t i = 0; i < panel->count; i++) {
        qsort(panel->columns[i].pairs, panel->columns[i].gathered, sizeof(struct threshold), compare_pairs);
        struct threshold last = panel->columns[i].pairs[panel->columns[i].rank];
        thresholds[i] = (struct threshold){last.key, last.row + 1};
    }
}

/* Sets the place of panel `number` of the tensor, and clears its counts. */
static void begin_panel(const struct matrices *matrices, uint64_t number, struct panel *panel)
{
    panel->entry = number / panels_per_entry(matrices);
    panel->block = number % panels_per_entry(matrices) * PANEL_BLOCKS;
    uint64_t blocks = blocks_per_row(matrices) - panel->block;
    uint64_t columns = matrices->columns - panel->block * KEYS_PER_BLOCK;
    panel->blocks = blocks < PANEL_BLOCKS ? (size_t)blocks : PANEL_BLOCKS;
    panel->count = columns < PANEL ? (size_t)columns : PANEL;
    memset(panel->counts, 0, panel->count * sizeof panel->counts[0]);
    memset(panel->columns, 0, panel->count * sizeof panel->columns[0]);
}

/* Finds the thresholds of the columns of one panel. False when memory runs out. */
static bool select_panel(const struct preparation *preparation, struct panel *panel)
{
    count_keys(preparation, panel);
    struct threshold *pairs = malloc(choose_bytes(panel, preparation->zeros - 1) * sizeof *pairs);
    if (pairs == NULL) {
        return false;
    }
    gather_pairs(preparation, panel, pairs);
    store_thresholds(preparation, panel);
    free(pairs);
    return true;
}

static uint64_t count_panels(const struct matrices *matrices)
{
    return matrices->entries * panels_per_entry(matrices);
}

/* A task: selects some neighbouring panels. */
static void select_panels(void *work, size_t index)
{
    struct preparation *preparation = work;
    uint64_t number = (uint64_t)index * TASK_PANELS, end = count_panels(&preparation->matrices);
    end = end - number < TASK_PANELS ? end : number + TASK_PANELS;
    struct panel *panel = malloc(sizeof *panel);
    bool good = panel != NULL;
    for (; good && number < end; number++) {
        begin_panel(&preparation->matrices, number, panel);
        good = select_panel(preparation, panel);
    }
    if (!good) {
        atomic_store(&preparation->failed, true);
    }
    free(panel);
}

static void *sparse_prepare(const struct sower_plan *plan, const struct sower_seed *seed,
                            const struct sower_parallel *parallel)
{
    /* If a column has no zeros, its threshold is (0, 0). */
    struct factors *factors = calloc(1, (size_t)sparse_cost(plan).memory);
    if (factors == NULL) {
        return NULL;
    }
    factors->seed = sower_seed_substream(seed, "sower.sparse");
    struct preparation preparation = {.matrices = matrices_of(plan), .factors = factors};
    preparation.zeros = zeros_per_column(plan, &preparation.matrices);
    if (preparation.zeros > 0) {
        uint64_t panels = count_panels(&preparation.matrices);
        sower_parallel_run(parallel, select_panels, &preparation,
                           (size_t)((panels + TASK_PANELS - 1) / TASK_PANELS));
    }
    if (atomic_load(&preparation.failed)) {
        free(factors);
        return NULL;
    }
    return factors;
}

/* Where a matrix element lies. */
struct element {
    uint64_t entry, row, column;
};

static bool is_zero(const struct factors *factors, const struct matrices *matrices, struct element at,
                    uint64_t key)
{
    struct threshold threshold = factors->thresholds[at.entry * matrices->columns + at.column];
    return key < threshold.key || (key == threshold.key && at.row < threshold.row);
}

/* Writes the zeros of `count` elements of one row to `elements`, which already have the values. */
static void put_zeros_of_row(const struct factors *factors, const struct matrices *matrices,
                             struct element at, uint64_t count, size_t size, uint8_t *elements)
{
    uint8_t keys[64][SOWER_STREAM_BLOCK_SIZE];
    uint64_t end = at.column + count;
    while (at.column < end) {
        uint64_t block = at.column / KEYS_PER_BLOCK, last = (end - 1) / KEYS_PER_BLOCK;
        size_t blocks = last - block < 64 ? (size_t)(last - block + 1) : 64;
        make_keys(factors, matrices, at.entry, at.row, block, blocks, keys[0]);
        uint64_t stop = (block + blocks) * KEYS_PER_BLOCK < end ? (block + blocks) * KEYS_PER_BLOCK : end;
        for (; at.column < stop; at.column++, elements += size) {
            uint64_t key = key_at(keys[at.column / KEYS_PER_BLOCK - block] + at.column % KEYS_PER_BLOCK * 8);
            if (is_zero(factors, matrices, at, key)) {
                memset(elements, 0, size);
            }
        }
    }
}

/* The same for neighbouring elements, which may lie in a row or across rows or entries. */
static void put_zeros(const struct sower_source *source, const struct matrices *matrices,
                      struct sower_steps steps, uint8_t *elements)
{
    const size_t size = sower_dtype_size(source->plan.dtype);
    uint64_t at_once = steps.moving == COLUMNS ? steps.count : 1;
    for (; steps.count > 0; steps.count -= at_once, steps.place[steps.moving]++, elements += size) {
        struct element at = {steps.place[ENTRIES], steps.place[ROWS], steps.place[COLUMNS]};
        put_zeros_of_row(source->factors, matrices, at, at_once, size, elements);
    }
}

static bool sparse_read(const struct sower_source *source, const struct sower_runs *runs, void *elements)
{
    const struct sower_plan *plan = &source->plan;
    const struct matrices matrices = matrices_of(plan);
    sower_axes groups[SOWER_GROUP_COUNT] = {0};
    group_axes(plan, groups);
    const struct sower_view view = sower_view_make(&plan->shape, groups);
    uint8_t *at = elements;
    sower_kernel()->fill_runs(&plan->law, plan->dtype, &source->seed, runs, elements);
    for (uint64_t run = 0; run < runs->count; run++) {
        uint64_t index = runs->first + run * runs->stride, end = index + runs->length;
        while (index < end) {
            struct sower_steps steps = sower_view_steps(&view, index, end - index);
            put_zeros(source, &matrices, steps, at);
            at += steps.count * sower_dtype_size(plan->dtype);
            index += steps.count;
        }
    }
    return true;
}

static const struct sower_structure SPARSE = {
    .cost = sparse_cost,
    .prepare = sparse_prepare,
    .release = free,
    .read = sparse_read,
};

/* Refuses a batch that needs more keys than a stream has, or matrices with too many rows. */
static bool check_sizes(const struct sower_plan *plan, struct sower_problem *problem)
{
    const struct matrices matrices = matrices_of(plan);
    if (matrices.rows > ROWS_MAX) {
        return sower_problem_set(problem, SOWER_PROBLEM_TOO_LARGE, "shape",
                                 "sparse takes at most %d rows; this tensor has %llu.", ROWS_MAX,
                                 (unsigned long long)matrices.rows);
    }
    struct sower_shape keys = {
        .rank = 3, .sizes = {matrices.entries, matrices.rows, blocks_per_row(&matrices) * KEYS_PER_BLOCK}};
    return sower_shape_check(&keys, SOWER_F64, problem);
}

static bool resolve_sparse(const double *values, struct sower_plan *plan, struct sower_problem *problem)
{
    if (!check_sizes(plan, problem) || !sower_plan_normal(plan, 0, values[1], problem)) {
        return false;
    }
    plan->structure = &SPARSE;
    const struct matrices matrices = matrices_of(plan);
    double rows = (double)matrices.rows;
    sower_plan_mix_with_zeros(plan, (rows - (double)zeros_per_column(plan, &matrices)) / rows);
    return true;
}

const struct sower_entry sower_entries_sparse[] = {
    {
        .name = "sparse",
        .summary = "Normal values with the same number of zeros in every column, at random positions.",
        .formula = "ceil(sparsity rows) zeros in each column; the other elements x ~ N(0, std^2)",
        .source = "Martens, 2010; torch.nn.init.sparse_",
        .example = "sparse(sparsity=0.9)",
        .rank_minimum = 2,
        .rank_maximum = 2,
        .parameters = {{.name = "sparsity",
                        .kind = SOWER_PARAMETER_REAL,
                        .required = true,
                        .maximum = 1,
                        .meaning = "the fraction of zeros in each column"},
                       SOWER_REAL("std", 0.01, 0, "the standard deviation of the other elements")},
        .resolve = resolve_sparse,
    },
    {.name = NULL},
};
