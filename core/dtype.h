/* Element types: how one number of a tensor becomes bytes.
 *
 * All types of at most 32 bits come from the same f32 value, rounded once, to nearest even. f64 uses 64-bit
 * words of the stream. bf16 is the upper half of an f32. The two f8 types are those of Micikevicius et al.,
 * "FP8 formats for deep learning" (2022): e4m3 (no infinities; NaN only as all ones; other software calls it
 * "e4m3fn") and e5m2 (like IEEE 754). Rounding to f8 saturates to the largest finite value. */
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

/* Bytes of the stream that one element uses: 8 for f64, 4 for every other type. */
size_t sower_dtype_word_size(enum sower_dtype dtype);

/* The largest finite number. */
double sower_dtype_largest(enum sower_dtype dtype);

/* The canonical short name: "f64", "f32", "f16", "bf16", "f8_e4m3", "f8_e5m2". Never NULL. */
const char *sower_dtype_name(enum sower_dtype dtype);

/* Accepts the canonical names, those of the frameworks ("float32", "half", "torch.bfloat16", "np.float32",
 * "jnp.bfloat16", …) and those of safetensors ("BF16"), in exactly this spelling. Returns false for anything else;
 * *dtype is then unchanged. */
SOWER_MUST_USE bool sower_dtype_parse(const char *name, enum sower_dtype *dtype);

/* Rounds one f32 value once, to nearest even. The result is the bit pattern of the type. NaN stays NaN. */
uint16_t sower_f16_from_f32(float value);
uint16_t sower_bf16_from_f32(float value);
uint8_t sower_f8_e4m3_from_f32(float value);
uint8_t sower_f8_e5m2_from_f32(float value);

/* Writes one f32 value as an element of `dtype`, any but f64, in host byte order. */
void sower_dtype_store(enum sower_dtype dtype, float value, void *element);

/* Converts `count` elements of `dtype` in host byte order to double (exact). */
void sower_dtype_widen(enum sower_dtype dtype, const void *elements, size_t count, double *values);

/* Rounds `count` doubles to `dtype`, in host byte order, as the contract says: for types of at most 32 bits
 * first to f32, then for the narrower types once more from f32. */
void sower_dtype_narrow(enum sower_dtype dtype, const double *values, size_t count, void *elements);

/* Converts `count` elements in place from host byte order to little-endian, the byte order of every response,
 * or back. Does nothing on a little-endian machine. */
void sower_dtype_swap_to_wire(enum sower_dtype dtype, void *elements, size_t count);

#endif
