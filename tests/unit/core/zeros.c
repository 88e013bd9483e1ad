#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/catalogue.h"
#include "core/source.h"
#include "core/zeros.h"
#include "proto/expression.h"

static const struct sower_shape MATRIX = {.rank = 2, .sizes = {6, 4}};

static struct sower_zeros zeros_of(const struct sower_shape *shape, const int64_t *rows, size_t row_count,
                                   const int64_t *columns, size_t column_count)
{
    struct sower_zeros zeros = {0};
    struct sower_problem problem;
    assert_true(row_count == 0 || sower_zeros_set_rows(&zeros, shape, rows, row_count, &problem));
    assert_true(column_count == 0 || sower_zeros_set_columns(&zeros, shape, columns, column_count, &problem));
    return zeros;
}

static void indices_become_ascending_and_not_negative(void **state)
{
    (void)state;
    const int64_t rows[] = {3, -1, 0, -4}, columns[] = {-4};
    struct sower_zeros zeros = zeros_of(&MATRIX, rows, 4, columns, 1);
    const uint64_t expected[] = {0, 2, 3, 5};
    assert_int_equal(zeros.rows.count, 4);
    assert_memory_equal(zeros.rows.at, expected, sizeof expected);
    assert_int_equal(zeros.columns.count, 1);
    assert_int_equal(zeros.columns.at[0], 0);
}

static void assert_refused(struct sower_shape shape, const int64_t *indices, size_t count,
                           const char *sentence)
{
    struct sower_zeros zeros = {0};
    struct sower_problem problem;
    assert_false(sower_zeros_set_rows(&zeros, &shape, indices, count, &problem));
    assert_string_equal(problem.field, "zero_rows");
    assert_non_null(strstr(problem.sentence, sentence));
}

static void an_index_beyond_the_axis_or_given_twice_is_refused(void **state)
{
    (void)state;
    assert_refused(MATRIX, (int64_t[]){6}, 1, "There is no row 6: the first axis has 6.");
    assert_refused(MATRIX, (int64_t[]){0, -7}, 2, "no row -7");
    assert_refused(MATRIX, (int64_t[]){INT64_MIN}, 1, "no row");
    assert_refused(MATRIX, (int64_t[]){INT64_MAX}, 1, "no row");
    assert_refused(MATRIX, (int64_t[]){5, -1}, 2, "row 5 twice");
    assert_refused((struct sower_shape){.rank = 0}, (int64_t[]){0}, 1, "scalar");
    assert_refused((struct sower_shape){.rank = 2, .sizes = {0, 3}}, (int64_t[]){-1}, 1, "has 0");
    assert_refused((struct sower_shape){.rank = 1, .sizes = {90}}, (int64_t[]){0, 1, 2, 3, 4, 5, 6, 7, 8}, 9,
                   "at most 8");
    struct sower_zeros zeros = {0};
    struct sower_problem problem;
    assert_false(sower_zeros_set_columns(&zeros, &MATRIX, (int64_t[]){4}, 1, &problem));
    assert_string_equal(problem.field, "zero_columns");
    assert_non_null(strstr(problem.sentence, "There is no column 4: the last axis has 4."));
}

static void the_longest_axis_has_a_last_row(void **state)
{
    (void)state;
    const struct sower_shape longest = {.rank = 2, .sizes = {SOWER_SIZE_MAX, 0}};
    struct sower_zeros zeros = zeros_of(&longest, (int64_t[]){-1, -INT64_MAX}, 2, NULL, 0);
    assert_true(zeros.rows.at[0] == 0 && zeros.rows.at[1] == SOWER_SIZE_MAX - 1);
}

static void the_share_counts_each_element_once(void **state)
{
    (void)state;
    const struct sower_shape vector = {.rank = 1, .sizes = {8}}, empty = {.rank = 2, .sizes = {3, 0}};
    struct sower_zeros zeros = zeros_of(&MATRIX, (int64_t[]){0, 1, 2}, 3, (int64_t[]){0}, 1);
    assert_true(sower_zeros_share_of_others(&zeros, &MATRIX) ==
                0.375); /* half of the rows, 3/4 of the columns */
    zeros = zeros_of(&vector, (int64_t[]){0, 1, 2}, 3, (int64_t[]){2, 7}, 2);
    assert_true(sower_zeros_share_of_others(&zeros, &vector) == 0.5);
    zeros = zeros_of(&empty, (int64_t[]){0, 1, 2}, 3, NULL, 0);
    assert_true(sower_zeros_share_of_others(&zeros, &empty) == 1);
    zeros = (struct sower_zeros){0};
    assert_true(sower_zeros_share_of_others(&zeros, &MATRIX) == 1);
}

