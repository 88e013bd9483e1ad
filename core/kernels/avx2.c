/* AVX2 with FMA and F16C: ChaCha20 on eight blocks in parallel. The eight most frequent octaves of the
 * inverse normal CDF are looked up in registers. f64 elements are computed one by one. */
#include "core/kernels/kernels.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <string.h>

#include "core/kernels/batch.h"
#include "core/normal_table.h"
#include "core/scalar.h"

#define KERNEL __attribute__((target("avx2,fma,f16c")))
#define INLINE KERNEL static inline __attribute__((always_inline))

enum { LANES = 8 };

INLINE __m256i rotate16(__m256i x)
{
    const __m256i order = _mm256_set_epi8(13, 12, 15, 14, 9, 8, 11, 10, 5, 4, 7, 6, 1, 0, 3, 2, 13, 12, 15,
                                          14, 9, 8, 11, 10, 5, 4, 7, 6, 1, 0, 3, 2);
    return _mm256_shuffle_epi8(x, order);
}

INLINE __m256i rotate12(__m256i x)
{
    return _mm256_or_si256(_mm256_slli_epi32(x, 12), _mm256_srli_epi32(x, 20));
}

INLINE __m256i rotate8(__m256i x)
{
    const __m256i order = _mm256_set_epi8(14, 13, 12, 15, 10, 9, 8, 11, 6, 5, 4, 7, 2, 1, 0, 3, 14, 13, 12,
                                          15, 10, 9, 8, 11, 6, 5, 4, 7, 2, 1, 0, 3);
    return _mm256_shuffle_epi8(x, order);
}

INLINE __m256i rotate7(__m256i x)
{
    return _mm256_or_si256(_mm256_slli_epi32(x, 7), _mm256_srli_epi32(x, 25));
}

/* Two quarter rounds interleaved: more of them would not fit into the registers. */
INLINE void quarter_rounds(__m256i x[16], int a, int b, int c, int d, int e, int f, int g, int h)
{
    x[a] = _mm256_add_epi32(x[a], x[b]);
    x[e] = _mm256_add_epi32(x[e], x[f]);
    x[d] = rotate16(_mm256_xor_si256(x[d], x[a]));
    x[h] = rotate16(_mm256_xor_si256(x[h], x[e]));
    x[c] = _mm256_add_epi32(x[c], x[d]);
    x[g] = _mm256_add_epi32(x[g], x[h]);
    x[b] = rotate12(_mm256_xor_si256(x[b], x[c]));
    x[f] = rotate12(_mm256_xor_si256(x[f], x[g]));
    x[a] = _mm256_add_epi32(x[a], x[b]);
    x[e] = _mm256_add_epi32(x[e], x[f]);
    x[d] = rotate8(_mm256_xor_si256(x[d], x[a]));
    x[h] = rotate8(_mm256_xor_si256(x[h], x[e]));
    x[c] = _mm256_add_epi32(x[c], x[d]);
    x[g] = _mm256_add_epi32(x[g], x[h]);
    x[b] = rotate7(_mm256_xor_si256(x[b], x[c]));
    x[f] = rotate7(_mm256_xor_si256(x[f], x[g]));
}

/* Stores eight rows of eight words as columns, `stride` words apart. */
INLINE void transpose(const __m256i x[8], uint32_t *words)
{
    __m256i y[8];
#pragma GCC unroll 2
    for (int i = 0; i < 8; i += 4) {
        __m256i low0 = _mm256_unpacklo_epi32(x[i], x[i + 1]);
        __m256i high0 = _mm256_unpackhi_epi32(x[i], x[i + 1]);
        __m256i low1 = _mm256_unpacklo_epi32(x[i + 2], x[i + 3]);
        __m256i high1 = _mm256_unpackhi_epi32(x[i + 2], x[i + 3]);
        y[i] = _mm256_unpacklo_epi64(low0, low1);
        y[i + 1] = _mm256_unpackhi_epi64(low0, low1);
        y[i + 2] = _mm256_unpacklo_epi64(high0, high1);
        y[i + 3] = _mm256_unpackhi_epi64(high0, high1);
    }
    /* y[j] has words 0 to 3 of block j and, in its upper half, of block 4 + j. y[4 + j] has words 4 to 7. */
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) {
        _mm256_store_si256((void *)(words + SOWER_BLOCK_WORDS * j),
                           _mm256_permute2x128_si256(y[j], y[4 + j], 0x20));
        _mm256_store_si256((void *)(words + SOWER_BLOCK_WORDS * (4 + j)),
                           _mm256_permute2x128_si256(y[j], y[4 + j], 0x31));
    }
}

