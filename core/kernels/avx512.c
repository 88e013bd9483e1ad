/* AVX-512: ChaCha20 on sixteen blocks in parallel, with one register for each word of the state. The table of
 * the inverse normal CDF is looked up in registers. */
#include "core/kernels/kernels.h"

#if defined(__x86_64__)

#include <immintrin.h>

#include "core/kernels/batch.h"
#include "core/normal.h"
#include "core/normal_table.h"

enum { LANES = 16 };

#define KERNEL __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512cd")))
#define INLINE KERNEL static inline __attribute__((always_inline))

/* A quarter round is four of these steps: a += b, d ^= a, d <<<= 16 (then 12, 8, 7). In every second step c,
 * d and b take the places of a, b and d. Only half of the processor's units can rotate, so two quarter
 * rounds add while two others rotate. */
INLINE void mix(__m512i x[16], int a0, int b0, int d0, int a1, int b1, int d1)
{
    x[a0] = _mm512_add_epi32(x[a0], x[b0]);
    x[a1] = _mm512_add_epi32(x[a1], x[b1]);
    x[d0] = _mm512_xor_si512(x[d0], x[a0]);
    x[d1] = _mm512_xor_si512(x[d1], x[a1]);
}

INLINE void rotate16(__m512i x[16], int i, int j)
{
    x[i] = _mm512_rol_epi32(x[i], 16);
    x[j] = _mm512_rol_epi32(x[j], 16);
}

INLINE void rotate12(__m512i x[16], int i, int j)
{
    x[i] = _mm512_rol_epi32(x[i], 12);
    x[j] = _mm512_rol_epi32(x[j], 12);
}

INLINE void rotate8(__m512i x[16], int i, int j)
{
    x[i] = _mm512_rol_epi32(x[i], 8);
    x[j] = _mm512_rol_epi32(x[j], 8);
}

INLINE void rotate7(__m512i x[16], int i, int j)
{
    x[i] = _mm512_rol_epi32(x[i], 7);
    x[j] = _mm512_rol_epi32(x[j], 7);
}

/* One round on the columns and one on the diagonals. The two pairs of quarter rounds run half a step
 * apart; each pair starts when the words that it needs are ready. */
INLINE void double_round(__m512i x[16])
{
    mix(x, 0, 4, 12, 1, 5, 13);
    rotate16(x, 12, 13);
    mix(x, 2, 6, 14, 3, 7, 15);
    rotate16(x, 14, 15);
    mix(x, 8, 12, 4, 9, 13, 5);
    rotate12(x, 4, 5);
    mix(x, 10, 14, 6, 11, 15, 7);
    rotate12(x, 6, 7);
    mix(x, 0, 4, 12, 1, 5, 13);
    rotate8(x, 12, 13);
    mix(x, 2, 6, 14, 3, 7, 15);
    rotate8(x, 14, 15);
    mix(x, 8, 12, 4, 9, 13, 5);
    rotate7(x, 4, 5);
    mix(x, 10, 14, 6, 11, 15, 7);
    rotate7(x, 6, 7);

    mix(x, 3, 4, 14, 0, 5, 15);
    rotate16(x, 14, 15);
    mix(x, 1, 6, 12, 2, 7, 13);
    rotate16(x, 12, 13);
    mix(x, 9, 14, 4, 10, 15, 5);
    rotate12(x, 4, 5);
    mix(x, 11, 12, 6, 8, 13, 7);
    rotate12(x, 6, 7);
    mix(x, 3, 4, 14, 0, 5, 15);
    rotate8(x, 14, 15);
    mix(x, 1, 6, 12, 2, 7, 13);
    rotate8(x, 12, 13);
    mix(x, 9, 14, 4, 10, 15, 5);
    rotate7(x, 4, 5);
    mix(x, 11, 12, 6, 8, 13, 7);
    rotate7(x, 6, 7);
}

