#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "proto/format.h"

static struct sower_body body_of(enum sower_dtype dtype, struct sower_shape shape, enum sower_format format)
{
    struct sower_request request = {
        .draw = {.shape = shape, .dtype = dtype},
        .region = sower_region_whole(&shape),
        .format = format,
    };
    struct sower_body body;
    sower_format_body(&request, &body);
    return body;
}

/* Expected headers: numpy.lib.format.write_array_header_1_0 of NumPy 1.24, written as the length of the padding. */
static void an_npy_header_is_what_numpy_writes(void **state)
{
    (void)state;
    static const struct {
        struct sower_shape shape;
        const char *dictionary;
        size_t size;
    } cases[] = {
        {{0}, "{'descr': '<f4', 'fortran_order': False, 'shape': (), }", 128},
        {{1, {3}}, "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }", 128},
        {{2, {4096, 4096}}, "{'descr': '<f4', 'fortran_order': False, 'shape': (4096, 4096), }", 128},
        {{3, {5, 0, 2}}, "{'descr': '<f4', 'fortran_order': False, 'shape': (5, 0, 2), }", 128},
        /* with space for the first axis to grow to 21 digits: 127 bytes, which one space completes, and 128,
         * which NumPy pads by 64 more */
        {{8, {1, 10, 10, 10, 10, 10, 100000000000000, 0}},
         "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 10, 10, 10, 10, 10, 100000000000000, 0), }",
         128},
        {{8, {1, 10, 10, 10, 10, 10, 1000000000000000, 0}},
         "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 10, 10, 10, 10, 10, 1000000000000000, 0), }",
         192},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sower_body body = body_of(SOWER_F32, cases[i].shape, SOWER_FORMAT_NPY);
        size_t length = strlen(cases[i].dictionary);
        assert_int_equal(body.prefix_size, cases[i].size);
        assert_memory_equal(body.prefix, "\x93NUMPY\x01\x00", 8);
        assert_int_equal(body.prefix[8] | body.prefix[9] << 8, cases[i].size - 10);
        assert_memory_equal(body.prefix + 10, cases[i].dictionary, length);
        for (size_t at = 10 + length; at < cases[i].size - 1; at++) {
            assert_int_equal(body.prefix[at], ' ');
        }
        assert_int_equal(body.prefix[cases[i].size - 1], '\n');
    }
}

static void the_largest_header_fits_and_is_aligned(void **state)
{
    (void)state;
    struct sower_shape shape = {.rank = 8};
    for (size_t axis = 0; axis < 7; axis++) {
        shape.sizes[axis] = SOWER_SIZE_MAX;
    }
    struct sower_body body = body_of(SOWER_F32, shape, SOWER_FORMAT_NPY);
    assert_true(body.prefix_size <= SOWER_PREFIX_MAX);
    assert_int_equal(body.prefix_size % 64, 0);
    assert_int_equal(body.data_size, 0);
    for (size_t rank = 0; rank <= 8; rank++) {
        for (uint64_t size = 1; size < UINT64_C(1) << 60; size *= 10) {
            struct sower_shape other = {.rank = rank, .sizes = {size, 0, size, 1, size, 1, 1, 1}};
            assert_int_equal(body_of(SOWER_F32, other, SOWER_FORMAT_NPY).prefix_size % 64, 0);
        }
    }
}

static void every_dtype_has_its_descr(void **state)
{
    (void)state;
    static const char *const descr[SOWER_DTYPE_COUNT] = {
        [SOWER_F64] = "<f8",  [SOWER_F32] = "<f4",     [SOWER_F16] = "<f2",
        [SOWER_BF16] = "<V2", [SOWER_F8_E4M3] = "|V1", [SOWER_F8_E5M2] = "|V1",
    };
    for (enum sower_dtype dtype = 0; dtype < SOWER_DTYPE_COUNT; dtype++) {
        struct sower_body body = body_of(dtype, (struct sower_shape){1, {3}}, SOWER_FORMAT_NPY);
        char expected[32];
        snprintf(expected, sizeof expected, "{'descr': '%s',", descr[dtype]);
        assert_memory_equal(body.prefix + 10, expected, strlen(expected));
        assert_int_equal(body.data_size, 3 * sower_dtype_size(dtype));
    }
}

static void a_slice_has_a_header_of_its_own_shape(void **state)
{
    (void)state;
    struct sower_request request = {
        .draw = {.shape = {2, {10, 7}}, .dtype = SOWER_F32},
        .region = {2, {2, 0}, {5, 7}},
        .format = SOWER_FORMAT_NPY,
    };
    struct sower_body body;
    sower_format_body(&request, &body);
    assert_non_null(strstr((const char *)body.prefix + 10, "'shape': (3, 7), }"));
    assert_int_equal(body.data_size, 3 * 7 * 4);
}

static void raw_has_no_prefix(void **state)
{
    (void)state;
    struct sower_body body = body_of(SOWER_F16, (struct sower_shape){2, {3, 5}}, SOWER_FORMAT_RAW);
    assert_int_equal(body.prefix_size, 0);
    assert_int_equal(body.data_size, 30);
    assert_string_equal(sower_format_name(SOWER_FORMAT_RAW), "raw");
    assert_string_equal(sower_format_media_type(SOWER_FORMAT_RAW), "application/octet-stream");
    assert_string_equal(sower_format_name(SOWER_FORMAT_NPY), "npy");
    assert_string_equal(sower_format_media_type(SOWER_FORMAT_NPY), "application/x-npy");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_npy_header_is_what_numpy_writes),
        cmocka_unit_test(the_largest_header_fits_and_is_aligned),
        cmocka_unit_test(every_dtype_has_its_descr),
        cmocka_unit_test(a_slice_has_a_header_of_its_own_shape),
        cmocka_unit_test(raw_has_no_prefix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
