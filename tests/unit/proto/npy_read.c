/* Reading NumPy headers: a header that Sower writes gives the same dtype and shape; any other text is refused. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/format.h"
#include "proto/npy_read.h"

static void a_written_header_reads_back(void **state)
{
    (void)state;
    const struct sower_shape shapes[] = {
        {0}, {1, {7}}, {2, {3, 0}}, {8, {1, 2, 3, 4, 5, 6, 7, 8}}, {2, {1, (uint64_t)1 << 35}}};
    for (enum sower_dtype dtype = 0; dtype < SOWER_DTYPE_COUNT; dtype++) {
        for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
            struct sower_request request = {.format = SOWER_FORMAT_NPY};
            struct sower_body body;
            struct sower_npy npy;
            struct sower_problem problem;
            request.draw.dtype = dtype;
            request.region = sower_region_whole(&shapes[i]);
            sower_format_body(&request, &body);
            assert_true(sower_npy_is(body.prefix, body.prefix_size));
            assert_true(sower_npy_read(body.prefix, body.prefix_size, &npy, &problem));
            assert_int_equal(npy.header_size, body.prefix_size);
            assert_true(sower_npy_has_dtype(&npy, dtype));
            assert_int_equal(npy.shape.rank, shapes[i].rank);
            assert_memory_equal(npy.shape.sizes, shapes[i].sizes, shapes[i].rank * sizeof shapes[i].sizes[0]);
        }
    }
}

/* Reads a header of version 1.0 from a block of exactly its size, so that a read beyond its end is found. */
static bool read_text(const char *text, struct sower_npy *npy, struct sower_problem *problem)
{
    const size_t length = strlen(text), size = 10 + length;
    uint8_t *bytes = malloc(size);
    assert_non_null(bytes);
    memcpy(bytes, "\x93NUMPY\1\0", 8);
    bytes[8] = (uint8_t)length;
    bytes[9] = 0;
    memcpy(bytes + 10, text, length);
    bool read = sower_npy_read(bytes, size, npy, problem);
    for (size_t cut = 0; cut < size; cut++) {
        uint8_t *part = malloc(cut + 1);
        assert_non_null(part);
        memcpy(part, bytes, cut);
        assert_false(sower_npy_read(part, cut, npy, problem) && cut < size);
        free(part);
    }
    free(bytes);
    return read;
}

static void other_writers_order_and_space_the_members_otherwise(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }   \n",
        "{'shape':(3,4),'fortran_order':False,'descr':'<f4'}",
        "{ 'fortran_order' : False , 'shape' : ( 3 , 4 , ) , 'descr' : '<f4' }\n\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct sower_npy npy;
        struct sower_problem problem;
        if (!read_text(texts[i], &npy, &problem)) {
            fail_msg("%s: %s", texts[i], problem.sentence);
        }
    }
}

static void wrong_headers_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "{}",
        "{",
        "{,}",
        "{'",
        "{'descr'",
        "{'descr': '<f4', 'fortran_order': False}",
        "{'descr': '<f4', 'fortran_order': True, 'shape': (3,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (3,)} x",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), 'more': 1}",
        "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (3,)}",
        "{'descr': '<f4' 'fortran_order': False, 'shape': (3,)}",
        "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (3,)}",
        "{'descr': '<f45678901234567', 'fortran_order': False, 'shape': (3,)}",
        "{'descr': '<\\f4', 'fortran_order': False, 'shape': (3,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': 3}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (3 4)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-3,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (03,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (9223372036854775808,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct sower_npy npy;
        struct sower_problem problem;
        if (read_text(texts[i], &npy, &problem)) {
            fail_msg("%s", texts[i]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_written_header_reads_back),
        cmocka_unit_test(other_writers_order_and_space_the_members_otherwise),
        cmocka_unit_test(wrong_headers_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