/* Row i of x becomes column i. */
INLINE void transpose(__m512i x[16])
{
    __m512i y[16];
#pragma GCC unroll 16
    for (int i = 0; i < 16; i += 4) {
        __m512i low0 = _mm512_unpacklo_epi32(x[i], x[i + 1]);
        __m512i high0 = _mm512_unpackhi_epi32(x[i], x[i + 1]);
        __m512i low1 = _mm512_unpacklo_epi32(x[i + 2], x[i + 3]);
        __m512i high1 = _mm512_unpackhi_epi32(x[i + 2], x[i + 3]);
        y[i] = _mm512_unpacklo_epi64(low0, low1);
        y[i + 1] = _mm512_unpackhi_epi64(low0, low1);
        y[i + 2] = _mm512_unpacklo_epi64(high0, high1);
        y[i + 3] = _mm512_unpackhi_epi64(high0, high1);
    }
    /* Quarter q of y[4 g + j] has words 4 g to 4 g + 3 of block 4 q + j. */
#pragma GCC unroll 16
    for (int j = 0; j < 4; j++) {
        __m512i even0 = _mm512_shuffle_i32x4(y[j], y[4 + j], 0x88);
        __m512i odd0 = _mm512_shuffle_i32x4(y[j], y[4 + j], 0xdd);
        __m512i even1 = _mm512_shuffle_i32x4(y[8 + j], y[12 + j], 0x88);
        __m512i odd1 = _mm512_shuffle_i32x4(y[8 + j], y[12 + j], 0xdd);
        x[j] = _mm512_shuffle_i32x4(even0, even1, 0x88);
        x[8 + j] = _mm512_shuffle_i32x4(even0, even1, 0xdd);
        x[4 + j] = _mm512_shuffle_i32x4(odd0, odd1, 0x88);
        x[12 + j] = _mm512_shuffle_i32x4(odd0, odd1, 0xdd);
    }
}

/* Makes sixteen blocks of the stream and stores them one after the other. */
KERNEL static __attribute__((noinline)) void make_blocks(const uint32_t *state, const uint32_t *block,
                                                         uint32_t *words)
{
    __m512i x[16];
    __m512i counter = _mm512_load_si512(block);
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++) {
        x[i] = i == 12 ? counter : _mm512_set1_epi32((int)state[i]);
    }
    for (int i = 0; i < 10; i++) {
        double_round(x);
    }
    /* Without this, compilers keep the state in registers during the rounds, and there are not enough. */
    __asm__("" : "+r"(state));
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++) {
        x[i] = _mm512_add_epi32(x[i], i == 12 ? counter : _mm512_set1_epi32((int)state[i]));
    }
    transpose(x);
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++) {
        _mm512_store_si512(words + 16 * i, x[i]);
    }
}

/* Four vectors are computed together, so that each row of the table is loaded once for all of them. */
enum { GROUP = 4 };

/* The first sixteen columns of the table have the octaves from 2^16 up. One word in 32768 is below 2^16; then
 * its whole group is computed again with all 32 columns. */
KERNEL static __attribute__((noinline, cold)) void normal_f32_wide(const __m512i words[GROUP],
                                                                   __m512 z[GROUP])
{
    const __m512i *centres = (const void *)sower_normal_f32_centre;
    for (int i = 0; i < GROUP; i++) {
        __m512i r = _mm512_xor_si512(words[i], _mm512_srai_epi32(words[i], 31));
        __m512i octave = _mm512_lzcnt_epi32(r);
        __m512i centre = _mm512_permutex2var_epi32(centres[0], octave, centres[1]);
        __m512 d = _mm512_cvtepi32_ps(_mm512_sub_epi32(r, centre));
        d = _mm512_mul_ps(d, _mm512_set1_ps(SOWER_NORMAL_F32_SCALE));
        for (int j = SOWER_NORMAL_F32_DEGREE; j >= 0; j--) {
            const float *row = sower_normal_f32_table[j];
            __m512 c = _mm512_permutex2var_ps(_mm512_load_ps(row), octave, _mm512_load_ps(row + 16));
            z[i] = j == SOWER_NORMAL_F32_DEGREE ? c : _mm512_fmadd_ps(z[i], d, c);
        }
    }
}

