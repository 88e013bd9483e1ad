#include "core/kernels/batch.h"

#include <float.h>
#include <string.h>

#include "core/stream.h"

struct sower_run_cursor sower_run_cursor_start(const struct sower_runs *runs, enum sower_dtype dtype,
                                               void *elements)
{
    return (struct sower_run_cursor){
        .first = runs->first,
        .left = runs->length,
        .runs_left = runs->length > 0 ? runs->count : 0,
        .length = runs->length,
        .stride = runs->stride,
        .elements = elements,
        .element_size = (uint32_t)sower_dtype_size(dtype),
        .block_shift = dtype == SOWER_F64 ? 3 : 4,
    };
}

static void advance(struct sower_run_cursor *cursor, uint64_t count)
{
    cursor->first += count;
    cursor->left -= count;
    cursor->elements += count * cursor->element_size;
    if (cursor->left == 0) {
        cursor->first += cursor->stride - cursor->length;
        cursor->left = cursor->length;
        cursor->runs_left--;
    }
}

bool sower_run_cursor_take_whole(struct sower_run_cursor *cursor, unsigned lanes, uint32_t *block,
                                 uint8_t **elements)
{
    uint64_t count = (uint64_t)lanes << cursor->block_shift;
    if (cursor->runs_left == 0 || cursor->left < count ||
        (cursor->first & ((1u << cursor->block_shift) - 1u)) != 0) {
        return false;
    }
    *block = (uint32_t)(cursor->first >> cursor->block_shift);
    *elements = cursor->elements;
    advance(cursor, count);
    return true;
}

/* Gives a lane the part of the current run that lies in the current block. */
static void cut_block(struct sower_run_cursor *cursor, struct sower_batch *batch, unsigned lane)
{
    uint32_t per_block = 1u << cursor->block_shift;
    uint32_t first = (uint32_t)cursor->first & (per_block - 1u);
    uint32_t count = per_block - first;
    count = cursor->left < count ? (uint32_t)cursor->left : count;
    batch->block[lane] = (uint32_t)(cursor->first >> cursor->block_shift);
    /* Integer arithmetic, because the result may lie before the buffer, where a pointer must not point. */
    batch->elements[lane] =
        (uint8_t *)((uintptr_t)cursor->elements - (uintptr_t)first * cursor->element_size);
    unsigned wanted = count == per_block ? UINT16_MAX : ((1u << count) - 1u) << first;
    batch->wanted[lane] = (uint16_t)wanted;
    advance(cursor, count);
}

bool sower_run_cursor_take(struct sower_run_cursor *cursor, unsigned lanes, struct sower_batch *batch)
{
    if (cursor->runs_left == 0) {
        return false;
    }
    unsigned lane = 0;
    for (; lane < lanes && cursor->runs_left > 0; lane++) {
        cut_block(cursor, batch, lane);
    }
    batch->count = lane;
    for (; lane < lanes; lane++) {
        batch->block[lane] = 0;
        batch->elements[lane] = batch->elements[0];
        batch->wanted[lane] = 0;
    }
    return true;
}

void sower_batch_copy_wanted(const struct sower_batch *batch, unsigned lane, enum sower_dtype dtype,
                             const uint8_t *from)
{
    unsigned wanted = batch->wanted[lane];
    if (wanted != 0) {
        size_t size = sower_dtype_size(dtype);
        size_t first = (size_t)__builtin_ctz(wanted) * size;
        memcpy((uint8_t *)((uintptr_t)batch->elements[lane] + first), from + first,
               (size_t)__builtin_popcount(wanted) * size);
    }
}

void sower_batch_load_words(const struct sower_batch *batch, const uint32_t *words, size_t count,
                            uint32_t *blocks)
{
    for (unsigned lane = 0; lane < batch->count; lane++) {
        size_t first = (size_t)batch->block[lane] * SOWER_BLOCK_WORDS;
        size_t left = count - first;
        size_t taken = left < SOWER_BLOCK_WORDS ? left : SOWER_BLOCK_WORDS;
        uint32_t *to = blocks + (size_t)lane * SOWER_BLOCK_WORDS;
        memcpy(to, words + first, taken * sizeof *words);
        memset(to + taken, 0, (SOWER_BLOCK_WORDS - taken) * sizeof *to);
    }
}

static uint32_t load_little(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

void sower_chacha_state(const struct sower_seed *seed, uint32_t state[16])
{
    static const char constants[] = "expand 32-byte k";
    static const char nonce[] = "LibsodiumDRG";
    for (int i = 0; i < 4; i++) {
        state[i] = load_little((const uint8_t *)constants + 4 * i);
    }
    for (int i = 0; i < 8; i++) {
        state[4 + i] = load_little(seed->bytes + 4 * i);
    }
    state[12] = 0;
    for (int i = 0; i < 3; i++) {
        state[13 + i] = load_little((const uint8_t *)nonce + 4 * i);
    }
}

enum sower_method sower_method_choose(const struct sower_law *law, enum sower_dtype dtype)
{
    bool simple;
    enum sower_law_kind kind = sower_law_kind(law, dtype);
    if (kind != SOWER_LAW_UNIFORM) {
        return kind == SOWER_LAW_NORMAL ? SOWER_METHOD_NORMAL : SOWER_METHOD_TRUNCATED;
    }
    /* fma is monotone: if the clamp does not change the results for the least and the greatest c, it changes
     * no result. These are the results for the words with s = -2^23 and s = 2^23 - 1 (f64: 2^52). */
    if (dtype == SOWER_F64) {
        struct sower_law open = *law;
        open.low64 = -DBL_MAX;
        open.high64 = DBL_MAX;
        simple = sower_law_f64(&open, UINT64_C(1) << 63) >= law->low64 &&
                 sower_law_f64(&open, ~UINT64_C(0) >> 1) <= law->high64 && law->scale64 >= DBL_MIN * 0x1p53;
    } else {
        struct sower_law open = *law;
        open.low = -FLT_MAX;
        open.high = FLT_MAX;
        simple = sower_law_f32(&open, UINT32_C(1) << 31) >= law->low &&
                 sower_law_f32(&open, ~UINT32_C(0) >> 1) <= law->high && law->scale >= FLT_MIN * 0x1p24f;
    }
    return simple ? SOWER_METHOD_UNIFORM : SOWER_METHOD_UNIFORM_CLAMPED;
}
