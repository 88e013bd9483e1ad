/* Sparse: a fixed number of zeros in every column, at random positions.
 *
 * Each element (i, j) has a 64-bit key from a second stream (seed: H(key: the tensor's seed, message:
 * empty, personal: "sower.sparse")). The key is the word at index i · W + j, where W is the number of
 * columns rounded up to a multiple of 8. In each column, ordered by (key, i), the first ⌈sparsity ·
 * rows⌉ elements are zero. So the zeros of a column are a uniformly random subset of exact size,
 * independent of the values. Preparing finds the last of these pairs in each column and keeps it as the
 * column's threshold. */
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/initializers/families.h"
#include "core/kernel.h"
#include "core/stream.h"
#include "core/structure.h"

enum { KEYS_PER_BLOCK = SOWER_STREAM_BLOCK_SIZE / 8 };

/* Columns whose thresholds are found together, because the stream is fastest several blocks at a time. */
enum { PANEL_BLOCKS = 8, PANEL = PANEL_BLOCKS * KEYS_PER_BLOCK };

/* With this many rows, each thread that prepares uses about 16 MiB. */
enum { ROWS_MAX = 1 << 22 };

/* Keys that one core can make and process twice in one second. */
static const double KEYS_PER_SECOND = 1e8;

/* An element is zero when its key is less than `key`, or equal to `key` with a row less than `row`. */
struct threshold {
    uint64_t key, row;
};

struct factors {
    struct sower_seed seed;        /* of the keys */
    struct threshold thresholds[]; /* one for each column */
};

static uint64_t blocks_per_row(const struct sower_plan *plan)
{
    return (plan->shape.sizes[1] + KEYS_PER_BLOCK - 1) / KEYS_PER_BLOCK;
}

static uint64_t zeros_per_column(const struct sower_plan *plan)
{
    return (uint64_t)ceil(plan->values[0] * (double)plan->shape.sizes[0]);
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
    const struct sower_plan *plan;
    struct factors *factors;
    _Atomic bool failed; /* memory ran out */
};

/* Finds the pair (key, row) with a given rank in each column of a panel. The first pass counts the
 * highest bytes of the keys; the counts give the highest byte of the pair. The second pass gathers the
 * pairs with this byte, which are then sorted. The keys are made twice, because keeping them would take
 * too much memory. */
struct panel {
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
    uint64_t rows = plan->shape.sizes[0], columns = plan->shape.sizes[1];
    if (rows == 0 || columns == 0) {
        return (struct sower_cost){0};
    }
    struct sower_cost cost = {.memory = sizeof(struct factors) + columns * sizeof(struct threshold)};
    if (zeros_per_column(plan) > 0) {
        /* About one in 256 of a panel's pairs is gathered. */
        cost.scratch_per_thread = sizeof(struct panel) + PANEL * (rows / 256 + 16) * sizeof(struct threshold);
        cost.seconds = (double)(rows * blocks_per_row(plan) * KEYS_PER_BLOCK) / KEYS_PER_SECOND;
    }
    return cost;
}

static void make_keys(const struct preparation *preparation, const struct panel *panel, uint64_t row,
                      uint8_t keys[PANEL * 8])
{
    sower_stream_blocks(&preparation->factors->seed, row * blocks_per_row(preparation->plan) + panel->block,
                        panel->blocks, keys);
}

