#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <math.h>

#include <cmocka.h>

#include "core/statistics.h"

static const struct sower_plan PLAN = {.mean_expected = 0, .std_expected = 1, .low = -INFINITY, .high = 2};

static void assert_near(double value, double expected)
{
    assert_true(fabs(value - expected) <= 1e-12 * fmax(1, fabs(expected)));
}

static void moments_do_not_depend_on_the_blocks(void **state)
{
    (void)state;
    enum { COUNT = 1000 };
    double values[COUNT], sum = 0, squares = 0;
    for (size_t i = 0; i < COUNT; i++) {
        values[i] =
            1e6 + (double)(i * i % 37) / 8; /* far from 0: a plain sum of squares would lose all digits */
        sum += values[i];
    }
    for (size_t i = 0; i < COUNT; i++) {
        squares += (values[i] - sum / COUNT) * (values[i] - sum / COUNT);
    }
    static const size_t blocks[] = {1, 3, 7, 100, COUNT};
    for (size_t b = 0; b < sizeof blocks / sizeof blocks[0]; b++) {
        struct sower_statistics statistics;
        sower_statistics_begin(&statistics, &PLAN);
        for (size_t at = 0; at < COUNT; at += blocks[b]) {
            size_t left = COUNT - at;
            sower_statistics_add(&statistics, values + at, left < blocks[b] ? left : blocks[b]);
        }
        assert_int_equal(statistics.count, COUNT);
        assert_near(statistics.mean, sum / COUNT);
        assert_true(fabs(sower_statistics_std(&statistics) / sqrt(squares / COUNT) - 1) < 1e-6);
        assert_true(statistics.least == 1e6 && statistics.most == 1e6 + 36 / 8.0);
    }
}

static void every_element_is_counted_once_in_the_histogram(void **state)
{
    (void)state;
    const double values[] = {-9, -4, -3.9, 0, 1.99, 2, 2.1, 700};
    struct sower_statistics statistics;
    sower_statistics_begin(&statistics, &PLAN);
    assert_true(statistics.low == -4 &&
                statistics.high == 2); /* the support ends before 4 standard deviations */
    sower_statistics_add(&statistics, values, 8);
    uint64_t inside = 0;
    for (size_t i = 0; i < SOWER_STATISTICS_BINS; i++) {
        inside += statistics.bins[i];
    }
    assert_int_equal(statistics.below, 1);
    assert_int_equal(statistics.above, 2);
    assert_int_equal(inside, 5);
    assert_int_equal(statistics.bins[0], 2);
    assert_int_equal(statistics.bins[SOWER_STATISTICS_BINS - 1], 2);
}

static void a_constant_and_a_plan_without_expected_values_have_a_histogram(void **state)
{
    (void)state;
    const struct sower_plan constant = {.mean_expected = 5, .std_expected = 0, .low = 5, .high = 5};
    const struct sower_plan unknown = {
        .mean_expected = NAN, .std_expected = NAN, .low = -INFINITY, .high = INFINITY};
    struct sower_statistics statistics;
    sower_statistics_begin(&statistics, &constant);
    assert_true(statistics.low == 4 && statistics.high == 6);
    sower_statistics_begin(&statistics, &unknown);
    assert_true(statistics.low == -1 && statistics.high == 1);
    sower_statistics_add(&statistics, NULL, 0);
    assert_true(statistics.count == 0 && sower_statistics_std(&statistics) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(moments_do_not_depend_on_the_blocks),
        cmocka_unit_test(every_element_is_counted_once_in_the_histogram),
        cmocka_unit_test(a_constant_and_a_plan_without_expected_values_have_a_histogram),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
