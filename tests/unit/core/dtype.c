#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "core/dtype.h"

static uint32_t narrow(enum sower_dtype dtype, float value)
{
    switch (dtype) {
    case SOWER_F16:
        return sower_f16_from_f32(value);
    case SOWER_BF16:
        return sower_bf16_from_f32(value);
    case SOWER_F8_E4M3:
        return sower_f8_e4m3_from_f32(value);
    default:
        return sower_f8_e5m2_from_f32(value);
    }
}

static double widen(enum sower_dtype dtype, uint32_t bits)
{
    uint16_t half = (uint16_t)bits;
    uint8_t byte = (uint8_t)bits;
    double value;
    sower_dtype_widen(dtype, sower_dtype_size(dtype) == 1 ? (const void *)&byte : (const void *)&half, 1,
                      &value);
    return value;
}

static const enum sower_dtype narrow_types[] = {SOWER_F16, SOWER_BF16, SOWER_F8_E4M3, SOWER_F8_E5M2};

/* The number of finite non-negative patterns; they are the first patterns, in ascending order. */
static uint32_t finite_patterns(enum sower_dtype dtype)
{
    uint32_t bits = 0;
    while (isfinite(widen(dtype, bits))) {
        bits++;
    }
    return bits;
}

static void every_pattern_survives_widening_and_narrowing(void **state)
{
    (void)state;
    for (size_t t = 0; t < 4; t++) {
        uint32_t patterns = UINT32_C(1) << (8 * sower_dtype_size(narrow_types[t]));
        for (uint32_t bits = 0; bits < patterns; bits++) {
            double value = widen(narrow_types[t], bits);
            if (isnan(value)) {
                assert_true(isnan(widen(narrow_types[t], narrow(narrow_types[t], (float)value))));
            } else if (isfinite(value) || narrow_types[t] == SOWER_F16 || narrow_types[t] == SOWER_BF16) {
                assert_int_equal(narrow(narrow_types[t], (float)value), bits);
            }
        }
    }
}

/* Between each two neighbours: a number just below the middle rounds down, a number just above it rounds
 * up, and the middle rounds to the even neighbour. */
static void narrowing_rounds_to_nearest_even(void **state)
{
    (void)state;
    for (size_t t = 0; t < 4; t++) {
        enum sower_dtype dtype = narrow_types[t];
        uint32_t sign = UINT32_C(1) << (8 * sower_dtype_size(dtype) - 1);
        for (uint32_t bits = 0; bits + 1 < finite_patterns(dtype); bits++) {
            float middle = (float)((widen(dtype, bits) + widen(dtype, bits + 1)) / 2);
            assert_int_equal(narrow(dtype, nextafterf(middle, 0)), bits);
            assert_int_equal(narrow(dtype, nextafterf(middle, INFINITY)), bits + 1);
            assert_int_equal(narrow(dtype, middle), bits + (bits & 1));
            assert_int_equal(narrow(dtype, -middle), sign | (bits + (bits & 1)));
        }
    }
}

static void the_formats_have_their_published_ranges(void **state)
{
    (void)state;
    assert_true(widen(SOWER_F16, 0x7bff) == 65504);
    assert_true(widen(SOWER_F16, 1) == 0x1p-24);
    assert_true(widen(SOWER_BF16, 0x3f80) == 1);
    assert_true(widen(SOWER_F8_E4M3, 0x7e) == 448);
    assert_true(widen(SOWER_F8_E4M3, 0x08) == 0x1p-6);
    assert_true(widen(SOWER_F8_E4M3, 1) == 0x1p-9);
    assert_true(isnan(widen(SOWER_F8_E4M3, 0x7f)) && isnan(widen(SOWER_F8_E4M3, 0xff)));
    assert_true(widen(SOWER_F8_E5M2, 0x7b) == 57344);
    assert_true(widen(SOWER_F8_E5M2, 1) == 0x1p-16);
    assert_true(isinf(widen(SOWER_F8_E5M2, 0xfc)) && widen(SOWER_F8_E5M2, 0xfc) < 0);
}

static void f8_saturates_and_the_wider_types_overflow_to_infinity(void **state)
{
    (void)state;
    const float large[] = {1e9f, 3e38f, INFINITY};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(sower_f8_e4m3_from_f32(large[i]), 0x7e);
        assert_int_equal(sower_f8_e4m3_from_f32(-large[i]), 0xfe);
        assert_int_equal(sower_f8_e5m2_from_f32(large[i]), 0x7b);
        assert_int_equal(sower_f8_e5m2_from_f32(-large[i]), 0xfb);
        assert_int_equal(sower_f16_from_f32(large[i]), 0x7c00);
        assert_int_equal(sower_f16_from_f32(-large[i]), 0xfc00);
    }
    assert_int_equal(sower_f16_from_f32(65519.996f), 0x7bff);
    assert_int_equal(sower_f16_from_f32(65520.0f), 0x7c00);
    assert_int_equal(sower_bf16_from_f32(3.4028235e38f), 0x7f80);
}

static void nan_stays_nan_and_zeros_keep_their_sign(void **state)
{
    (void)state;
    for (size_t t = 0; t < 4; t++) {
        uint32_t sign = UINT32_C(1) << (8 * sower_dtype_size(narrow_types[t]) - 1);
        assert_true(isnan(widen(narrow_types[t], narrow(narrow_types[t], NAN))));
        assert_true(isnan(widen(narrow_types[t], narrow(narrow_types[t], -NAN))));
        assert_int_equal(narrow(narrow_types[t], 0.0f), 0);
        assert_int_equal(narrow(narrow_types[t], -0.0f), sign);
        assert_int_equal(narrow(narrow_types[t], -1e-45f), sign);
    }
}