static void count_keys(const struct preparation *preparation, struct panel *panel)
{
    uint8_t keys[PANEL * 8];
    for (uint64_t row = 0; row < preparation->plan->shape.sizes[0]; row++) {
        make_keys(preparation, panel, row, keys);
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
    for (uint64_t row = 0; row < preparation->plan->shape.sizes[0]; row++) {
        make_keys(preparation, panel, row, keys);
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

static void store_thresholds(struct factors *factors, struct panel *panel)
{
    for (size_t i = 0; i < panel->count; i++) {
        qsort(panel->columns[i].pairs, panel->columns[i].gathered, sizeof(struct threshold), compare_pairs);
        struct threshold last = panel->columns[i].pairs[panel->columns[i].rank];
        factors->thresholds[panel->block * KEYS_PER_BLOCK + i] = (struct threshold){last.key, last.row + 1};
    }
}

/* A task: finds the thresholds of the columns of one panel. */
static void select_panel(void *work, size_t index)
{
    struct preparation *preparation = work;
    const struct sower_plan *plan = preparation->plan;
    struct threshold *pairs = NULL;
    struct panel *panel = calloc(1, sizeof *panel);
    if (panel == NULL) {
        atomic_store(&preparation->failed, true);
        return;
    }
    panel->block = (uint64_t)index * PANEL_BLOCKS;
    uint64_t blocks = blocks_per_row(plan) - panel->block;
    uint64_t columns = plan->shape.sizes[1] - panel->block * KEYS_PER_BLOCK;
    panel->blocks = blocks < PANEL_BLOCKS ? (size_t)blocks : PANEL_BLOCKS;
    panel->count = columns < PANEL ? (size_t)columns : PANEL;
    count_keys(preparation, panel);
    pairs = malloc(choose_bytes(panel, zeros_per_column(plan) - 1) * sizeof *pairs);
    if (pairs == NULL) {
        atomic_store(&preparation->failed, true);
        goto out;
    }
    gather_pairs(preparation, panel, pairs);
    store_thresholds(preparation->factors, panel);
out:
    free(pairs);
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
    struct preparation preparation = {.plan = plan, .factors = factors};
    if (zeros_per_column(plan) > 0) {
        sower_parallel_run(parallel, select_panel, &preparation,
                           (size_t)((blocks_per_row(plan) + PANEL_BLOCKS - 1) / PANEL_BLOCKS));
    }
    if (atomic_load(&preparation.failed)) {
        free(factors);
        return NULL;
    }
    return factors;
}

/* Writes the zeros of columns column … column + count − 1 of a row to `elements`, which already have the
 * values. */
static void put_zeros(const struct sower_source *source, uint64_t row, uint64_t column, uint64_t count,
                      uint8_t *elements)
{
    const struct factors *factors = source->factors;
    const size_t size = sower_dtype_size(source->plan.dtype);
    uint8_t keys[64][SOWER_STREAM_BLOCK_SIZE];
    uint64_t end = column + count;
    while (column < end) {
        uint64_t block = column / KEYS_PER_BLOCK, last = (end - 1) / KEYS_PER_BLOCK;
        size_t blocks = last - block < 64 ? (size_t)(last - block + 1) : 64;
        sower_stream_blocks(&factors->seed, row * blocks_per_row(&source->plan) + block, blocks, keys[0]);
        uint64_t stop = (block + blocks) * KEYS_PER_BLOCK < end ? (block + blocks) * KEYS_PER_BLOCK : end;
        for (; column < stop; column++, elements += size) {
            uint64_t key = key_at(keys[column / KEYS_PER_BLOCK - block] + column % KEYS_PER_BLOCK * 8);
            struct threshold threshold = factors->thresholds[column];
            if (key < threshold.key || (key == threshold.key && row < threshold.row)) {
                memset(elements, 0, size);
            }
        }
    }
}

static bool sparse_read(const struct sower_source *source, const struct sower_runs *runs, void *elements)
{
    const struct sower_plan *plan = &source->plan;
    const uint64_t columns = plan->shape.sizes[1];
    uint8_t *at = elements;
    sower_kernel()->fill_runs(&plan->law, plan->dtype, &source->seed, runs, elements);
    for (uint64_t run = 0; run < runs->count; run++) {
        uint64_t index = runs->first + run * runs->stride, end = index + runs->length;
        while (index < end) {
            uint64_t in_row = columns - index % columns;
            uint64_t count = in_row < end - index ? in_row : end - index;
            put_zeros(source, index / columns, index % columns, count, at);
            at += count * sower_dtype_size(plan->dtype);
            index += count;
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

static bool resolve_sparse(const double *values, struct sower_plan *plan, struct sower_problem *problem)
{
    if (plan->shape.sizes[0] > ROWS_MAX && plan->shape.sizes[1] > 0) {
        return sower_problem_set(problem, SOWER_PROBLEM_TOO_LARGE, "shape",
                                 "sparse takes at most %d rows; this tensor has %llu.", ROWS_MAX,
                                 (unsigned long long)plan->shape.sizes[0]);
    }
    struct sower_shape keys = {.rank = 2,
                               .sizes = {plan->shape.sizes[0], blocks_per_row(plan) * KEYS_PER_BLOCK}};
    if (!sower_shape_check(&keys, SOWER_F64, problem) || !sower_plan_normal(plan, 0, values[1], problem)) {
        return false;
    }
    plan->structure = &SPARSE;
    double rows = (double)plan->shape.sizes[0];
    sower_plan_mix_with_zeros(plan, (rows - (double)zeros_per_column(plan)) / rows);
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