INLINE void normal_f32(const __m512i words[GROUP], __m512 z[GROUP])
{
    __m512i octave[GROUP];
    __m512i least = _mm512_set1_epi32(INT32_MAX);
    __m512 d[GROUP];
#pragma GCC unroll 4
    for (int i = 0; i < GROUP; i++) {
        __m512i r = _mm512_xor_si512(words[i], _mm512_srai_epi32(words[i], 31));
        least = _mm512_min_epi32(least, r);
        octave[i] = _mm512_lzcnt_epi32(r);
        __m512i centre = _mm512_permutexvar_epi32(octave[i], _mm512_load_si512(sower_normal_f32_centre));
        d[i] = _mm512_cvtepi32_ps(_mm512_sub_epi32(r, centre));
        d[i] = _mm512_mul_ps(d[i], _mm512_set1_ps(SOWER_NORMAL_F32_SCALE));
    }
#pragma GCC unroll 9
    for (int j = SOWER_NORMAL_F32_DEGREE; j >= 0; j--) {
        __m512 row = _mm512_load_ps(sower_normal_f32_table[j]);
#pragma GCC unroll 4
        for (int i = 0; i < GROUP; i++) {
            __m512 c = _mm512_permutexvar_ps(octave[i], row);
            z[i] = j == SOWER_NORMAL_F32_DEGREE ? c : _mm512_fmadd_ps(z[i], d[i], c);
        }
    }
    if (__builtin_expect(_mm512_cmplt_epi32_mask(least, _mm512_set1_epi32(1 << 16)) != 0, 0)) {
        normal_f32_wide(words, z);
    }
#pragma GCC unroll 4
    for (int i = 0; i < GROUP; i++) {
        /* z ^ (~word & sign) */
        z[i] = _mm512_castsi512_ps(_mm512_ternarylogic_epi32(_mm512_castps_si512(z[i]), words[i],
                                                             _mm512_set1_epi32(INT32_MIN), 0xd2));
    }
}

/* first + ⌊(word · span + ⌊span / 2⌋) / 2^32⌋ */
INLINE __m512i truncate_f32(const struct sower_law *law, __m512i word)
{
    __m512i span = _mm512_set1_epi64((long long)law->span);
    __m512i half = _mm512_set1_epi64((long long)(law->span / 2));
    __m512i even = _mm512_add_epi64(_mm512_mul_epu32(word, span), half);
    __m512i odd = _mm512_add_epi64(_mm512_mul_epu32(_mm512_srli_epi64(word, 32), span), half);
    __m512i high = _mm512_mask_mov_epi32(_mm512_srli_epi64(even, 32), 0xaaaa, odd);
    return _mm512_add_epi32(high, _mm512_set1_epi32((int)law->first));
}

INLINE __m512 clamp_f32(const struct sower_law *law, __m512 x)
{
    /* For equal operands (zeros of either sign) these return the second one, like the portable code. */
    x = _mm512_max_ps(_mm512_set1_ps(law->low), x);
    return _mm512_min_ps(_mm512_set1_ps(law->high), x);
}

INLINE void law_f32(const struct sower_law *law, enum sower_method method, __m512i words[GROUP],
                    __m512 x[GROUP])
{
    bool uniform = method == SOWER_METHOD_UNIFORM || method == SOWER_METHOD_UNIFORM_CLAMPED;
    __m512 scale = _mm512_set1_ps(method == SOWER_METHOD_UNIFORM ? law->scale * 0x1p-24f : law->scale);
    if (uniform) {
#pragma GCC unroll 4
        for (int i = 0; i < GROUP; i++) {
            x[i] = _mm512_cvtepi32_ps(_mm512_or_si512(_mm512_srai_epi32(words[i], 7), _mm512_set1_epi32(1)));
            if (method == SOWER_METHOD_UNIFORM_CLAMPED) {
                x[i] = _mm512_mul_ps(x[i], _mm512_set1_ps(0x1p-24f));
            }
        }
    } else {
        if (method == SOWER_METHOD_TRUNCATED) {
#pragma GCC unroll 4
            for (int i = 0; i < GROUP; i++) {
                words[i] = truncate_f32(law, words[i]);
            }
        }
        normal_f32(words, x);
    }
#pragma GCC unroll 4
    for (int i = 0; i < GROUP; i++) {
        x[i] = _mm512_fmadd_ps(x[i], scale, _mm512_set1_ps(law->shift));
        if (method == SOWER_METHOD_UNIFORM_CLAMPED || method == SOWER_METHOD_TRUNCATED) {
            x[i] = clamp_f32(law, x[i]);
        }
    }
}