static void only_known_names_parse(void **state)
{
    (void)state;
    enum sower_dtype dtype;
    for (int i = 0; i < SOWER_DTYPE_COUNT; i++) {
        assert_true(sower_dtype_parse(sower_dtype_name((enum sower_dtype)i), &dtype));
        assert_int_equal(dtype, i);
    }
    assert_true(sower_dtype_parse("bfloat16", &dtype) && dtype == SOWER_BF16);
    assert_true(sower_dtype_parse("float8_e4m3fn", &dtype) && dtype == SOWER_F8_E4M3);
    assert_true(sower_dtype_parse("half", &dtype) && dtype == SOWER_F16);
    assert_true(sower_dtype_parse("BF16", &dtype) && dtype == SOWER_BF16);
    assert_true(sower_dtype_parse("F8_E4M3", &dtype) && dtype == SOWER_F8_E4M3);
    assert_true(sower_dtype_parse("torch.bfloat16", &dtype) && dtype == SOWER_BF16);
    assert_true(sower_dtype_parse("torch.float", &dtype) && dtype == SOWER_F32);
    assert_true(sower_dtype_parse("jnp.float32", &dtype) && dtype == SOWER_F32);
    assert_true(sower_dtype_parse("jax.numpy.float8_e5m2", &dtype) && dtype == SOWER_F8_E5M2);
    assert_true(sower_dtype_parse("np.float16", &dtype) && dtype == SOWER_F16);
    assert_true(sower_dtype_parse("numpy.double", &dtype) && dtype == SOWER_F64);
    assert_false(sower_dtype_parse("", &dtype));
    assert_false(sower_dtype_parse("np.float", &dtype)); /* had 64 bits */
    assert_false(sower_dtype_parse("np.bfloat16", &dtype));
    assert_false(sower_dtype_parse("torch.single", &dtype));
    assert_false(sower_dtype_parse("torch.f32", &dtype));
    assert_false(sower_dtype_parse("torch.F32", &dtype));
    assert_false(sower_dtype_parse("torch.", &dtype));
    assert_false(sower_dtype_parse("torch.torch.half", &dtype));
    assert_false(sower_dtype_parse("torch.float8_e4m3fnuz", &dtype));
    assert_false(sower_dtype_parse("bf16_", &dtype));
    assert_false(sower_dtype_parse("f32 ", &dtype));
    assert_false(sower_dtype_parse("int32", &dtype));
}

static void arrays_widen_and_narrow_element_by_element(void **state)
{
    (void)state;
    const double values[] = {0, -0.0, 1, -1.5, 0.25, 57344, -2, 3};
    for (int i = 0; i < SOWER_DTYPE_COUNT; i++) {
        enum sower_dtype dtype = (enum sower_dtype)i;
        uint8_t elements[sizeof values];
        double back[8];
        size_t count = dtype == SOWER_F8_E4M3 ? 5 : 8;
        sower_dtype_narrow(dtype, values, count, elements);
        sower_dtype_widen(dtype, elements, count, back);
        assert_memory_equal(back, values, count * sizeof *values);
    }
}

/* 1 + 2^-11 + 2^-40 is above the middle of two f16, but rounding to f32 first gives the middle. */
static void doubles_round_to_f32_before_the_narrower_types(void **state)
{
    (void)state;
    double value = 1 + 0x1p-11 + 0x1p-40;
    uint16_t element;
    sower_dtype_narrow(SOWER_F16, &value, 1, &element);
    assert_int_equal(element, 0x3c00);
}

static void the_wire_order_is_little_endian(void **state)
{
    (void)state;
    double value = 1.0;
    uint8_t elements[8];
    const uint8_t f64[] = {0, 0, 0, 0, 0, 0, 0xf0, 0x3f}, f32[] = {0, 0, 0x80, 0x3f}, f16[] = {0, 0x3c};
    sower_dtype_narrow(SOWER_F64, &value, 1, elements);
    sower_dtype_swap_to_wire(SOWER_F64, elements, 1);
    assert_memory_equal(elements, f64, sizeof f64);
    sower_dtype_narrow(SOWER_F32, &value, 1, elements);
    sower_dtype_swap_to_wire(SOWER_F32, elements, 1);
    assert_memory_equal(elements, f32, sizeof f32);
    sower_dtype_narrow(SOWER_F16, &value, 1, elements);
    sower_dtype_swap_to_wire(SOWER_F16, elements, 1);
    assert_memory_equal(elements, f16, sizeof f16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_pattern_survives_widening_and_narrowing),
        cmocka_unit_test(narrowing_rounds_to_nearest_even),
        cmocka_unit_test(the_formats_have_their_published_ranges),
        cmocka_unit_test(f8_saturates_and_the_wider_types_overflow_to_infinity),
        cmocka_unit_test(nan_stays_nan_and_zeros_keep_their_sign),
        cmocka_unit_test(only_known_names_parse),
        cmocka_unit_test(arrays_widen_and_narrow_element_by_element),
        cmocka_unit_test(doubles_round_to_f32_before_the_narrower_types),
        cmocka_unit_test(the_wire_order_is_little_endian),
    };
    return cmocka_run_group_tests_name("dtype", tests, NULL, NULL);
}
