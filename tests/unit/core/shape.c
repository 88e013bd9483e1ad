#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/shape.h"

static void a_scalar_has_one_element_and_an_empty_axis_none(void **state)
{
    (void)state;
    struct sower_problem problem;
    struct sower_shape scalar = {.rank = 0};
    assert_true(sower_shape_check(&scalar, SOWER_F32, &problem));
    assert_int_equal(sower_shape_count(&scalar), 1);
    struct sower_shape empty = {.rank = 3, .sizes = {SOWER_SIZE_MAX, 0, SOWER_SIZE_MAX}};
    assert_true(sower_shape_check(&empty, SOWER_F32, &problem));
    assert_int_equal(sower_shape_count(&empty), 0);
}

static void a_tensor_has_at_most_as_many_elements_as_its_stream_has_words(void **state)
{
    (void)state;
    struct sower_problem problem;
    struct sower_shape full = {.rank = 2, .sizes = {UINT64_C(1) << 30, 64}};
    assert_true(sower_shape_check(&full, SOWER_F32, &problem));
    assert_true(sower_shape_check(&full, SOWER_F8_E5M2, &problem));
    assert_false(sower_shape_check(&full, SOWER_F64, &problem));
    full.sizes[1] = 65;
    assert_false(sower_shape_check(&full, SOWER_F32, &problem));
    assert_int_equal(problem.code, SOWER_PROBLEM_TOO_LARGE);
    assert_string_equal(problem.field, "shape");
}

static void sizes_whose_product_overflows_are_refused(void **state)
{
    (void)state;
    struct sower_problem problem;
    struct sower_shape shape = {.rank = 8};
    for (size_t axis = 0; axis < 8; axis++) {
        shape.sizes[axis] = UINT64_C(1) << 32; /* the product is 2^256, which is 0 in 64 bits */
    }
    assert_false(sower_shape_check(&shape, SOWER_F32, &problem));
    shape = (struct sower_shape){.rank = 1, .sizes = {UINT64_MAX}};
    assert_false(sower_shape_check(&shape, SOWER_F32, &problem));
    shape = (struct sower_shape){.rank = 9};
    assert_false(sower_shape_check(&shape, SOWER_F32, &problem));
}

/* For every start and every limit, the runs contain the following elements, in order. */
static void assert_runs_are(const struct sower_shape *shape, const struct sower_region *region,
                            const uint64_t *indices, uint64_t count)
{
    for (uint64_t n = 0; n < count; n++) {
        for (uint64_t limit = 1; limit <= count - n; limit++) {
            struct sower_runs runs = sower_region_runs(shape, region, n, limit);
            assert_true(runs.length >= 1 && runs.count >= 1 && runs.length * runs.count <= limit);
            for (uint64_t i = 0; i < runs.length * runs.count; i++) {
                assert_int_equal(runs.first + i / runs.length * runs.stride + i % runs.length,
                                 indices[n + i]);
            }
        }
    }
}

/* Compares the runs of every region of a small shape with simple counting. */
static void runs_visit_a_region_in_c_order_without_gaps(void **state)
{
    (void)state;
    const struct sower_shape shape = {.rank = 3, .sizes = {3, 4, 5}};
    for (unsigned seed = 0; seed < 6 * 10 * 15; seed++) {
        struct sower_region region = {.rank = 3};
        unsigned rest = seed;
        for (size_t axis = 0; axis < 3; axis++) {
            unsigned pairs = (unsigned)(shape.sizes[axis] * (shape.sizes[axis] + 1) / 2), pick = rest % pairs;
            rest /= pairs;
            while (pick >= shape.sizes[axis] - region.start[axis]) {
                pick -= (unsigned)(shape.sizes[axis] - region.start[axis]++);
            }
            region.stop[axis] = region.start[axis] + 1 + pick;
        }
        uint64_t indices[60], n = 0;
        for (uint64_t i = region.start[0]; i < region.stop[0]; i++) {
            for (uint64_t j = region.start[1]; j < region.stop[1]; j++) {
                for (uint64_t k = region.start[2]; k < region.stop[2]; k++, n++) {
                    indices[n] = (i * 4 + j) * 5 + k;
                }
            }
        }
        assert_runs_are(&shape, &region, indices, n);
        struct sower_shape cut = sower_region_shape(&region);
        assert_int_equal(sower_shape_count(&cut), n);
    }
}

static void a_whole_tensor_is_one_run(void **state)
{
    (void)state;
    const struct sower_shape shape = {.rank = 3, .sizes = {3, 4, 5}};
    struct sower_region whole = sower_region_whole(&shape);
    struct sower_runs runs = sower_region_runs(&shape, &whole, 17, 60 - 17);
    assert_int_equal(runs.first, 17);
    assert_int_equal(runs.length, 60 - 17);
    assert_int_equal(runs.count, 1);
}

static void a_column_slice_is_one_set_of_runs(void **state)
{
    (void)state;
    const struct sower_shape shape = {.rank = 2, .sizes = {100, 80}};
    const struct sower_region columns = {.rank = 2, .start = {3, 10}, .stop = {90, 14}};
    struct sower_runs runs = sower_region_runs(&shape, &columns, 0, 87 * 4);
    assert_int_equal(runs.first, 3 * 80 + 10);
    assert_int_equal(runs.length, 4);
    assert_int_equal(runs.stride, 80);
    assert_int_equal(runs.count, 87);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_scalar_has_one_element_and_an_empty_axis_none),
        cmocka_unit_test(a_tensor_has_at_most_as_many_elements_as_its_stream_has_words),
        cmocka_unit_test(sizes_whose_product_overflows_are_refused),
        cmocka_unit_test(runs_visit_a_region_in_c_order_without_gaps),
        cmocka_unit_test(a_whole_tensor_is_one_run),
        cmocka_unit_test(a_column_slice_is_one_set_of_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
