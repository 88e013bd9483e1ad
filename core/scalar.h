/* The laws for one word at a time, as inline code.
 *
 * law.c and normal.c make functions from it for all callers. A kernel that needs a law for single words
 * includes this header itself, so that fma compiles to an instruction of the kernel's instruction set
 * and not to a call. */
#ifndef SOWER_CORE_SCALAR_H
#define SOWER_CORE_SCALAR_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/law.h"
#include "core/normal_table.h"

#define SOWER_INLINE static inline __attribute__((always_inline))

__extension__ typedef unsigned __int128 sower_product128;

SOWER_INLINE float sower_inline_normal_f32(uint32_t word)
{
    bool negative = word < UINT32_C(0x80000000);
    uint32_t r = negative ? word : ~word;
    int n = __builtin_clz(r | 1u);
    /* Both are below 2^31, so the signed difference is exact. */
    int32_t distance = (int32_t)r - (int32_t)sower_normal_f32_centre[n];
    float d = (float)distance * SOWER_NORMAL_F32_SCALE;
    float z = sower_normal_f32_table[SOWER_NORMAL_F32_DEGREE][n];
#pragma GCC unroll 8
    for (int j = SOWER_NORMAL_F32_DEGREE - 1; j >= 0; j--) {
        z = fmaf(z, d, sower_normal_f32_table[j][n]);
    }
    return negative ? -z : z;
}

SOWER_INLINE double sower_inline_normal_f64(uint64_t word)
{
    bool negative = word < UINT64_C(0x8000000000000000);
    uint64_t r = negative ? word : ~word;
    int n = __builtin_clzll(r | 1u);
    int64_t distance = (int64_t)r - (int64_t)sower_normal_f64_centre[n];
    double d = (double)distance * SOWER_NORMAL_F64_SCALE;
    double z = sower_normal_f64_table[SOWER_NORMAL_F64_DEGREE][n];
#pragma GCC unroll 20
    for (int j = SOWER_NORMAL_F64_DEGREE - 1; j >= 0; j--) {
        z = fma(z, d, sower_normal_f64_table[j][n]);
    }
    return negative ? -z : z;
}

/* 2s + 1 has 24 bits and the power of two is exact, so c is. */
SOWER_INLINE float sower_inline_uniform_f32(uint32_t word)
{
    int32_t odd = (int32_t)(word >> 8 << 1 | 1u) - (word >> 31 ? INT32_C(0x2000000) : 0);
    return (float)odd * 0x1p-24f;
}

SOWER_INLINE double sower_inline_uniform_f64(uint64_t word)
{
    int64_t odd = (int64_t)(word >> 11 << 1 | 1u) - (word >> 63 ? INT64_C(0x40000000000000) : 0);
    return (double)odd * 0x1p-53;
}

SOWER_INLINE float sower_inline_clamp_f32(const struct sower_law *law, float x)
{
    x = x < law->low ? law->low : x;
    return x > law->high ? law->high : x;
}

SOWER_INLINE double sower_inline_clamp_f64(const struct sower_law *law, double x)
{
    x = x < law->low64 ? law->low64 : x;
    return x > law->high64 ? law->high64 : x;
}

SOWER_INLINE float sower_inline_law_f32(const struct sower_law *law, uint32_t word)
{
    uint32_t inside;
    switch (law->kind) {
    case SOWER_LAW_UNIFORM:
        return sower_inline_clamp_f32(law, fmaf(sower_inline_uniform_f32(word), law->scale, law->shift));
    case SOWER_LAW_NORMAL:
        return fmaf(sower_inline_normal_f32(word), law->scale, law->shift);
    case SOWER_LAW_TRUNCATED_NORMAL:
        inside = law->first + (uint32_t)(((uint64_t)word * law->span + law->span / 2) >> 32);
        return sower_inline_clamp_f32(law, fmaf(sower_inline_normal_f32(inside), law->scale, law->shift));
    case SOWER_LAW_CONSTANT:
    case SOWER_LAW_COUNT:
        break;
    }
    return law->shift;
}

SOWER_INLINE double sower_inline_law_f64(const struct sower_law *law, uint64_t word)
{
    uint64_t inside;
    switch (law->kind64) {
    case SOWER_LAW_UNIFORM:
        return sower_inline_clamp_f64(law, fma(sower_inline_uniform_f64(word), law->scale64, law->shift64));
    case SOWER_LAW_NORMAL:
        return fma(sower_inline_normal_f64(word), law->scale64, law->shift64);
    case SOWER_LAW_TRUNCATED_NORMAL:
        inside = law->first64 + (uint64_t)(((sower_product128)word * law->span64 + law->span64 / 2) >> 64);
        return sower_inline_clamp_f64(law, fma(sower_inline_normal_f64(inside), law->scale64, law->shift64));
    case SOWER_LAW_CONSTANT:
    case SOWER_LAW_COUNT:
        break;
    }
    return law->shift64;
}

#endif
