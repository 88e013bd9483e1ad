/* Token buckets, with a given clock. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "server/access/rates.h"

static const int64_t SECOND = 1000000000;

static int set_up(void **state)
{
    static struct sower_rates rates;
    sower_rates_open(&rates);
    *state = &rates;
    return 0;
}

static int tear_down(void **state)
{
    sower_rates_close(*state);
    return 0;
}

static void ten_seconds_of_lines_may_come_at_once(void **state)
{
    struct sower_rate *rate = sower_rates_find(*state, "ci");
    int64_t now = 5 * SECOND;
    for (int i = 0; i < 70; i++) {
        assert_int_equal(sower_rate_wait(rate, 7, now), 0);
        sower_rate_pay(rate, 1, 7, now);
    }
    assert_int_equal(sower_rate_wait(rate, 7, now), 1);
    assert_int_equal(sower_rate_wait(rate, 7, now + SECOND / 2), 0);
    assert_int_equal(rate->added, 70);
}

static void a_large_request_leaves_a_debt_that_time_pays(void **state)
{
    struct sower_rate *rate = sower_rates_find(*state, "ci");
    assert_int_equal(sower_rate_wait(rate, 100, SECOND), 0);
    sower_rate_pay(rate, 10000, 100, SECOND);
    assert_int_equal(sower_rate_wait(rate, 100, SECOND), 91); /* 90 seconds, and a bit */
    assert_int_equal(sower_rate_wait(rate, 100, 90 * SECOND), 2);
    assert_int_equal(sower_rate_wait(rate, 100, 91 * SECOND + 1), 0);
    sower_rate_pay(rate, 1, 100, 91 * SECOND + 1);
    assert_int_equal(sower_rate_wait(rate, 100, 91 * SECOND + 1), 1);
    assert_int_equal(sower_rate_wait(rate, 100, 1000 * SECOND), 0);
    sower_rate_pay(rate, 999, 100, 1000 * SECOND); /* it was full, and not more than full */
    assert_int_equal(sower_rate_wait(rate, 100, 1000 * SECOND), 0);
    sower_rate_pay(rate, 1, 100, 1000 * SECOND);
    assert_int_equal(sower_rate_wait(rate, 100, 1000 * SECOND), 1);
}

static void a_changed_rate_keeps_the_lines_that_are_missing(void **state)
{
    struct sower_rate *rate = sower_rates_find(*state, "ci");
    sower_rate_pay(rate, 1000, 10, SECOND);
    assert_int_equal(sower_rate_wait(rate, 10, SECOND), 91);
    assert_int_equal(sower_rate_wait(rate, 50, SECOND), 11);
    assert_int_equal(sower_rate_wait(rate, 1000, SECOND), 0);
    assert_int_equal(sower_rate_wait(rate, 0, SECOND), 0);
    sower_rate_pay(rate, 5, 0, SECOND); /* no limit for a while: the debt is forgotten */
    assert_int_equal(sower_rate_wait(rate, 10, SECOND), 0);
    assert_int_equal(rate->added, 1005);
}

static void nothing_costs_nothing(void **state)
{
    struct sower_rate *rate = sower_rates_find(*state, "ci");
    for (int i = 0; i < 1000; i++) {
        sower_rate_pay(rate, 0, 1, SECOND);
    }
    assert_int_equal(sower_rate_wait(rate, 1, SECOND), 0);
    assert_int_equal(rate->added, 0);
}

static void the_greatest_numbers_do_not_overflow(void **state)
{
    struct sower_rate *rate = sower_rates_find(*state, "ci");
    for (int i = 0; i < 10; i++) {
        sower_rate_pay(rate, UINT64_MAX, 1, INT64_MAX);
    }
    assert_int_equal(sower_rate_wait(rate, 1, INT64_MAX), 1000000001);
    assert_in_range(sower_rate_wait(rate, UINT64_MAX, INT64_MAX), 0, 1);
    struct sower_rate *other = sower_rates_find(*state, "other");
    sower_rate_pay(other, 1, UINT64_MAX, 0);
    assert_int_equal(sower_rate_wait(other, UINT64_MAX, 0), 0);
    assert_int_equal(sower_rate_wait(other, 1, -SECOND), 0); /* a clock that goes back changes nothing */
}

static void count(void *context, const struct sower_rate *rate)
{
    uint64_t *sums = context;
    sums[0]++;
    sums[1] += rate->added;
}

static void a_name_keeps_its_bucket(void **state)
{
    char name[32];
    uint64_t sums[2] = {0, 0};
    for (int turn = 0; turn < 2; turn++) {
        for (int i = 0; i < 1000; i++) {
            snprintf(name, sizeof name, "team-%d", i);
            struct sower_rate *rate = sower_rates_find(*state, name);
            assert_string_equal(rate->name, name);
            assert_int_equal(rate->added, turn * i);
            sower_rate_pay(rate, (uint64_t)i, 1, SECOND);
        }
    }
    sower_rates_visit(*state, count, sums);
    assert_int_equal(sums[0], 1000);
    assert_int_equal(sums[1], 2 * 999 * 500);
}

static void *pay_often(void *context)
{
    for (int i = 0; i < 10000; i++) {
        sower_rate_pay(sower_rates_find(context, "shared"), 1, 1000000, SECOND);
    }
    return NULL;
}

static void threads_pay_at_the_same_time(void **state)
{
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, pay_often, *state), 0);
    }
    for (size_t i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    struct sower_rate *rate = sower_rates_find(*state, "shared");
    assert_int_equal(rate->added, 40000);
    assert_true(rate->missing == 40000);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(ten_seconds_of_lines_may_come_at_once),
        TEST(a_large_request_leaves_a_debt_that_time_pays),
        TEST(a_changed_rate_keeps_the_lines_that_are_missing),
        TEST(nothing_costs_nothing),
        TEST(the_greatest_numbers_do_not_overflow),
        TEST(a_name_keeps_its_bucket),
        TEST(threads_pay_at_the_same_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
