/* Element types: how one number of a tensor is laid out in bytes.
 *
 * Every type of 32 bits or fewer is made from the same f32 value, rounded once, to nearest even; f64 is made
 * from 64-bit words of its own. bf16 is the upper half of an f32. The two f8 types are those of Micikevicius
 * et al., "FP8 formats for deep learning" (2022): e4m3 (no infinities, NaN only as all ones; written "e4m3fn"
 * elsewhere), e5m2 (IEEE-like). Rounding to f8 saturates to the largest finite value. */
#ifndef SOWER_CORE_DTYPE_H
#define SOWER_CORE_DTYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/attributes.h"

enum sower_dtype {
    SOWER_F64,
    SOWER_F32,
    SOWER_F16,
    SOWER_BF16,
    SOWER_F8_E4M3,
    SOWER_F8_E5M2,
    SOWER_DTYPE_COUNT,
};

/* Bytes of one element: 8, 4, 2 or 1. */
size_t sower_dtype_size(enum sower_dtype dtype);

/* Bytes that one element takes from the stream: 8 for f64, 4 for every other type. */
size_t sower_dtype_word_size(enum sower_dtype dtype);

/* The largest finite number. */
double sower_dtype_largest(enum sower_dtype dtype);

/* The canonical short name: "f64", "f32", "f16", "bf16", "f8_e4m3", "f8_e5m2". Never NULL. */
const char *sower_dtype_name(enum sower_dtype dtype);

/* Accepts the canonical name and the frameworks' own ("float32", "float", "bfloat16", "half",
 * "float8_e4m3fn", …), exactly as spelt. Returns false for anything else. */
SOWER_MUST_USE bool sower_dtype_parse(const char *name, enum sower_dtype *dtype);

/* One f32 value rounded once to nearest even; the result is the type's bit pattern in the low bits. NaN stays
 * NaN. */
uint16_t sower_f16_from_f32(float value);
uint16_t sower_bf16_from_f32(float value);
uint8_t sower_f8_e4m3_from_f32(float value);
uint8_t sower_f8_e5m2_from_f32(float value);

/* Writes one f32 value as an element of `dtype`, any but f64, in host byte order. */
void sower_dtype_store(enum sower_dtype dtype, float value, void *element);

/* The value of `count` elements of `dtype` in host byte order, widened to double (exact). */
void sower_dtype_widen(enum sower_dtype dtype, const void *elements, size_t count, double *values);

/* `count` doubles rounded to `dtype` in host byte order: once to f32 for the types of 32 bits and fewer, and
 * from there once more to the narrower ones, as the contract has it. */
void sower_dtype_narrow(enum sower_dtype dtype, const double *values, size_t count, void *elements);

/* Turns `count` elements in place from host byte order to little-endian, the order of every answer, or back;
 * nothing to do on a little-endian machine. */
void sower_dtype_swap_to_wire(enum sower_dtype dtype, void *elements, size_t count);

#endif
