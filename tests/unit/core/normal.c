#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "core/normal.h"
#include "tests/unit/core/normal_vectors.h"

static uint64_t random_state = 0x9e3779b97f4a7c15u;

/* A number of xorshift64*, shifted right by a random distance so that all octaves occur, and inverted
 * half of the time. */
static uint64_t random_word(void)
{
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    uint64_t word = random_state * 0x2545f4914f6cdd1du;
    uint64_t r = word >> (random_state >> 20) % 64;
    return random_state >> 63 ? ~r : r;
}

static void f32_is_within_its_bound_of_reference_values(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof normal_f32_vectors / sizeof normal_f32_vectors[0]; i++) {
        double expected = normal_f32_vectors[i].z;
        double got = (double)sower_normal_f32((uint32_t)normal_f32_vectors[i].word);
        assert_true(fabs(got - expected) <= 1.23e-7 * fmax(1, fabs(expected)));
    }
}

static void f64_is_within_its_bound_of_reference_values(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof normal_f64_vectors / sizeof normal_f64_vectors[0]; i++) {
        double expected = normal_f64_vectors[i].z;
        double got = sower_normal_f64(normal_f64_vectors[i].word);
        assert_true(fabs(got - expected) <= 2.3e-16 * fmax(1, fabs(expected)));
        assert_true(fabs(got - expected) <= 1e-14 * fabs(expected));
    }
}

static void both_widths_are_odd(void **state)
{
    (void)state;
    for (int i = 0; i < 1000000; i++) {
        uint64_t word = random_word();
        assert_true(sower_normal_f64(~word) == -sower_normal_f64(word));
        uint32_t upper = (uint32_t)(word >> 32);
        assert_true(sower_normal_f32(~upper) == -sower_normal_f32(upper));
    }
}

static void both_widths_agree(void **state)
{
    (void)state;
    for (int i = 0; i < 1000000; i++) {
        uint32_t word = (uint32_t)random_word();
        double wide = sower_normal_f64((uint64_t)word << 32 | 0x80000000u);
        double narrow = (double)sower_normal_f32(word);
        assert_true(fabs(narrow - wide) <= 1.23e-7 * fmax(1, fabs(wide)));
    }
}

/* Around every border between octaves, at the ends and at the median. */
static void f64_does_not_decrease_by_more_than_rounding(void **state)
{
    (void)state;
    for (int bit = 1; bit < 64; bit++) {
        uint64_t border = UINT64_C(1) << bit;
        for (uint64_t word = border - (border < 100 ? border : 100); word < border + 100; word++) {
            double z = sower_normal_f64(word), next = sower_normal_f64(word + 1);
            assert_true(next >= z - 1e-15 * fabs(z));
        }
    }
}

static void the_ends_and_the_median_are_right(void **state)
{
    (void)state;
    assert_true(sower_normal_f32(0) < -6.2f && sower_normal_f32(0) > -6.4f);
    assert_true(sower_normal_f64(0) < -9.0 && sower_normal_f64(0) > -9.4);
    assert_true(sower_normal_f32(0x7fffffffu) < 0 && sower_normal_f32(0x80000000u) > 0);
    assert_true(sower_normal_f32(0x80000000u) < 3e-10f);
    assert_true(sower_normal_f64(UINT64_C(1) << 63) > 0 && sower_normal_f64(UINT64_C(1) << 63) < 1e-19);
}

static void rank_counts_the_words_below_z(void **state)
{
    (void)state;
    assert_true(sower_normal_rank(0) == UINT64_C(1) << 63);
    assert_true(sower_normal_rank(-(double)INFINITY) == 0);
    assert_true(sower_normal_rank(-10) == 0);
    assert_true(sower_normal_rank(10) == UINT64_MAX);
    assert_true(sower_normal_rank((double)INFINITY) == UINT64_MAX);
    assert_true(sower_normal_rank((double)NAN) == 0);
    for (int i = -800; i <= 800; i++) {
        double z = i / 100.0;
        uint64_t rank = sower_normal_rank(z);
        assert_true(sower_normal_f64(rank) >= z);
        assert_true(rank == 0 || sower_normal_f64(rank - 1) < z);
        /* Φ(z) = erfc(−z / √2) / 2 */
        double share = erfc(-z / sqrt(2.0)) / 2;
        assert_true(fabs((double)rank * 0x1p-64 - share) <= 1e-14 * share + 0x1p-63);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(f32_is_within_its_bound_of_reference_values),
        cmocka_unit_test(f64_is_within_its_bound_of_reference_values),
        cmocka_unit_test(both_widths_are_odd),
        cmocka_unit_test(both_widths_agree),
        cmocka_unit_test(f64_does_not_decrease_by_more_than_rounding),
        cmocka_unit_test(the_ends_and_the_median_are_right),
        cmocka_unit_test(rank_counts_the_words_below_z),
    };
    return cmocka_run_group_tests_name("normal", tests, NULL, NULL);
}
