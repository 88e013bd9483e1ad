#include "core/dtype.h"

#include <math.h>
#include <string.h>

#include "core/environment.h"

static const struct {
    const char *name;
    size_t size;
    double largest;
} types[SOWER_DTYPE_COUNT] = {
    [SOWER_F64] = {"f64", 8, 0x1.fffffffffffffp1023},
    [SOWER_F32] = {"f32", 4, 0x1.fffffep127},
    [SOWER_F16] = {"f16", 2, 65504},
    [SOWER_BF16] = {"bf16", 2, 0x1.fep127},
    [SOWER_F8_E4M3] = {"f8_e4m3", 1, 448},
    [SOWER_F8_E5M2] = {"f8_e5m2", 1, 57344},
};

/* Where a name of a type is used: alone, or after the prefix of a framework. */
enum { ALONE = 1, TORCH = 2, NUMPY = 4, JAX = 8 };

/* The other names of the types. Those in capitals are safetensors'. A name without a framework may be ambiguous
 * with it: `float` is PyTorch's, but NumPy's `float` has 64 bits. */
static const struct {
    const char *name;
    enum sower_dtype dtype;
    unsigned places;
} aliases[] = {
    {"float64", SOWER_F64, ALONE | TORCH | NUMPY | JAX},
    {"double", SOWER_F64, ALONE | TORCH | NUMPY | JAX},
    {"F64", SOWER_F64, ALONE},
    {"float32", SOWER_F32, ALONE | TORCH | NUMPY | JAX},
    {"float", SOWER_F32, ALONE | TORCH},
    {"single", SOWER_F32, NUMPY | JAX},
    {"F32", SOWER_F32, ALONE},
    {"float16", SOWER_F16, ALONE | TORCH | NUMPY | JAX},
    {"half", SOWER_F16, ALONE | TORCH | NUMPY},
    {"F16", SOWER_F16, ALONE},
    {"bfloat16", SOWER_BF16, ALONE | TORCH | JAX},
    {"BF16", SOWER_BF16, ALONE},
    {"f8_e4m3fn", SOWER_F8_E4M3, ALONE},
    {"float8_e4m3fn", SOWER_F8_E4M3, ALONE | TORCH | JAX},
    {"F8_E4M3", SOWER_F8_E4M3, ALONE},
    {"float8_e5m2", SOWER_F8_E5M2, ALONE | TORCH | JAX},
    {"F8_E5M2", SOWER_F8_E5M2, ALONE},
};

static const struct {
    const char *prefix;
    unsigned place;
} prefixes[] = {
    {"torch.", TORCH}, {"np.", NUMPY}, {"numpy.", NUMPY}, {"jnp.", JAX}, {"jax.numpy.", JAX},
};

/* A floating-point format narrower than f32: 1 + exponent_bits + mantissa_bits bits. */
struct format {
    unsigned exponent_bits;
    unsigned mantissa_bits;
    uint32_t largest;  /* the largest finite magnitude */
    uint32_t overflow; /* the result when a magnitude rounds to more than `largest` */
    uint32_t nan;
};

static const struct format f16 = {5, 10, 0x7bff, 0x7c00, 0x7e00};
static const struct format f8_e4m3 = {4, 3, 0x7e, 0x7e, 0x7f};
static const struct format f8_e5m2 = {5, 2, 0x7b, 0x7b, 0x7e};

size_t sower_dtype_size(enum sower_dtype dtype)
{
    return types[dtype].size;
}

size_t sower_dtype_word_size(enum sower_dtype dtype)
{
    return dtype == SOWER_F64 ? 8 : 4;
}

double sower_dtype_largest(enum sower_dtype dtype)
{
    return types[dtype].largest;
}

const char *sower_dtype_name(enum sower_dtype dtype)
{
    return types[dtype].name;
}

bool sower_dtype_parse(const char *name, enum sower_dtype *dtype)
{
    for (int i = 0; i < SOWER_DTYPE_COUNT; i++) {
        if (strcmp(name, types[i].name) == 0) {
            *dtype = (enum sower_dtype)i;
            return true;
        }
    }
    unsigned place = ALONE;
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0] && place == ALONE; i++) {
        if (strncmp(name, prefixes[i].prefix, strlen(prefixes[i].prefix)) == 0) {
            place = prefixes[i].place;
            name += strlen(prefixes[i].prefix);
        }
    }
    for (size_t i = 0; i < sizeof aliases / sizeof aliases[0]; i++) {
        if ((aliases[i].places & place) != 0 && strcmp(name, aliases[i].name) == 0) {
            *dtype = aliases[i].dtype;
            return true;
        }
    }
    return false;
}

static uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static float float_of(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* bits / 2^shift, rounded to nearest even. */
static uint32_t shift_to_even(uint32_t bits, unsigned shift)
{
    uint32_t odd = (bits >> shift) & 1u;
    return (bits + (UINT32_C(1) << (shift - 1)) - 1u + odd) >> shift;
}

static uint32_t narrow(const struct format *format, float value)
{
    uint32_t bits = bits_of(value);
    uint32_t sign = bits >> 31 << (format->exponent_bits + format->mantissa_bits);
    uint32_t magnitude = bits & 0x7fffffffu;
    if (magnitude > 0x7f800000u) {
        return sign | format->nan;
    }
    unsigned dropped = 23 - format->mantissa_bits;
    uint32_t rebias = 127u - ((1u << (format->exponent_bits - 1)) - 1u);
    uint32_t exponent = magnitude >> 23;
    uint32_t result = 0;
    if (exponent > rebias) {
        result = shift_to_even(magnitude - (rebias << 23), dropped);
    } else if (exponent + 24 > rebias + dropped) {
        /* Below the smallest normal number the step size is constant, so more bits are dropped: at most
         * all 24. A denormal f32 is far below half a step, so its result stays 0. */
        uint32_t significand = (magnitude & 0x7fffffu) | 0x800000u;
        result = shift_to_even(significand, dropped + 1 + rebias - exponent);
    }
    return sign | (result > format->largest ? format->overflow : result);
}

uint16_t sower_f16_from_f32(float value)
{
    return (uint16_t)narrow(&f16, value);
}

uint16_t sower_bf16_from_f32(float value)
{
    uint32_t bits = bits_of(value);
    if ((bits & 0x7fffffffu) > 0x7f800000u) {
        return (uint16_t)(bits >> 16 | 0x40u);
    }
    return (uint16_t)shift_to_even(bits, 16);
}

uint8_t sower_f8_e4m3_from_f32(float value)
{
    return (uint8_t)narrow(&f8_e4m3, value);
}

uint8_t sower_f8_e5m2_from_f32(float value)
{
    return (uint8_t)narrow(&f8_e5m2, value);
}

static double widen(const struct format *format, uint32_t bits)
{
    uint32_t mantissa_mask = (1u << format->mantissa_bits) - 1u;
    uint32_t exponent_mask = (1u << format->exponent_bits) - 1u;
    uint32_t mantissa = bits & mantissa_mask;
    uint32_t exponent = bits >> format->mantissa_bits & exponent_mask;
    double sign = bits >> (format->exponent_bits + format->mantissa_bits) ? -1.0 : 1.0;
    int bias = (int)(exponent_mask >> 1);
    bool has_infinity = format->largest + 1 == exponent_mask << format->mantissa_bits;
    if (exponent == exponent_mask && (has_infinity || mantissa == mantissa_mask)) {
        return has_infinity && mantissa == 0 ? sign * (double)INFINITY : (double)NAN;
    }
    int power = (exponent ? (int)exponent : 1) - bias - (int)format->mantissa_bits;
    uint32_t significand = exponent ? mantissa | (mantissa_mask + 1u) : mantissa;
    return sign * ldexp((double)significand, power);
}

static double widen_one(enum sower_dtype dtype, const unsigned char *element)
{
    uint16_t half;
    float single;
    double value;
    switch (dtype) {
    case SOWER_F64:
        memcpy(&value, element, sizeof value);
        return value;
    case SOWER_F16:
        memcpy(&half, element, sizeof half);
        return widen(&f16, half);
    case SOWER_BF16:
        memcpy(&half, element, sizeof half);
        return (double)float_of((uint32_t)half << 16);
    case SOWER_F8_E4M3:
        return widen(&f8_e4m3, *element);
    case SOWER_F8_E5M2:
        return widen(&f8_e5m2, *element);
    case SOWER_F32:
    case SOWER_DTYPE_COUNT:
        break;
    }
    memcpy(&single, element, sizeof single);
    return (double)single;
}

void sower_dtype_widen(enum sower_dtype dtype, const void *elements, size_t count, double *values)
{
    const struct sower_environment found = sower_environment_enter();
    const unsigned char *element = elements;
    for (size_t i = 0; i < count; i++) {
        values[i] = widen_one(dtype, element);
        element += types[dtype].size;
    }
    sower_environment_leave(&found);
}

void sower_dtype_store(enum sower_dtype dtype, float value, void *element)
{
    uint16_t half;
    uint8_t byte;
    switch (dtype) {
    case SOWER_F16:
    case SOWER_BF16:
        half = dtype == SOWER_F16 ? sower_f16_from_f32(value) : sower_bf16_from_f32(value);
        memcpy(element, &half, sizeof half);
        return;
    case SOWER_F8_E4M3:
    case SOWER_F8_E5M2:
        byte = dtype == SOWER_F8_E4M3 ? sower_f8_e4m3_from_f32(value) : sower_f8_e5m2_from_f32(value);
        memcpy(element, &byte, sizeof byte);
        return;
    case SOWER_F32:
    case SOWER_F64:
    case SOWER_DTYPE_COUNT:
        break;
    }
    memcpy(element, &value, sizeof value);
}

void sower_dtype_narrow(enum sower_dtype dtype, const double *values, size_t count, void *elements)
{
    unsigned char *element = elements;
    if (dtype == SOWER_F64) {
        memcpy(elements, values, count * sizeof *values);
        return;
    }
    const struct sower_environment found = sower_environment_enter();
    for (size_t i = 0; i < count; i++) {
        sower_dtype_store(dtype, (float)values[i], element);
        element += types[dtype].size;
    }
    sower_environment_leave(&found);
}

void sower_dtype_swap_to_wire(enum sower_dtype dtype, void *elements, size_t count)
{
    static const uint16_t probe = 1;
    size_t size = types[dtype].size;
    unsigned char *element = elements;
    if (*(const unsigned char *)&probe == 1 || size == 1) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        for (size_t low = 0, high = size - 1; low < high; low++, high--) {
            unsigned char byte = element[low];
            element[low] = element[high];
            element[high] = byte;
        }
        element += size;
    }
}