INLINE void normal_f64(const __m512i words[GROUP], __m512d z[GROUP])
{
    const __m512i *centres = (const void *)sower_normal_f64_centre;
    const __m512i lowest = _mm512_set1_epi64(1LL << 48); /* the lowest r of columns 1 to 15 */
    __m512i octave[GROUP];
    __m512d d[GROUP];
    __mmask8 low[GROUP];
#pragma GCC unroll 4
    for (int i = 0; i < GROUP; i++) {
        __m512i r = _mm512_xor_si512(words[i], _mm512_srai_epi64(words[i], 63));
        low[i] = _mm512_cmplt_epi64_mask(r, lowest);
        octave[i] = _mm512_lzcnt_epi64(r);
        __m512i centre = _mm512_permutex2var_epi64(centres[0], octave[i], centres[1]);
        d[i] = _mm512_mul_pd(_mm512_cvtepi64_pd(_mm512_sub_epi64(r, centre)),
                             _mm512_set1_pd(SOWER_NORMAL_F64_SCALE));
    }
#pragma GCC unroll 21
    for (int j = SOWER_NORMAL_F64_DEGREE; j >= 0; j--) {
        __m512d left = _mm512_load_pd(sower_normal_f64_table[j]);
        __m512d right = _mm512_load_pd(sower_normal_f64_table[j] + 8);
#pragma GCC unroll 4
        for (int i = 0; i < GROUP; i++) {
            __m512d c = _mm512_permutex2var_pd(left, octave[i], right);
            z[i] = j == SOWER_NORMAL_F64_DEGREE ? c : _mm512_fmadd_pd(z[i], d[i], c);
        }
    }
#pragma GCC unroll 4
    for (int i = 0; i < GROUP; i++) {
        z[i] = _mm512_castsi512_pd(_mm512_ternarylogic_epi64(_mm512_castpd_si512(z[i]), words[i],
                                                             _mm512_set1_epi64(INT64_MIN), 0xd2));
        if (__builtin_expect(low[i] != 0, 0)) {
            /* One vector in 4096 has a word so near to an end that its octave is in a later column. */
            _Alignas(64) uint64_t word[8];
            _Alignas(64) double value[8];
            _mm512_store_si512(word, words[i]);
            for (int lane = 0; lane < 8; lane++) {
                value[lane] = sower_normal_f64(word[lane]);
            }
            z[i] = _mm512_load_pd(value);
        }
    }
}

/* first + ⌊(word · span + ⌊span / 2⌋) / 2^64⌋, from the four products of the halves */
INLINE __m512i truncate_f64(const struct sower_law *law, __m512i word)
{
    __m512i span = _mm512_set1_epi64((long long)law->span64);
    __m512i half = _mm512_set1_epi64((long long)(law->span64 / 2));
    __m512i low_half = _mm512_set1_epi64(UINT32_MAX);
    __m512i word_high = _mm512_srli_epi64(word, 32);
    __m512i span_high = _mm512_srli_epi64(span, 32);
    __m512i low = _mm512_mul_epu32(word, span);
    __m512i middle = _mm512_add_epi64(_mm512_mul_epu32(word, span_high), _mm512_srli_epi64(low, 32));
    __m512i other = _mm512_add_epi64(_mm512_mul_epu32(word_high, span), _mm512_and_si512(middle, low_half));
    __m512i high = _mm512_add_epi64(_mm512_mul_epu32(word_high, span_high), _mm512_srli_epi64(middle, 32));
    high = _mm512_add_epi64(high, _mm512_srli_epi64(other, 32));
    low = _mm512_or_si512(_mm512_slli_epi64(other, 32), _mm512_and_si512(low, low_half));
    __mmask8 carry = _mm512_cmplt_epu64_mask(_mm512_add_epi64(low, half), half);
    high = _mm512_add_epi64(high, _mm512_set1_epi64((long long)law->first64));
    return _mm512_mask_add_epi64(high, carry, high, _mm512_set1_epi64(1));
}

