#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/catalogue.h"
#include "core/source.h"
#include "proto/expression.h"

static const struct sower_shape SHAPE = {.rank = 3, .sizes = {7, 33, 50}};
enum { COUNT = 7 * 33 * 50 };

static void open_normal(struct sower_source *source, enum sower_dtype dtype)
{
    const struct sower_initializer normal = {.entry = sower_catalogue_find("normal"), .values = {0, 1}};
    const struct sower_layout layout = {.order = SOWER_LAYOUT_OI};
    const struct sower_seed seed = {.bytes = {1, 2, 3}};
    struct sower_plan plan;
    struct sower_problem problem;
    assert_true(sower_plan_make(&normal, &SHAPE, dtype, &layout, &plan, &problem));
    assert_true(sower_source_open(source, &plan, &seed, NULL, &problem));
}

static void pieces_of_any_length_give_the_whole(void **state)
{
    (void)state;
    for (enum sower_dtype dtype = 0; dtype < SOWER_DTYPE_COUNT; dtype++) {
        struct sower_source source;
        open_normal(&source, dtype);
        size_t size = sower_dtype_size(dtype);
        uint8_t *whole = malloc(COUNT * size), *pieces = malloc(COUNT * size);
        struct sower_region region = sower_region_whole(&SHAPE);
        assert_true(sower_source_read(&source, &region, 0, COUNT, whole));
        for (size_t at = 0, step = 1; at < COUNT; at += step, step = step * 7 % 1009 + 1) {
            step = step < COUNT - at ? step : COUNT - at;
            assert_true(sower_source_read(&source, &region, at, step, pieces + at * size));
        }
        assert_memory_equal(whole, pieces, COUNT * size);
        free(whole);
        free(pieces);
        sower_source_close(&source);
    }
}

static void a_region_equals_the_same_part_of_the_whole(void **state)
{
    (void)state;
    struct sower_source source;
    open_normal(&source, SOWER_F32);
    static float whole[7][33][50], cut[3][20][1];
    struct sower_region region = sower_region_whole(&SHAPE);
    assert_true(sower_source_read(&source, &region, 0, COUNT, whole));
    region = (struct sower_region){.rank = 3, .start = {4, 13, 49}, .stop = {7, 33, 50}};
    assert_true(sower_source_read(&source, &region, 0, 60, cut));
    for (size_t i = 0; i < 3; i++) {
        for (size_t j = 0; j < 20; j++) {
            assert_memory_equal(&cut[i][j][0], &whole[4 + i][13 + j][49], sizeof(float));
        }
    }
    sower_source_close(&source);
}

/* However large the other axes are: there is nothing to prepare, and no limit applies. */
static void an_empty_tensor_of_any_initializer_needs_no_preparation(void **state)
{
    (void)state;
    const struct sower_layout layout = {.order = SOWER_LAYOUT_OI};
    const struct sower_seed seed = {.bytes = {1, 2, 3}};
    const struct sower_entry *entry;
    for (size_t index = 0; (entry = sower_catalogue_entry(index)) != NULL; index++) {
        struct sower_initializer initializer;
        struct sower_problem problem = {0};
        assert_true(sower_expression_parse(entry->example, strlen(entry->example), &initializer, &problem));
        struct sower_shape shape = {.rank = entry->rank_minimum == 0 ? 1 : entry->rank_minimum};
        for (size_t empty = 0; empty < shape.rank; empty++) {
            for (size_t axis = 0; axis < shape.rank; axis++) {
                /* delta_orthogonal must not have more input than output channels: without the one, none
                 * of both. */
                shape.sizes[axis] = axis == empty || (empty == 0 && axis == 1) ? 0 : UINT64_C(1) << 40;
            }
            struct sower_plan plan;
            struct sower_source source;
            if (!sower_plan_make(&initializer, &shape, SOWER_F32, &layout, &plan, &problem)) {
                fail_msg("%s: %s", entry->name, problem.sentence);
            }
            assert_int_equal(sower_source_cost(&plan).memory, 0);
            assert_true(sower_source_open(&source, &plan, &seed, &sower_parallel_none, &problem));
            assert_null(source.factors);
            sower_source_close(&source);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_of_any_length_give_the_whole),
        cmocka_unit_test(a_region_equals_the_same_part_of_the_whole),
        cmocka_unit_test(an_empty_tensor_of_any_initializer_needs_no_preparation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