static void a_plan_expects_the_zeros(void **state)
{
    (void)state;
    const struct sower_initializer uniform = {.entry = sower_catalogue_find("uniform"), .values = {1, 3}};
    struct sower_layout layout = {.zeros = zeros_of(&MATRIX, (int64_t[]){0, 1, 2}, 3, NULL, 0)};
    struct sower_plan plan;
    struct sower_problem problem;
    assert_true(sower_plan_make(&uniform, &MATRIX, SOWER_F32, &layout, &plan, &problem));
    assert_true(plan.mean_expected == 1);
    assert_true(fabs(plan.std_expected - sqrt((1.0 / 3 + 4) / 2 - 1)) <
                1e-15); /* the mean of squares is halved */
    assert_true(plan.low == 0 && plan.high == 3);
    layout.zeros = zeros_of(&MATRIX, (int64_t[]){0, 1, 2, 3, 4, 5}, 6, NULL, 0);
    assert_true(sower_plan_make(&uniform, &MATRIX, SOWER_F32, &layout, &plan, &problem));
    assert_true(plan.mean_expected == 0 && plan.std_expected == 0);
}

/* A source of an initializer's example, or of the same tensor with zeros. */
static void open_source(const struct sower_entry *entry, const struct sower_shape *shape,
                        enum sower_dtype dtype, const struct sower_zeros *zeros, struct sower_source *source)
{
    const struct sower_layout layout = {.zeros = *zeros};
    const struct sower_seed seed = {.bytes = {1, 2, 3}};
    struct sower_initializer initializer;
    struct sower_plan plan;
    struct sower_problem problem;
    if (!sower_expression_parse(entry->example, strlen(entry->example), &initializer, &problem) ||
        !sower_plan_make(&initializer, shape, dtype, &layout, &plan, &problem) ||
        !sower_source_open(source, &plan, &seed, &sower_parallel_none, &problem)) {
        fail_msg("%s: %s", entry->name, problem.sentence);
    }
}

static bool has(const struct sower_zero_indices *list, uint64_t index)
{
    bool found = false;
    for (size_t i = 0; i < list->count; i++) {
        found = found || list->at[i] == index;
    }
    return found;
}

/* Zeroes one element after another, by its own index. */
static void zero_slowly(const struct sower_zeros *zeros, const struct sower_shape *shape,
                        const struct sower_region *region, size_t size, uint8_t *elements)
{
    const struct sower_shape cut = sower_region_shape(region);
    for (uint64_t n = 0; n < sower_shape_count(&cut); n++) {
        uint64_t left = n, index = 0, first = 0, last = 0;
        for (size_t axis = shape->rank; axis-- > 0; left /= cut.sizes[axis]) {
            index = region->start[axis] + left % cut.sizes[axis];
            first = index;
            last = axis == shape->rank - 1 ? index : last;
        }
        if (has(&zeros->rows, first) || has(&zeros->columns, last)) {
            memset(elements + n * size, 0, size);
        }
    }
}

/* Reads a region with zeros in pieces of `step` elements, and compares it with the region without zeros. */
static void compare_region(const struct sower_source *plain, const struct sower_source *zeroed,
                           const struct sower_region *region, size_t step)
{
    const struct sower_shape *shape = &plain->plan.shape;
    const struct sower_shape cut = sower_region_shape(region);
    const size_t count = (size_t)sower_shape_count(&cut), size = sower_dtype_size(plain->plan.dtype);
    uint8_t *expected = malloc(count * size + 1), *found = malloc(count * size + 1);
    assert_true(count == 0 || sower_source_read(plain, region, 0, count, expected));
    zero_slowly(&zeroed->plan.layout.zeros, shape, region, size, expected);
    for (size_t at = 0; at < count; at += step) {
        assert_true(
            sower_source_read(zeroed, region, at, step < count - at ? step : count - at, found + at * size));
    }
    assert_memory_equal(found, expected, count * size);
    free(expected);
    free(found);
}