INLINE __m512d clamp_f64(const struct sower_law *law, __m512d x)
{
    x = _mm512_max_pd(_mm512_set1_pd(law->low64), x);
    return _mm512_min_pd(_mm512_set1_pd(law->high64), x);
}

INLINE void law_f64(const struct sower_law *law, enum sower_method method, __m512i words[GROUP],
                    __m512d x[GROUP])
{
    bool uniform = method == SOWER_METHOD_UNIFORM || method == SOWER_METHOD_UNIFORM_CLAMPED;
    if (uniform) {
#pragma GCC unroll 4
        for (int i = 0; i < GROUP; i++) {
            __m512i odd = _mm512_or_si512(_mm512_srai_epi64(words[i], 10), _mm512_set1_epi64(1));
            x[i] = _mm512_mul_pd(_mm512_cvtepi64_pd(odd), _mm512_set1_pd(0x1p-53));
        }
    } else {
        if (method == SOWER_METHOD_TRUNCATED) {
#pragma GCC unroll 4
            for (int i = 0; i < GROUP; i++) {
                words[i] = truncate_f64(law, words[i]);
            }
        }
        normal_f64(words, x);
    }
#pragma GCC unroll 4
    for (int i = 0; i < GROUP; i++) {
        x[i] = _mm512_fmadd_pd(x[i], _mm512_set1_pd(law->scale64), _mm512_set1_pd(law->shift64));
        if (uniform || method == SOWER_METHOD_TRUNCATED) {
            x[i] = clamp_f64(law, x[i]);
        }
    }
}

/* The upper half of each f32, rounded to nearest even; the values are never NaN. */
INLINE __m256i bf16_from_f32(__m512 x)
{
    __m512i upper = _mm512_set_epi16(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 31, 29, 27, 25, 23, 21,
                                     19, 17, 15, 13, 11, 9, 7, 5, 3, 1);
    __m512i bits = _mm512_castps_si512(x);
    __mmask16 odd = _mm512_test_epi32_mask(bits, _mm512_set1_epi32(0x10000));
    bits = _mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff));
    bits = _mm512_mask_add_epi32(bits, odd, bits, _mm512_set1_epi32(1));
    return _mm512_castsi512_si256(_mm512_permutexvar_epi16(upper, bits));
}

/* The same rounding as in dtype.c. For a normal result the exponent is rebased and the mantissa rounded to
 * nearest even. For a subnormal result a number is added whose last bit equals the smallest step, so that the
 * addition rounds. */
INLINE __m128i f8_from_f32(__m512 x, int exponent_bits, int mantissa_bits, int largest)
{
    int dropped = 23 - mantissa_bits;
    int rebias = 127 - ((1 << (exponent_bits - 1)) - 1);
    __m512i bits = _mm512_castps_si512(x);
    __m512i magnitude = _mm512_and_si512(bits, _mm512_set1_epi32(INT32_MAX));
    __m512i odd = _mm512_and_si512(_mm512_srli_epi32(magnitude, (unsigned)dropped), _mm512_set1_epi32(1));
    int rounding = (1 << (dropped - 1)) - 1 - (rebias << 23);
    __m512i normal = _mm512_add_epi32(_mm512_add_epi32(magnitude, _mm512_set1_epi32(rounding)), odd);
    normal = _mm512_srli_epi32(normal, (unsigned)dropped);
    __m512i magic = _mm512_set1_epi32((rebias + dropped + 1) << 23);
    __m512 sum = _mm512_add_ps(_mm512_castsi512_ps(magnitude), _mm512_castsi512_ps(magic));
    __mmask16 small = _mm512_cmplt_epi32_mask(magnitude, _mm512_set1_epi32((rebias + 1) << 23));
    __m512i result = _mm512_mask_sub_epi32(normal, small, _mm512_castps_si512(sum), magic);
    result = _mm512_min_epi32(result, _mm512_set1_epi32(largest));
    return _mm512_cvtepi32_epi8(_mm512_or_si512(result, _mm512_slli_epi32(_mm512_srli_epi32(bits, 31), 7)));
}

