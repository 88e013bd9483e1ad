/* Precisions: which draws of one name are the same array. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <jansson.h>

#include "core/dtype.h"
#include "core/source.h"
#include "proto/precision.h"

static struct sower_record make(const char *shape, const char *dtype, const char *init, const char *layout)
{
    struct sower_record record = {
        .kind = SOWER_RECORD_DRAW, .spec = SOWER_SPEC, .experiment = "e", .name = "w"};
    strcpy(record.shape, shape);
    strcpy(record.dtype, dtype);
    strcpy(record.initializer, init);
    strcpy(record.layout, layout);
    return record;
}

static bool same(struct sower_record first, struct sower_record draw)
{
    struct sower_problem problem;
    bool same;
    assert_true(sower_precision_compare(&first, &draw, &same, &problem));
    return same;
}

static void narrow_dtypes_are_one_array_and_f64_is_another(void **state)
{
    static const char *const names[] = {"f32", "f16", "bf16", "f8_e4m3", "f8_e5m2", "f64"};
    (void)state;
    for (size_t i = 0; i < 6; i++) {
        for (size_t j = 0; j < 6; j++) {
            assert_int_equal(same(make("4,6", names[i], "ones", "oi"), make("4,6", names[j], "ones", "oi")),
                             i == j || (i < 5 && j < 5));
        }
    }
}

static void another_shape_initializer_or_layout_is_another_array(void **state)
{
    const struct sower_record draw = make("4,6", "bf16", "ones", "oi");
    (void)state;
    assert_false(same(make("6,4", "f32", "ones", "oi"), draw));
    assert_false(same(make("24", "f32", "ones", "oi"), draw));
    assert_false(same(make("4,6", "f32", "zeros", "oi"), draw));
    assert_false(same(make("4,6", "f32", "ones", "io"), draw));
    assert_false(same(make("4,6", "f32", "ones", "oi,fan_in=7"), draw));
    assert_false(same(make("4,6", "f32", "ones", "oi,zero_rows=0"), draw));
}

static void a_layout_that_is_written_in_another_way_is_the_same(void **state)
{
    const struct sower_record draw = make("4,6", "bf16", "ones", "oi");
    (void)state;
    assert_true(same(make("4,6", "f32", "ones", "oi,in_axis=1"), draw));
    assert_true(same(draw, make("4,6", "f32", "ones", "oi,in_axis=1,out_axis=0")));
}

static void a_damaged_line_is_not_the_same_array(void **state)
{
    const struct sower_record draw = make("4,6", "bf16", "ones", "oi");
    (void)state;
    assert_false(same(make("", "", "", ""), draw));
    assert_false(same(make("4,6", "f31", "ones", "oi"), draw));
    assert_false(same(make("4,6", "f32", "ones", "oi,,=,in_axis"), draw));
    assert_false(same(make("4,6", "f32", "ones", "x"), draw));
}

enum { ELEMENTS_MAX = 4096 };

/* The elements of a whole tensor; returns how many. 0: this dtype cannot hold them (400). */
static size_t generate(const char *init, const char *shape, const char *layout, const char *dtype,
                       void *elements)
{
    const struct sower_seed root = sower_seed_public_root();
    const struct sower_pair pairs[] = {{"experiment", 10, "e", 1},
                                       {"name", 4, "w", 1},
                                       {"init", 4, init, strlen(init)},
                                       {"shape", 5, shape, strlen(shape)},
                                       {"dtype", 5, dtype, strlen(dtype)},
                                       {"layout", 6, layout, strlen(layout)},
                                       {"zero_rows", 9, "1", 1}};
    struct sower_request request;
    struct sower_source source;
    struct sower_problem problem;
    json_t *fields;
    size_t count = 0;
    assert_true(sower_request_fields_from_pairs(pairs, 7, &fields, &problem));
    if (sower_request_parse(fields, true, &root, &request, &problem)) {
        count = (size_t)sower_shape_count(&request.draw.shape);
        assert_in_range(count, 1, ELEMENTS_MAX);
        assert_true(sower_source_open(&source, &request.plan, &request.seed, &sower_parallel_none, &problem));
        assert_true(sower_source_read(&source, &request.region, 0, count, elements));
        sower_source_close(&source);
    }
    json_decref(fields);
    return count;
}

/* The shapes are large enough for every entry: square, tall, convolution, batch. */
static void elements_of_narrow_dtypes_are_the_rounded_f32_elements_for_every_initializer(void **state)
{
    static const enum sower_dtype narrow[] = {SOWER_F16, SOWER_BF16, SOWER_F8_E4M3, SOWER_F8_E5M2};
    static const char *const shapes[] = {"64", "32,32", "48,16", "12,12,5,5"};
    static float wide[ELEMENTS_MAX];
    static unsigned char found[ELEMENTS_MAX * sizeof(float)], expected[8];
    const struct sower_entry *entry;
    (void)state;
    for (size_t i = 0; (entry = sower_catalogue_entry(i)) != NULL; i++) {
        size_t compared = 0;
        for (size_t shape = 0; shape < sizeof shapes / sizeof shapes[0]; shape++) {
            size_t count = generate(entry->example, shapes[shape], shape == 2 ? "io" : "oi", "f32", wide);
            for (size_t type = 0; type < sizeof narrow / sizeof narrow[0]; type++) {
                size_t size = sower_dtype_size(narrow[type]);
                if (count == 0 || generate(entry->example, shapes[shape], shape == 2 ? "io" : "oi",
                                           sower_dtype_name(narrow[type]), found) == 0) {
                    continue;
                }
                for (size_t n = 0; n < count; n++) {
                    sower_dtype_store(narrow[type], wide[n], expected);
                    assert_memory_equal(found + n * size, expected, size);
                }
                compared += count;
            }
        }
        if (compared == 0) {
            fail_msg("%s was compared with no shape", entry->name);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(narrow_dtypes_are_one_array_and_f64_is_another),
        cmocka_unit_test(another_shape_initializer_or_layout_is_another_array),
        cmocka_unit_test(a_layout_that_is_written_in_another_way_is_the_same),
        cmocka_unit_test(a_damaged_line_is_not_the_same_array),
        cmocka_unit_test(elements_of_narrow_dtypes_are_the_rounded_f32_elements_for_every_initializer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
