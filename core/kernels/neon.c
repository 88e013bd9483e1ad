/* NEON (64-bit Arm): ChaCha20 on four blocks in parallel. The fifteen most frequent octaves of the inverse
 * normal CDF are looked up in registers. f64 elements are computed one by one. */
#include "core/kernels/kernels.h"

#if defined(__AARCH64EL__)

#include <arm_neon.h>
#include <string.h>

#include "core/kernels/batch.h"
#include "core/normal_table.h"
#include "core/scalar.h"

#define KERNEL
#define INLINE static inline __attribute__((always_inline))

enum { LANES = 4 };

INLINE uint32x4_t rotate16(uint32x4_t x)
{
    return vreinterpretq_u32_u16(vrev32q_u16(vreinterpretq_u16_u32(x)));
}

INLINE uint32x4_t rotate12(uint32x4_t x)
{
    return vsriq_n_u32(vshlq_n_u32(x, 12), x, 20);
}

INLINE uint32x4_t rotate8(uint32x4_t x)
{
    return vsriq_n_u32(vshlq_n_u32(x, 8), x, 24);
}

INLINE uint32x4_t rotate7(uint32x4_t x)
{
    return vsriq_n_u32(vshlq_n_u32(x, 7), x, 25);
}

INLINE void quarter_rounds(uint32x4_t x[16], int a, int b, int c, int d, int e, int f, int g, int h)
{
    x[a] = vaddq_u32(x[a], x[b]);
    x[e] = vaddq_u32(x[e], x[f]);
    x[d] = rotate16(veorq_u32(x[d], x[a]));
    x[h] = rotate16(veorq_u32(x[h], x[e]));
    x[c] = vaddq_u32(x[c], x[d]);
    x[g] = vaddq_u32(x[g], x[h]);
    x[b] = rotate12(veorq_u32(x[b], x[c]));
    x[f] = rotate12(veorq_u32(x[f], x[g]));
    x[a] = vaddq_u32(x[a], x[b]);
    x[e] = vaddq_u32(x[e], x[f]);
    x[d] = rotate8(veorq_u32(x[d], x[a]));
    x[h] = rotate8(veorq_u32(x[h], x[e]));
    x[c] = vaddq_u32(x[c], x[d]);
    x[g] = vaddq_u32(x[g], x[h]);
    x[b] = rotate7(veorq_u32(x[b], x[c]));
    x[f] = rotate7(veorq_u32(x[f], x[g]));
}

/* Stores four rows of four words as columns, a block apart. */
INLINE void transpose(const uint32x4_t x[4], uint32_t *words)
{
    uint64x2_t low01 = vreinterpretq_u64_u32(vzip1q_u32(x[0], x[1]));
    uint64x2_t high01 = vreinterpretq_u64_u32(vzip2q_u32(x[0], x[1]));
    uint64x2_t low23 = vreinterpretq_u64_u32(vzip1q_u32(x[2], x[3]));
    uint64x2_t high23 = vreinterpretq_u64_u32(vzip2q_u32(x[2], x[3]));
    vst1q_u32(words, vreinterpretq_u32_u64(vzip1q_u64(low01, low23)));
    vst1q_u32(words + SOWER_BLOCK_WORDS, vreinterpretq_u32_u64(vzip2q_u64(low01, low23)));
    vst1q_u32(words + 2 * SOWER_BLOCK_WORDS, vreinterpretq_u32_u64(vzip1q_u64(high01, high23)));
    vst1q_u32(words + 3 * SOWER_BLOCK_WORDS, vreinterpretq_u32_u64(vzip2q_u64(high01, high23)));
}

/* Makes four blocks of the stream and stores them one after the other. */
static __attribute__((noinline)) void make_blocks(const uint32_t *state, const uint32_t *block,
                                                  uint32_t *words)
{
    uint32x4_t x[16];
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++) {
        x[i] = i == 12 ? vld1q_u32(block) : vdupq_n_u32(state[i]);
    }
    for (int i = 0; i < 10; i++) {
        quarter_rounds(x, 0, 4, 8, 12, 1, 5, 9, 13);
        quarter_rounds(x, 2, 6, 10, 14, 3, 7, 11, 15);
        quarter_rounds(x, 0, 5, 10, 15, 1, 6, 11, 12);
        quarter_rounds(x, 2, 7, 8, 13, 3, 4, 9, 14);
    }
    /* Without this, compilers keep the state in registers during the rounds, and there are not enough. */
    __asm__("" : "+r"(state), "+r"(block));
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++) {
        x[i] = vaddq_u32(x[i], i == 12 ? vld1q_u32(block) : vdupq_n_u32(state[i]));
    }