/* Stores the wanted elements of one block. */
INLINE void store_f32(enum sower_dtype dtype, uint8_t *to, __mmask16 wanted, __m512 x)
{
    enum { rounding = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC };
    switch (dtype) {
    case SOWER_F16:
        _mm256_mask_storeu_epi16(to, wanted, _mm512_maskz_cvtps_ph(UINT16_MAX, x, rounding));
        return;
    case SOWER_BF16:
        _mm256_mask_storeu_epi16(to, wanted, bf16_from_f32(x));
        return;
    case SOWER_F8_E4M3:
        _mm_mask_storeu_epi8(to, wanted, f8_from_f32(x, 4, 3, 0x7e));
        return;
    case SOWER_F8_E5M2:
        _mm_mask_storeu_epi8(to, wanted, f8_from_f32(x, 5, 2, 0x7b));
        return;
    default:
        _mm512_mask_storeu_ps(to, wanted, x);
    }
}

/* Turns the words of a batch into elements, four blocks at a time, and stores the wanted elements. */
INLINE void convert(const struct sower_law *law, enum sower_method method, enum sower_dtype dtype,
                    const uint32_t *words, const struct sower_batch *batch)
{
    for (unsigned group = 0; group < batch->count; group += GROUP) {
        __m512i word[GROUP];
#pragma GCC unroll 4
        for (unsigned i = 0; i < GROUP; i++) {
            word[i] = _mm512_load_si512(words + SOWER_BLOCK_WORDS * (group + i));
        }
        if (dtype == SOWER_F64) {
            __m512d x[GROUP];
            law_f64(law, method, word, x);
#pragma GCC unroll 4
            for (unsigned i = 0; i < GROUP; i++) {
                _mm512_mask_storeu_pd(batch->elements[group + i], (__mmask8)batch->wanted[group + i], x[i]);
            }
        } else {
            __m512 x[GROUP];
            law_f32(law, method, word, x);
#pragma GCC unroll 4
            for (unsigned i = 0; i < GROUP; i++) {
                store_f32(dtype, batch->elements[group + i], batch->wanted[group + i], x[i]);
            }
        }
    }
}

KERNEL static void whole_batch(uint32_t block, uint8_t *elements, size_t step, struct sower_batch *batch)
{
    __m512i lane = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    __m512i lane_low = _mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0);
    __m512i lane_high = _mm512_set_epi64(15, 14, 13, 12, 11, 10, 9, 8);
    __m512i first = _mm512_set1_epi64((long long)(uintptr_t)elements);
    __m512i steps = _mm512_set1_epi64((long long)step);
    _mm512_store_si512(batch->block, _mm512_add_epi32(_mm512_set1_epi32((int)block), lane));
    _mm512_storeu_si512(batch->elements, _mm512_add_epi64(first, _mm512_mul_epu32(lane_low, steps)));
    _mm512_storeu_si512(batch->elements + 8, _mm512_add_epi64(first, _mm512_mul_epu32(lane_high, steps)));
    _mm256_storeu_si256((void *)batch->wanted, _mm256_set1_epi16(-1));
    batch->count = LANES;
}

static bool supported(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512cd");
}

#include "core/kernels/fill.inc"

const struct sower_kernel sower_kernel_avx512 = {
    .name = "avx512",
    .supported = supported,
    .fill_runs = fill_runs,
    .map = map,
};

#else
/* For other machines: C does not allow an empty translation unit. */
extern const struct sower_kernel sower_kernel_avx512;
#endif
