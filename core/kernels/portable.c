/* The reference kernel: one word after the other, from libsodium's stream. */
#include "core/kernels/kernels.h"

#include <string.h>

#include "core/stream.h"

enum { CHUNK_BLOCKS = 16, CHUNK_SIZE = CHUNK_BLOCKS * SOWER_STREAM_BLOCK_SIZE };

static uint32_t load_word32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static uint64_t load_word64(const uint8_t *bytes)
{
    return (uint64_t)load_word32(bytes) | (uint64_t)load_word32(bytes + 4) << 32;
}

static void store_elements(const struct sower_law *law, enum sower_dtype dtype, const uint8_t *words,
                           size_t count, uint8_t *elements)
{
    if (dtype == SOWER_F64) {
        for (size_t i = 0; i < count; i++) {
            double value = sower_law_f64(law, load_word64(words + 8 * i));
            memcpy(elements + 8 * i, &value, sizeof value);
        }
        return;
    }
    size_t size = sower_dtype_size(dtype);
    for (size_t i = 0; i < count; i++) {
        sower_dtype_store(dtype, sower_law_f32(law, load_word32(words + 4 * i)), elements + size * i);
    }
}

static void fill_run(const struct sower_law *law, enum sower_dtype dtype, const struct sower_seed *seed,
                     uint64_t first, uint64_t count, uint8_t *elements)
{
    uint8_t words[CHUNK_SIZE];
    size_t word_size = sower_dtype_word_size(dtype);
    uint64_t per_block = SOWER_STREAM_BLOCK_SIZE / word_size;
    while (count > 0) {
        uint64_t skipped = first % per_block;
        uint64_t taken = CHUNK_BLOCKS * per_block - skipped;
        taken = taken < count ? taken : count;
        sower_stream_blocks(seed, first / per_block, (size_t)((skipped + taken + per_block - 1) / per_block),
                            words);
        store_elements(law, dtype, words + skipped * word_size, (size_t)taken, elements);
        first += taken;
        count -= taken;
        elements += taken * sower_dtype_size(dtype);
    }
}

void sower_fill_constant(const struct sower_law *law, enum sower_dtype dtype, uint64_t count, void *elements)
{
    enum { COPY_SIZE_MAX = 2048 }; /* small enough to stay in the first-level cache */
    size_t left = (size_t)count * sower_dtype_size(dtype);
    uint8_t *destination = elements;
    if (count == 0) {
        return;
    }
    if (dtype == SOWER_F64) {
        memcpy(destination, &law->shift64, sizeof law->shift64);
    } else {
        sower_dtype_store(dtype, law->shift, destination);
    }
    /* Copies the filled part to the end of itself, so that it doubles each time. */
    size_t filled = sower_dtype_size(dtype);
    left -= filled;
    while (left > 0) {
        size_t copied = filled < COPY_SIZE_MAX ? filled : COPY_SIZE_MAX;
        copied = copied < left ? copied : left;
        memcpy(destination + filled, destination, copied);
        filled += copied;
        left -= copied;
    }
}

static void fill_runs(const struct sower_law *law, enum sower_dtype dtype, const struct sower_seed *seed,
                      const struct sower_runs *runs, void *elements)
{
    if (sower_law_kind(law, dtype) == SOWER_LAW_CONSTANT) {
        sower_fill_constant(law, dtype, runs->length * runs->count, elements);
        return;
    }
    uint8_t *destination = elements;
    for (uint64_t i = 0; i < runs->count; i++) {
        fill_run(law, dtype, seed, runs->first + i * runs->stride, runs->length, destination);
        destination += runs->length * sower_dtype_size(dtype);
    }
}

static void map(const struct sower_law *law, const uint32_t *words, size_t count, float *values)
{
    for (size_t i = 0; i < count; i++) {
        values[i] = sower_law_f32(law, words[i]);
    }
}

static bool supported(void)
{
    return true;
}

const struct sower_kernel sower_kernel_portable = {
    .name = "portable",
    .supported = supported,
    .fill_runs = fill_runs,
    .map = map,
};