#pragma GCC unroll 4
    for (int i = 0; i < 16; i += 4) {
        transpose(x + i, words + i);
    }
}

INLINE uint32x4_t distance_to_end(uint32x4_t word)
{
    return veorq_u32(word, vreinterpretq_u32_s32(vshrq_n_s32(vreinterpretq_s32_u32(word), 31)));
}

INLINE float32x4_t distance_to_centre(uint32x4_t r, uint32x4_t centre)
{
    return vmulq_n_f32(vcvtq_f32_s32(vreinterpretq_s32_u32(vsubq_u32(r, centre))), SOWER_NORMAL_F32_SCALE);
}

/* For each lane: the positions in a row of the four bytes of the lane's column. */
INLINE uint8x16_t bytes_of_column(uint32x4_t column)
{
    return vreinterpretq_u8_u32(vmlaq_n_u32(vdupq_n_u32(0x03020100), column, 0x04040404));
}

/* For each lane, looks up the column at its bytes among sixteen columns; 0 for later columns. */
INLINE uint8x16_t look_up(const void *row, uint8x16_t bytes)
{
    return vqtbl4q_u8(vld1q_u8_x4(row), bytes);
}

/* The same among 32 columns. */
INLINE uint8x16_t look_up_wide(const void *row, uint8x16_t bytes)
{
    uint8x16_t right = vqtbl4q_u8(vld1q_u8_x4((const uint8_t *)row + 64), vsubq_u8(bytes, vdupq_n_u8(64)));
    return vqtbx4q_u8(right, vld1q_u8_x4(row), bytes);
}

/* |z| for words of every octave; one group in 2048 needs this. */
static __attribute__((noinline, cold)) float32x4_t normal_f32_wide(uint32x4_t r)
{
    uint8x16_t bytes = bytes_of_column(vandq_u32(vclzq_u32(r), vdupq_n_u32(31)));
    float32x4_t d = distance_to_centre(r, vreinterpretq_u32_u8(look_up_wide(sower_normal_f32_centre, bytes)));
    float32x4_t z =
        vreinterpretq_f32_u8(look_up_wide(sower_normal_f32_table[SOWER_NORMAL_F32_DEGREE], bytes));
    for (int j = SOWER_NORMAL_F32_DEGREE - 1; j >= 0; j--) {
        z = vfmaq_f32(vreinterpretq_f32_u8(look_up_wide(sower_normal_f32_table[j], bytes)), z, d);
    }
    return z;
}

/* Four vectors are computed together, so that each row of the table is loaded once for all of them. */
enum { GROUP = 4 };

INLINE void normal_f32(const uint32x4_t words[GROUP], float32x4_t z[GROUP])
{
    uint32x4_t r[GROUP];
    uint8x16_t bytes[GROUP];
    float32x4_t d[GROUP];
#pragma GCC unroll 4
    for (int i = 0; i < GROUP; i++) {
        r[i] = distance_to_end(words[i]);
        bytes[i] = bytes_of_column(vclzq_u32(r[i]));
        d[i] = distance_to_centre(r[i], vreinterpretq_u32_u8(look_up(sower_normal_f32_centre, bytes[i])));
    }
#pragma GCC unroll 9
    for (int j = SOWER_NORMAL_F32_DEGREE; j >= 0; j--) {
#pragma GCC unroll 4
        for (int i = 0; i < GROUP; i++) {
            float32x4_t c = vreinterpretq_f32_u8(look_up(sower_normal_f32_table[j], bytes[i]));
            z[i] = j == SOWER_NORMAL_F32_DEGREE ? c : vfmaq_f32(c, z[i], d[i]);
        }
    }
    uint32x4_t least = vminq_u32(vminq_u32(r[0], r[1]), vminq_u32(r[2], r[3]));
    bool far = vminvq_u32(least) < 1u << 16;
#pragma GCC unroll 4
    for (int i = 0; i < GROUP; i++) {
        if (__builtin_expect(far, 0)) {
            z[i] = normal_f32_wide(r[i]);
        }
        /* z is negative when the highest bit of the word is 0. */
        uint32x4_t sign = vbicq_u32(vdupq_n_u32(0x80000000u), words[i]);
        z[i] = vreinterpretq_f32_u32(veorq_u32(vreinterpretq_u32_f32(z[i]), sign));
    }
}