/* Makes eight blocks of the stream and stores them one after the other. */
KERNEL static __attribute__((noinline)) void make_blocks(const uint32_t *state, const uint32_t *block,
                                                         uint32_t *words)
{
    __m256i x[16];
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++) {
        x[i] = i == 12 ? _mm256_load_si256((const void *)block) : _mm256_set1_epi32((int)state[i]);
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
        x[i] = _mm256_add_epi32(x[i], i == 12 ? _mm256_load_si256((const void *)block)
                                              : _mm256_set1_epi32((int)state[i]));
    }
    transpose(x, words);
    transpose(x + 8, words + 8);
}

INLINE __m256i distance_to_end(__m256i word)
{
    return _mm256_xor_si256(word, _mm256_srai_epi32(word, 31));
}

INLINE __m256 distance_to_centre(__m256i r, __m256i centre)
{
    return _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_sub_epi32(r, centre)),
                         _mm256_set1_ps(SOWER_NORMAL_F32_SCALE));
}

/* For each lane, looks up the column with the lane's number among 32 columns. */
INLINE __m256 look_up_wide(const float row[32], __m256i column)
{
    __m256 bit3 = _mm256_castsi256_ps(_mm256_slli_epi32(column, 28));
    __m256 bit4 = _mm256_castsi256_ps(_mm256_slli_epi32(column, 27));
    __m256 c0 = _mm256_permutevar8x32_ps(_mm256_loadu_ps(row), column);
    __m256 c8 = _mm256_permutevar8x32_ps(_mm256_loadu_ps(row + 8), column);
    __m256 c16 = _mm256_permutevar8x32_ps(_mm256_loadu_ps(row + 16), column);
    __m256 c24 = _mm256_permutevar8x32_ps(_mm256_loadu_ps(row + 24), column);
    return _mm256_blendv_ps(_mm256_blendv_ps(c0, c8, bit3), _mm256_blendv_ps(c16, c24, bit3), bit4);
}

/* |z| for words of every octave; one vector in 32 needs this. */
KERNEL static __attribute__((noinline, cold)) __m256 normal_f32_wide(__m256i r)
{
    /* Clears the bit after the highest one, so that the conversion cannot round up to the next power of
     * two. */
    __m256i odd = _mm256_or_si256(r, _mm256_set1_epi32(1));
    __m256 power = _mm256_cvtepi32_ps(_mm256_andnot_si256(_mm256_srli_epi32(odd, 1), odd));
    __m256i exponent = _mm256_srli_epi32(_mm256_castps_si256(power), 23);
    __m256i column = _mm256_sub_epi32(_mm256_set1_epi32(127 + 31), exponent);
    const float *centres = (const void *)sower_normal_f32_centre;
    __m256 d = distance_to_centre(r, _mm256_castps_si256(look_up_wide(centres, column)));
    __m256 z = look_up_wide(sower_normal_f32_table[SOWER_NORMAL_F32_DEGREE], column);
    for (int j = SOWER_NORMAL_F32_DEGREE - 1; j >= 0; j--) {
        z = _mm256_fmadd_ps(z, d, look_up_wide(sower_normal_f32_table[j], column));
    }
    return z;
}

