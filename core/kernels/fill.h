/* The outer half of a vector kernel, the same for all: included once, at the end of a kernel's file, which
 * has defined
 *
 *   KERNEL        the attributes of its functions (the instruction set)
 *   LANES         blocks of a batch
 *   make_blocks   the blocks of a batch
 *   whole_batch   a batch of neighbouring whole blocks
 *   convert       blocks to elements; always inlined, so that each copy below has nothing left to decide */
#ifndef SOWER_CORE_KERNELS_FILL_H
#define SOWER_CORE_KERNELS_FILL_H

#include "core/kernels/batch.h"
#include "core/kernels/kernels.h"

KERNEL static inline __attribute__((always_inline)) void
convert_method(const struct sower_law *law, enum sower_method method, enum sower_dtype dtype,
               const uint32_t *words, const struct sower_batch *batch)
{
    switch (dtype) {
    case SOWER_F64:
        convert(law, method, SOWER_F64, words, batch);
        return;
    case SOWER_F16:
        convert(law, method, SOWER_F16, words, batch);
        return;
    case SOWER_BF16:
        convert(law, method, SOWER_BF16, words, batch);
        return;
    case SOWER_F8_E4M3:
        convert(law, method, SOWER_F8_E4M3, words, batch);
        return;
    case SOWER_F8_E5M2:
        convert(law, method, SOWER_F8_E5M2, words, batch);
        return;
    case SOWER_F32:
    case SOWER_DTYPE_COUNT:
        break;
    }
    convert(law, method, SOWER_F32, words, batch);
}

KERNEL static __attribute__((noinline)) void convert_any(const struct sower_law *law,
                                                         enum sower_method method, enum sower_dtype dtype,
                                                         const uint32_t *words,
                                                         const struct sower_batch *batch)
{
    switch (method) {
    case SOWER_METHOD_UNIFORM:
        convert_method(law, SOWER_METHOD_UNIFORM, dtype, words, batch);
        return;
    case SOWER_METHOD_UNIFORM_CLAMPED:
        convert_method(law, SOWER_METHOD_UNIFORM_CLAMPED, dtype, words, batch);
        return;
    case SOWER_METHOD_NORMAL:
        convert_method(law, SOWER_METHOD_NORMAL, dtype, words, batch);
        return;
    case SOWER_METHOD_TRUNCATED:
        convert_method(law, SOWER_METHOD_TRUNCATED, dtype, words, batch);
        return;
    }
}

KERNEL static bool next_batch(struct sower_walk *walk, struct sower_batch *batch)
{
    uint32_t block;
    uint8_t *elements;
    if (!sower_walk_whole(walk, LANES, &block, &elements)) {
        return sower_walk_next(walk, LANES, batch);
    }
    whole_batch(block, elements, (size_t)walk->element_size << walk->block_shift, batch);
    return true;
}

static void fill_runs(const struct sower_law *law, enum sower_dtype dtype, const struct sower_seed *seed,
                      const struct sower_runs *runs, void *elements)
{
    if (sower_law_kind(law, dtype) == SOWER_LAW_CONSTANT) {
        sower_fill_constant(law, dtype, runs->length * runs->count, elements);
        return;
    }
    _Alignas(64) uint32_t words[LANES * SOWER_BLOCK_WORDS];
    uint32_t state[16];
    struct sower_batch batch;
    enum sower_method method = sower_method(law, dtype);
    struct sower_walk walk = sower_walk_start(runs, dtype, elements);
    sower_chacha_state(seed, state);
    while (next_batch(&walk, &batch)) {
        make_blocks(state, batch.block, words);
        convert_any(law, method, dtype, words, &batch);
    }
}

static void map(const struct sower_law *law, const uint32_t *words, size_t count, float *values)
{
    if (law->kind == SOWER_LAW_CONSTANT) {
        sower_fill_constant(law, SOWER_F32, count, values);
        return;
    }
    _Alignas(64) uint32_t blocks[LANES * SOWER_BLOCK_WORDS];
    struct sower_batch batch;
    struct sower_runs run = {.first = 0, .length = count, .stride = count, .count = 1};
    struct sower_walk walk = sower_walk_start(&run, SOWER_F32, values);
    enum sower_method method = sower_method(law, SOWER_F32);
    while (next_batch(&walk, &batch)) {
        sower_batch_take(&batch, words, count, blocks);
        convert_any(law, method, SOWER_F32, blocks, &batch);
    }
}

#endif