/* first + ⌊(word · span + ⌊span / 2⌋) / 2^32⌋ */
INLINE uint32x4_t truncate_f32(const struct sower_law *law, uint32x4_t word)
{
    uint64x2_t half = vdupq_n_u64(law->span / 2);
    uint64x2_t low = vmlal_n_u32(half, vget_low_u32(word), law->span);
    uint64x2_t high = vmlal_n_u32(half, vget_high_u32(word), law->span);
    uint32x4_t inside = vuzp2q_u32(vreinterpretq_u32_u64(low), vreinterpretq_u32_u64(high));
    return vaddq_u32(inside, vdupq_n_u32(law->first));
}

/* Compares like the portable code, because fmax and fmin would order the two zeros. */
INLINE float32x4_t clamp_f32(const struct sower_law *law, float32x4_t x)
{
    float32x4_t low = vdupq_n_f32(law->low);
    float32x4_t high = vdupq_n_f32(law->high);
    x = vbslq_f32(vcltq_f32(x, low), low, x);
    return vbslq_f32(vcgtq_f32(x, high), high, x);
}

INLINE void law_f32(const struct sower_law *law, enum sower_method method, uint32x4_t words[GROUP],
                    float32x4_t x[GROUP])
{
    bool uniform = method == SOWER_METHOD_UNIFORM || method == SOWER_METHOD_UNIFORM_CLAMPED;
#pragma GCC unroll 4
    for (int i = 0; i < GROUP; i++) {
        if (uniform) {
            int32x4_t odd = vorrq_s32(vshrq_n_s32(vreinterpretq_s32_u32(words[i]), 7), vdupq_n_s32(1));
            x[i] = vmulq_n_f32(vcvtq_f32_s32(odd), 0x1p-24f);
        } else if (method == SOWER_METHOD_TRUNCATED) {
            words[i] = truncate_f32(law, words[i]);
        }
    }
    if (!uniform) {
        normal_f32(words, x);
    }
#pragma GCC unroll 4
    for (int i = 0; i < GROUP; i++) {
        x[i] = vfmaq_f32(vdupq_n_f32(law->shift), x[i], vdupq_n_f32(law->scale));
        if (method == SOWER_METHOD_UNIFORM_CLAMPED || method == SOWER_METHOD_TRUNCATED) {
            x[i] = clamp_f32(law, x[i]);
        }
    }
}

/* The upper half of each f32, rounded to nearest even; the values are never NaN. */
INLINE uint16x4_t bf16_from_f32(float32x4_t x)
{
    uint32x4_t bits = vreinterpretq_u32_f32(x);
    uint32x4_t odd = vandq_u32(vshrq_n_u32(bits, 16), vdupq_n_u32(1));
    return vshrn_n_u32(vaddq_u32(vaddq_u32(bits, vdupq_n_u32(0x7fff)), odd), 16);
}

/* The same rounding as in dtype.c. For a normal result the exponent is rebased and the mantissa rounded to
 * nearest even. For a subnormal result a number is added whose last bit equals the smallest step, so that the
 * addition rounds. */
INLINE uint16x4_t f8_from_f32(float32x4_t x, int exponent_bits, int mantissa_bits, uint32_t largest)
{
    int dropped = 23 - mantissa_bits;
    uint32_t rebias = 127u - ((1u << (exponent_bits - 1)) - 1u);
    int32x4_t shift = vdupq_n_s32(-dropped);
    uint32x4_t bits = vreinterpretq_u32_f32(x);
    uint32x4_t magnitude = vandq_u32(bits, vdupq_n_u32(INT32_MAX));
    uint32x4_t odd = vandq_u32(vshlq_u32(magnitude, shift), vdupq_n_u32(1));
    uint32x4_t rounding = vdupq_n_u32((1u << (dropped - 1)) - 1u - (rebias << 23));
    uint32x4_t normal = vshlq_u32(vaddq_u32(vaddq_u32(magnitude, rounding), odd), shift);
    uint32x4_t magic = vdupq_n_u32((rebias + (uint32_t)dropped + 1u) << 23);
    float32x4_t sum = vaddq_f32(vreinterpretq_f32_u32(magnitude), vreinterpretq_f32_u32(magic));
    uint32x4_t small = vcltq_u32(magnitude, vdupq_n_u32((rebias + 1u) << 23));
    uint32x4_t result = vbslq_u32(small, vsubq_u32(vreinterpretq_u32_f32(sum), magic), normal);
    result = vminq_u32(result, vdupq_n_u32(largest));
    return vmovn_u32(vorrq_u32(result, vshlq_n_u32(vshrq_n_u32(bits, 31), 7)));
}