INLINE __m256 normal_f32(__m256i word)
{
    __m256i r = distance_to_end(word);
    __m256 z;
    if (__builtin_expect(
            _mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpgt_epi32(_mm256_set1_epi32(1 << 23), r))), 0)) {
        z = normal_f32_wide(r);
    } else {
        /* r has 1 to 8 leading zeros: columns 1 to 8, here numbered from 0. After the shift r has 23 bits, so
         * the conversion is exact. The mantissa of `top` is all ones, so the subtraction does not borrow from
         * the exponent. */
        __m256i bits = _mm256_castps_si256(_mm256_cvtepi32_ps(_mm256_srli_epi32(r, 8)));
        __m256i top = _mm256_set1_epi32(((127 + 30 - 8) << 23) | 0x7fffff);
        __m256i column = _mm256_srli_epi32(_mm256_sub_epi32(top, bits), 23);
        __m256i centres = _mm256_loadu_si256((const void *)(sower_normal_f32_centre + 1));
        __m256 d = distance_to_centre(r, _mm256_permutevar8x32_epi32(centres, column));
        z = _mm256_permutevar8x32_ps(_mm256_loadu_ps(sower_normal_f32_table[SOWER_NORMAL_F32_DEGREE] + 1),
                                     column);
#pragma GCC unroll 8
        for (int j = SOWER_NORMAL_F32_DEGREE - 1; j >= 0; j--) {
            __m256 c = _mm256_permutevar8x32_ps(_mm256_loadu_ps(sower_normal_f32_table[j] + 1), column);
            z = _mm256_fmadd_ps(z, d, c);
        }
    }
    __m256 sign = _mm256_andnot_ps(_mm256_castsi256_ps(word), _mm256_set1_ps(-0.0f));
    return _mm256_xor_ps(z, sign);
}

/* first + ⌊(word · span + ⌊span / 2⌋) / 2^32⌋ */
INLINE __m256i truncate_f32(const struct sower_law *law, __m256i word)
{
    __m256i span = _mm256_set1_epi64x((long long)law->span);
    __m256i half = _mm256_set1_epi64x((long long)(law->span / 2));
    __m256i even = _mm256_add_epi64(_mm256_mul_epu32(word, span), half);
    __m256i odd = _mm256_add_epi64(_mm256_mul_epu32(_mm256_srli_epi64(word, 32), span), half);
    __m256i high = _mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xaa);
    return _mm256_add_epi32(high, _mm256_set1_epi32((int)law->first));
}

INLINE __m256 law_f32(const struct sower_law *law, enum sower_method method, __m256i word)
{
    __m256 x, scale = _mm256_set1_ps(law->scale);
    if (method == SOWER_METHOD_UNIFORM || method == SOWER_METHOD_UNIFORM_CLAMPED) {
        x = _mm256_cvtepi32_ps(_mm256_or_si256(_mm256_srai_epi32(word, 7), _mm256_set1_epi32(1)));
        x = _mm256_mul_ps(x, _mm256_set1_ps(0x1p-24f));
    } else {
        x = normal_f32(method == SOWER_METHOD_TRUNCATED ? truncate_f32(law, word) : word);
    }
    x = _mm256_fmadd_ps(x, scale, _mm256_set1_ps(law->shift));
    if (method == SOWER_METHOD_UNIFORM_CLAMPED || method == SOWER_METHOD_TRUNCATED) {
        /* For equal operands (zeros of either sign) these return the second one, like the portable code. */
        x = _mm256_max_ps(_mm256_set1_ps(law->low), x);
        x = _mm256_min_ps(_mm256_set1_ps(law->high), x);
    }
    return x;
}

/* Packs sixteen numbers below 2^16 from 32 bits to 16 bits each. */
INLINE __m256i pack16(__m256i x, __m256i y)
{
    return _mm256_permute4x64_epi64(_mm256_packus_epi32(x, y), 0xd8);
}

/* The upper half of each f32, rounded to nearest even; the values are never NaN. */
INLINE __m256i bf16_from_f32(__m256 x)
{
    __m256i bits = _mm256_castps_si256(x);
    __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    bits = _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff)), odd);
    return _mm256_srli_epi32(bits, 16);
}

