/* Sparse: in every column a fixed number of zeros at random places.
 *
 * Each element (i, j) has a 64-bit key, from a stream of its own (seed: H(key: the tensor's seed, message:
 * empty, personal: "sower.sparse")): the word at index i · W + j, W the number of columns rounded up to a
 * multiple of 8. Ordered by (key, i), the first ⌈sparsity · rows⌉ elements of a column are zero. So the
 * places of a column are a uniformly random subset, of exact size, and independent of the values. Which pair
 * is the last of them in each column is found once, and kept. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../kernel.h"
#include "../stream.h"
#include "../structure.h"
#include "families.h"

enum { KEYS_PER_BLOCK = SOWER_STREAM_BLOCK_SIZE / 8 };

/* Preparing holds 64 bytes for every row. */
enum { ROWS_MAX = 1 << 22 };

/* An element is zero when its key is below `key`, or equal to it in a row below `row`. */
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

/* Radix selection: the pair of rank `rank` (from 0) among a column's (key, row) pairs, `keys` being 64 bytes
 * apart. */
static struct threshold select_pair(const uint8_t *keys, uint64_t rows, uint64_t rank)
{
    uint64_t prefix = 0, mask = 0;
    for (unsigned shift = 64; shift > 0;) {
        shift -= 8;
        uint64_t counts[256] = {0};
        for (uint64_t row = 0; row < rows; row++) {
            uint64_t key = key_at(keys + row * SOWER_STREAM_BLOCK_SIZE);
            counts[key >> shift & 255] += (key & mask) == prefix;
        }
        uint64_t digit = 0;
        while (rank >= counts[digit]) {
            rank -= counts[digit++];
        }
        prefix |= digit << shift;
        mask |= UINT64_C(255) << shift;
    }
    uint64_t row = 0;
    for (;; row++) {
        if (key_at(keys + row * SOWER_STREAM_BLOCK_SIZE) == prefix && rank-- == 0) {
            return (struct threshold){.key = prefix, .row = row};
        }
    }
}

static struct sower_cost sparse_cost(const struct sower_plan *plan)
{
    uint64_t columns = plan->shape.sizes[1];
    if (plan->shape.sizes[0] == 0 || columns == 0) {
        return (struct sower_cost){0};
    }
    return (struct sower_cost){.memory = sizeof(struct factors) + columns * sizeof(struct threshold)};
}

/* The thresholds of the up to eight columns whose keys share a block. */
static void select_columns(const struct sower_plan *plan, uint64_t block, uint8_t *keys,
                           struct factors *factors)
{
    uint64_t rows = plan->shape.sizes[0], columns = plan->shape.sizes[1], zeros = zeros_per_column(plan);
    for (uint64_t row = 0; row < rows; row++) {
        sower_stream_blocks(&factors->seed, row * blocks_per_row(plan) + block, 1,
                            keys + row * SOWER_STREAM_BLOCK_SIZE);
    }
    for (uint64_t i = 0; i < KEYS_PER_BLOCK && block * KEYS_PER_BLOCK + i < columns; i++) {
        struct threshold threshold = {0};
        if (zeros > 0) {
            threshold = select_pair(keys + 8 * i, rows, zeros - 1);
            threshold.row++;
        }
        factors->thresholds[block * KEYS_PER_BLOCK + i] = threshold;
    }
}

static void *sparse_prepare(const struct sower_plan *plan, const struct sower_seed *seed,
                            const struct sower_parallel *parallel)
{
    (void)parallel; /* one pass over the keys: about what streaming the tensor takes */
    uint8_t *keys = malloc((size_t)plan->shape.sizes[0] * SOWER_STREAM_BLOCK_SIZE);
    struct factors *factors = malloc((size_t)sparse_cost(plan).memory);
    if (keys == NULL || factors == NULL) {
        free(factors);
        factors = NULL;
        goto out;
    }
    factors->seed = sower_seed_part(seed, "sower.sparse");
    for (uint64_t block = 0; block < blocks_per_row(plan); block++) {
        select_columns(plan, block, keys, factors);
    }
out:
    free(keys);
    return factors;
}

/* Puts the zeros of columns column … column + count − 1 of a row into `elements`, which hold the values
 * already. */
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
    if (plan->shape.sizes[0] > ROWS_MAX) {
        return sower_problem_set(problem, SOWER_PROBLEM_TOO_LARGE, "shape",
                                 "sparse takes at most %d rows, this tensor has %llu.", ROWS_MAX,
                                 (unsigned long long)plan->shape.sizes[0]);
    }
    if (!sower_plan_normal(plan, 0, values[1], problem)) {
        return false;
    }
    struct sower_shape keys = {.rank = 2,
                               .sizes = {plan->shape.sizes[0], blocks_per_row(plan) * KEYS_PER_BLOCK}};
    if (!sower_shape_check(&keys, SOWER_F64, problem)) {
        return false;
    }
    plan->structure = &SPARSE;
    double rows = (double)plan->shape.sizes[0];
    return sower_plan_mixture(plan, (rows - (double)zeros_per_column(plan)) / rows);
}

const struct sower_entry sower_entries_sparse[] = {
    {
        .name = "sparse",
        .summary = "Normal values with the same number of zeros in every column, at random places.",
        .formula = "ceil(sparsity rows) zeros in each column, the others x ~ N(0, std^2)",
        .source = "Martens, 2010; torch.nn.init.sparse_",
        .example = "sparse(sparsity=0.9)",
        .rank_minimum = 2,
        .rank_maximum = 2,
        .parameters = {{.name = "sparsity",
                        .kind = SOWER_PARAMETER_REAL,
                        .required = true,
                        .maximum = 1,
                        .meaning = "the share of zeros in a column"},
                       SOWER_REAL("std", 0.01, 0, "the standard deviation of the others")},
        .resolve = resolve_sparse,
    },
    {.name = NULL},
};