/* Stores the sixteen elements of a block. */
INLINE void store_f32(enum sower_dtype dtype, uint8_t *to, const float32x4_t x[GROUP])
{
#pragma GCC unroll 4
    for (int i = 0; i < GROUP; i++) {
        switch (dtype) {
        case SOWER_F16:
            vst1_u8(to + 8 * i, vreinterpret_u8_f16(vcvt_f16_f32(x[i])));
            break;
        case SOWER_BF16:
            vst1_u8(to + 8 * i, vreinterpret_u8_u16(bf16_from_f32(x[i])));
            break;
        case SOWER_F8_E4M3:
        case SOWER_F8_E5M2:
            break;
        case SOWER_F32:
        case SOWER_F64:
        case SOWER_DTYPE_COUNT:
            vst1q_u8(to + 16 * i, vreinterpretq_u8_f32(x[i]));
        }
    }
    if (dtype == SOWER_F8_E4M3 || dtype == SOWER_F8_E5M2) {
        int exponent_bits = dtype == SOWER_F8_E4M3 ? 4 : 5;
        uint32_t largest = dtype == SOWER_F8_E4M3 ? 0x7e : 0x7b;
        uint16x4_t y[GROUP];
#pragma GCC unroll 4
        for (int i = 0; i < GROUP; i++) {
            y[i] = f8_from_f32(x[i], exponent_bits, 7 - exponent_bits, largest);
        }
        uint8x8_t low = vmovn_u16(vcombine_u16(y[0], y[1]));
        vst1q_u8(to, vcombine_u8(low, vmovn_u16(vcombine_u16(y[2], y[3]))));
    }
}

INLINE void convert_block(const struct sower_law *law, enum sower_method method, enum sower_dtype dtype,
                          const uint32_t *words, uint8_t *to)
{
    if (dtype == SOWER_F64) {
        for (int i = 0; i < SOWER_BLOCK_WORDS / 2; i++) {
            double x = sower_inline_law_f64(law, (uint64_t)words[2 * i + 1] << 32 | words[2 * i]);
            memcpy(to + 8 * i, &x, sizeof x);
        }
        return;
    }
    uint32x4_t word[GROUP];
    float32x4_t x[GROUP];
#pragma GCC unroll 4
    for (int i = 0; i < GROUP; i++) {
        word[i] = vld1q_u32(words + 4 * i);
    }
    law_f32(law, method, word, x);
    store_f32(dtype, to, x);
}

INLINE void convert(const struct sower_law *law, enum sower_method method, enum sower_dtype dtype,
                    const uint32_t *words, const struct sower_batch *batch)
{
    for (unsigned i = 0; i < batch->count; i++) {
        uint8_t spare[SOWER_BLOCK_WORDS * 4];
        bool whole = batch->wanted[i] == UINT16_MAX;
        convert_block(law, method, dtype, words + SOWER_BLOCK_WORDS * i, whole ? batch->elements[i] : spare);
        if (!whole) {
            sower_batch_copy_wanted(batch, i, dtype, spare);
        }
    }
}

static void whole_batch(uint32_t block, uint8_t *elements, size_t step, struct sower_batch *batch)
{
    sower_batch_whole(batch, LANES, block, elements, step);
}

/* Every 64-bit Arm processor has NEON. */
static bool supported(void)
{
    return true;
}

#include "core/kernels/fill.inc"

const struct sower_kernel sower_kernel_neon = {
    .name = "neon",
    .supported = supported,
    .fill_runs = fill_runs,
    .map = map,
};

#else
/* For other machines: C does not allow an empty translation unit. */
extern const struct sower_kernel sower_kernel_neon;
#endif