/* The same rounding as in dtype.c. For a normal result the exponent is rebased and the mantissa rounded to
 * nearest even. For a subnormal result a number is added whose last bit equals the smallest step, so that the
 * addition rounds. */
INLINE __m256i f8_from_f32(__m256 x, int exponent_bits, int mantissa_bits, int largest)
{
    int dropped = 23 - mantissa_bits;
    int rebias = 127 - ((1 << (exponent_bits - 1)) - 1);
    __m256i bits = _mm256_castps_si256(x);
    __m256i magnitude = _mm256_and_si256(bits, _mm256_set1_epi32(INT32_MAX));
    __m256i odd = _mm256_and_si256(_mm256_srli_epi32(magnitude, dropped), _mm256_set1_epi32(1));
    int rounding = (1 << (dropped - 1)) - 1 - (rebias << 23);
    __m256i normal = _mm256_add_epi32(_mm256_add_epi32(magnitude, _mm256_set1_epi32(rounding)), odd);
    normal = _mm256_srli_epi32(normal, dropped);
    __m256i magic = _mm256_set1_epi32((rebias + dropped + 1) << 23);
    __m256 sum = _mm256_add_ps(_mm256_castsi256_ps(magnitude), _mm256_castsi256_ps(magic));
    __m256i subnormal = _mm256_sub_epi32(_mm256_castps_si256(sum), magic);
    __m256i small = _mm256_cmpgt_epi32(_mm256_set1_epi32((rebias + 1) << 23), magnitude);
    __m256i result = _mm256_blendv_epi8(normal, subnormal, small);
    result = _mm256_min_epi32(result, _mm256_set1_epi32(largest));
    return _mm256_or_si256(result, _mm256_slli_epi32(_mm256_srli_epi32(bits, 31), 7));
}

INLINE void store_f8(uint8_t *to, __m256i x, __m256i y)
{
    __m256i halves = pack16(x, y);
    __m128i bytes = _mm_packus_epi16(_mm256_castsi256_si128(halves), _mm256_extracti128_si256(halves, 1));
    _mm_storeu_si128((void *)to, bytes);
}

/* Stores the sixteen elements of a block. */
INLINE void store_f32(enum sower_dtype dtype, uint8_t *to, __m256 x, __m256 y)
{
    switch (dtype) {
    case SOWER_F16:
        _mm_storeu_si128((void *)to, _mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
        _mm_storeu_si128((void *)(to + 16),
                         _mm256_cvtps_ph(y, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
        return;
    case SOWER_BF16:
        _mm256_storeu_si256((void *)to, pack16(bf16_from_f32(x), bf16_from_f32(y)));
        return;
    case SOWER_F8_E4M3:
        store_f8(to, f8_from_f32(x, 4, 3, 0x7e), f8_from_f32(y, 4, 3, 0x7e));
        return;
    case SOWER_F8_E5M2:
        store_f8(to, f8_from_f32(x, 5, 2, 0x7b), f8_from_f32(y, 5, 2, 0x7b));
        return;
    case SOWER_F32:
    case SOWER_F64:
    case SOWER_DTYPE_COUNT:
        break;
    }
    _mm256_storeu_ps((void *)to, x);
    _mm256_storeu_ps((void *)(to + 32), y);
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
    __m256 x = law_f32(law, method, _mm256_load_si256((const void *)words));
    __m256 y = law_f32(law, method, _mm256_load_si256((const void *)(words + 8)));
    store_f32(dtype, to, x, y);
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

static bool supported(void)
{
    /* Every processor with AVX2 has F16C; not every compiler can test for F16C. */
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

#include "core/kernels/fill.inc"

const struct sower_kernel sower_kernel_avx2 = {
    .name = "avx2",
    .supported = supported,
    .fill_runs = fill_runs,
    .map = map,
};

#else
/* For other machines: C does not allow an empty translation unit. */
extern const struct sower_kernel sower_kernel_avx2;
#endif