/* All regions of two axes of the shape, whole in the others. */
static void compare_regions(const struct sower_source *plain, const struct sower_source *zeroed, size_t one,
                            size_t other)
{
    struct sower_region region = sower_region_whole(&plain->plan.shape);
    const uint64_t *sizes = plain->plan.shape.sizes;
    for (uint64_t a = 0; a < sizes[one]; a++) {
        for (uint64_t b = a + 1; b <= sizes[one]; b++) {
            for (uint64_t c = 0; c < sizes[other]; c++) {
                for (uint64_t d = c + 1; d <= sizes[other]; d++) {
                    region.start[one] = a;
                    region.stop[one] = b;
                    region.start[other] = c; /* the same axis for a vector: then only c and d count */
                    region.stop[other] = d;
                    compare_region(plain, zeroed, &region, 1 + (a + 2 * b + 3 * c + d) % 13);
                }
            }
        }
    }
}

static void only_these_rows_and_columns_are_zero_in_every_region(void **state)
{
    (void)state;
    const struct sower_shape shapes[] = {
        {.rank = 1, .sizes = {9}},       {.rank = 2, .sizes = {6, 5}},       {.rank = 2, .sizes = {7, 1}},
        {.rank = 3, .sizes = {4, 3, 5}}, {.rank = 4, .sizes = {3, 4, 1, 4}},
    };
    const struct sower_entry *normal = sower_catalogue_find("normal");
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        const struct sower_shape *shape = &shapes[i];
        const struct sower_zeros none = {0};
        const struct sower_zeros choices[] = {
            zeros_of(shape, (int64_t[]){0, -1}, 2, NULL, 0),
            zeros_of(shape, (int64_t[]){1, 2}, 2, NULL, 0),
            zeros_of(shape, NULL, 0, (int64_t[]){-1}, 1),
            zeros_of(shape, (int64_t[]){1}, 1, (int64_t[]){0}, 1),
        };
        for (size_t c = 0; c < sizeof choices / sizeof choices[0]; c++) {
            enum sower_dtype dtype = (enum sower_dtype)((i + c) % SOWER_DTYPE_COUNT);
            struct sower_source plain, zeroed;
            open_source(normal, shape, dtype, &none, &plain);
            open_source(normal, shape, dtype, &choices[c], &zeroed);
            compare_regions(&plain, &zeroed, 0, shape->rank - 1);
            compare_regions(&plain, &zeroed, shape->rank / 2, shape->rank - 1);
            sower_source_close(&plain);
            sower_source_close(&zeroed);
        }
    }
}

static void every_initializer_has_its_other_elements_unchanged(void **state)
{
    (void)state;
    const struct sower_entry *entry;
    for (size_t i = 0; (entry = sower_catalogue_entry(i)) != NULL; i++) {
        struct sower_shape shape = {.rank = entry->rank_minimum > 0 ? entry->rank_minimum : 2};
        for (size_t axis = 0; axis < shape.rank; axis++) {
            shape.sizes[axis] = 8;
        }
        const struct sower_zeros none = {0};
        const struct sower_zeros some = zeros_of(&shape, (int64_t[]){4, -2}, 2, (int64_t[]){4, 3, 0}, 3);
        for (enum sower_dtype dtype = 0; dtype < SOWER_DTYPE_COUNT; dtype++) {
            struct sower_source plain, zeroed;
            const struct sower_region region = sower_region_whole(&shape);
            open_source(entry, &shape, dtype, &none, &plain);
            open_source(entry, &shape, dtype, &some, &zeroed);
            compare_region(&plain, &zeroed, &region, 37);
            sower_source_close(&plain);
            sower_source_close(&zeroed);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(indices_become_ascending_and_not_negative),
        cmocka_unit_test(an_index_beyond_the_axis_or_given_twice_is_refused),
        cmocka_unit_test(the_longest_axis_has_a_last_row),
        cmocka_unit_test(the_share_counts_each_element_once),
        cmocka_unit_test(a_plan_expects_the_zeros),
        cmocka_unit_test(only_these_rows_and_columns_are_zero_in_every_region),
        cmocka_unit_test(every_initializer_has_its_other_elements_unchanged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
