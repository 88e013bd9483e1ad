#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "core/law.h"
#include "core/normal.h"

static const double infinity = (double)INFINITY;

/* The step through all words, from 0 up; not a power of two. */
static const uint32_t word_step = 65537 * 3;

static struct sower_law truncated(double mean, double std, double lower, double upper)
{
    struct sower_law law;
    struct sower_problem problem;
    assert_true(sower_law_truncated_normal(mean, std, lower, upper, mean + lower * std, mean + upper * std,
                                           "std", &law, &problem));
    return law;
}

static void assert_refused(double lower, double upper)
{
    struct sower_law law;
    struct sower_problem problem;
    assert_false(sower_law_truncated_normal(0, 1, lower, upper, lower, upper, "lower", &law, &problem));
    assert_int_equal(problem.code, SOWER_PROBLEM_INVALID);
    assert_string_equal(problem.field, "lower");
    assert_true(strlen(problem.sentence) > 20);
}

static void constant_is_its_value_for_every_word(void **state)
{
    (void)state;
    struct sower_law law = sower_law_constant(0.1);
    assert_true(sower_law_f32(&law, 0) == 0.1f && sower_law_f32(&law, UINT32_MAX) == 0.1f);
    assert_true(sower_law_f64(&law, 12345) == 0.1);
}

static void laws_without_width_are_constants(void **state)
{
    (void)state;
    struct sower_law uniform = sower_law_uniform(0.5, 0.5);
    struct sower_law normal = sower_law_normal(0.5, 0);
    struct sower_law cut = truncated(0.5, 0, -2, 2);
    assert_int_equal(uniform.kind, SOWER_LAW_CONSTANT);
    assert_int_equal(normal.kind, SOWER_LAW_CONSTANT);
    assert_int_equal(cut.kind, SOWER_LAW_CONSTANT);
    assert_true(sower_law_f32(&uniform, 7) == 0.5f && sower_law_f32(&normal, 7) == 0.5f &&
                sower_law_f32(&cut, 7) == 0.5f);
}

static void uniform_follows_the_contracts_formula(void **state)
{
    (void)state;
    struct sower_law law = sower_law_uniform(-1, 1);
    assert_true(sower_law_f32(&law, 0) == 0x1p-24f);
    assert_true(sower_law_f32(&law, 0x7fffffffu) == 1 - 0x1p-24f);
    assert_true(sower_law_f32(&law, 0x80000000u) == -1 + 0x1p-24f);
    assert_true(sower_law_f32(&law, UINT32_MAX) == -0x1p-24f);
    assert_true(sower_law_f32(&law, 0x12345678u) == (float)(2 * 0x123456 + 1) * 0x1p-24f);
    assert_true(sower_law_f64(&law, 0) == 0x1p-53);
    assert_true(sower_law_f64(&law, UINT64_C(1) << 63) == -1 + 0x1p-53);
    assert_true(sower_law_f64(&law, UINT64_MAX >> 1) == 1 - 0x1p-53);
}

static void uniform_is_odd_when_its_range_is_symmetric(void **state)
{
    (void)state;
    struct sower_law law = sower_law_uniform(-0.07, 0.07);
    uint32_t word = 0;
    do {
        assert_true(sower_law_f32(&law, word) == -sower_law_f32(&law, ~word));
        uint64_t wide = (uint64_t)word << 32 | (uint32_t)(word * 2654435761u);
        assert_true(sower_law_f64(&law, wide) == -sower_law_f64(&law, ~wide));
        word += word_step;
    } while (word >= word_step);
}

static void assert_uniform_stays_within(double low, double high)
{
    struct sower_law law = sower_law_uniform(low, high);
    const uint32_t ends[] = {0, 1, 0x7fffffffu, 0x7fffff00u, 0x80000000u, 0x800000ffu, UINT32_MAX};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        uint64_t wide = (uint64_t)ends[i] << 32 | (ends[i] & 1 ? UINT32_MAX : 0);
        assert_true((double)sower_law_f32(&law, ends[i]) >= low &&
                    (double)sower_law_f32(&law, ends[i]) < high);
        assert_true(sower_law_f64(&law, wide) >= low && sower_law_f64(&law, wide) < high);
    }
}

static void uniform_never_leaves_its_half_open_range(void **state)
{
    (void)state;
    assert_uniform_stays_within(0, 1);
    assert_uniform_stays_within(-0.1, 0.1);
    assert_uniform_stays_within(1, 1 + 1e-6);
    assert_uniform_stays_within(-1e6, -1e6 + 0.3);
    assert_uniform_stays_within(0.1, 0.3);
    assert_uniform_stays_within(-1e-41, 1e-41);
    assert_uniform_stays_within(-3e38, 3e38);
}

static void uniform_between_two_floats_is_the_nearest_one(void **state)
{
    (void)state;
    struct sower_law law = sower_law_uniform(0.1 + 1e-12, 0.1 + 2e-12);
    assert_true(sower_law_f32(&law, 99) == 0.1f);
}

/* Both bounds have the same sign and no f32 lies between them: every element is the zero with this sign. */
static void a_law_between_zero_and_the_next_float_is_a_zero_with_the_right_sign(void **state)
{
    (void)state;
    struct sower_law cut, below = sower_law_uniform(-1e-46, -9.999999999999998e-47);
    struct sower_law above = sower_law_uniform(9.999999999999998e-47, 1e-46);
    struct sower_problem problem;
    assert_true(sower_law_truncated_normal(-1e-46, 2e-45, 0.4e-46 / 2e-45, 0.8e-46 / 2e-45, -0.6e-46,
                                           -0.2e-46, "", &cut, &problem));
    uint32_t word = 0;
    do {
        float low = sower_law_f32(&below, word), high = sower_law_f32(&above, word);
        float middle = sower_law_f32(&cut, word);
        assert_true(low == 0 && signbit(low) && high == 0 && !signbit(high));
        assert_true(middle == 0 && signbit(middle));
        word += word_step;
    } while (word >= word_step);
    assert_true(sower_law_f64(&below, 0) < -9.999999999999998e-47 && sower_law_f64(&below, 0) >= -1e-46);
    assert_int_equal(sower_law_kind(&below, SOWER_F64), SOWER_LAW_UNIFORM);
    assert_int_equal(sower_law_kind(&below, SOWER_BF16), SOWER_LAW_CONSTANT);
}

/* z64 sometimes decreases by one unit in the last place. There, counting words would give another rank. */
static void the_rank_is_that_of_the_bisection_where_z_decreases(void **state)
{
    (void)state;
    const double bound = -1.157472026682862;
    uint64_t rank = sower_normal_rank(bound);
    assert_int_equal(rank, 2278906719907230688);
    assert_true(sower_normal_f64(rank - 1) < bound && sower_normal_f64(rank) >= bound);
    bool falls = false;
    for (uint64_t word = rank; word < rank + 1000; word++) {
        falls = falls || sower_normal_f64(word) < bound;
    }
    assert_true(falls);
}

static void normal_scales_and_shifts_in_one_rounding(void **state)
{
    (void)state;
    struct sower_law law = sower_law_normal(0.25, 0.02);
    uint32_t word = 0;
    do {
        assert_true(sower_law_f32(&law, word) == fmaf(sower_normal_f32(word), 0.02f, 0.25f));
        word += word_step;
    } while (word >= word_step);
    assert_true(sower_law_f64(&law, 1u << 30) == fma(sower_normal_f64(1u << 30), 0.02, 0.25));
}

static void truncated_uses_the_words_between_the_bounds(void **state)
{
    (void)state;
    struct sower_law law = truncated(0, 1, -0.7, 1.3);
    uint64_t half = UINT64_C(1) << 31;
    assert_true(sower_normal_f64((uint64_t)law.first << 32 | half) >= -0.7);
    assert_true(sower_normal_f64((uint64_t)(law.first - 1) << 32 | half) < -0.7);
    uint32_t last = law.first + law.span - 1;
    assert_true(sower_normal_f64((uint64_t)last << 32 | half) <= 1.3);
    assert_true(sower_normal_f64((uint64_t)(last + 1) << 32 | half) > 1.3);
    assert_true(sower_normal_f64(law.first64) >= -0.7 && sower_normal_f64(law.first64 - 1) < -0.7);
    assert_true(sower_normal_f64(law.first64 + law.span64 - 1) <= 1.3);
    assert_true(sower_normal_f64(law.first64 + law.span64) > 1.3);
}

static void truncated_is_odd_when_its_bounds_are_symmetric(void **state)
{
    (void)state;
    const double bounds[] = {0.01, 0.5, 2, 3.3, 6, 9, 100};
    for (size_t i = 0; i < sizeof bounds / sizeof bounds[0]; i++) {
        struct sower_law law = truncated(0, 0.3, -bounds[i], bounds[i]);
        assert_int_equal(law.span % 2, 0);
        assert_int_equal(law.span64 % 2, 0);
        uint32_t word = 0;
        do {
            assert_true(sower_law_f32(&law, word) == -sower_law_f32(&law, ~word));
            uint64_t wide = (uint64_t)word << 32 | (uint32_t)(word * 2654435761u);
            assert_true(sower_law_f64(&law, wide) == -sower_law_f64(&law, ~wide));
            word += 16 * word_step;
        } while (word >= 16 * word_step);
    }
}

static void truncated_never_leaves_its_support(void **state)
{
    (void)state;
    const double cases[][4] = {
        {0, 1, -2, 2},
        {0.1, 0.02, -2, 2},
        {0, 1, -infinity, -4},
        {0, 1, 1, infinity},
        {5, 1e-9, -2, 2},
        {-3, 0.7, 0.001, 0.002},
        {0, 1, -infinity, infinity},
        {0, 1e-42, -1, 1},
        {1e6, 1, -0.25, 0.25},
        {0, 1, -infinity, 0.33333},
        {0, 1, 3.9, 4.3},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        double low = cases[i][0] + cases[i][2] * cases[i][1], high = cases[i][0] + cases[i][3] * cases[i][1];
        struct sower_law law = truncated(cases[i][0], cases[i][1], cases[i][2], cases[i][3]);
        for (uint64_t j = 0; j < 1000; j++) {
            uint32_t word = j < 500 ? (uint32_t)j : UINT32_MAX - (uint32_t)(j - 500);
            float narrow = sower_law_f32(&law, word);
            double wide = sower_law_f64(&law, (uint64_t)word << 32 | word);
            assert_true((double)narrow >= low && (double)narrow <= high);
            assert_true(wide >= low && wide <= high);
        }
    }
}

static void truncated_without_bounds_is_normal_without_the_first_and_last_word(void **state)
{
    (void)state;
    struct sower_law law = truncated(0, 1, -infinity, infinity);
    assert_int_equal(law.first, 1);
    assert_int_equal(law.span, UINT32_MAX - 1);
    assert_true(law.first64 == 1 && law.span64 == UINT64_MAX - 1);
    assert_true(sower_law_f32(&law, 0) == sower_normal_f32(1));
    assert_true(sower_law_f32(&law, UINT32_MAX) == sower_normal_f32(UINT32_MAX - 1));
}

static void truncated_refuses_bounds_that_contain_too_little(void **state)
{
    (void)state;
    assert_refused(5, infinity);
    assert_refused(-infinity, -5);
    assert_refused(2, 2);
    assert_refused(2, -2);
    assert_refused(0, 1e-6);
    assert_refused(40, 50);
    assert_refused(-50, -40);
    assert_refused((double)NAN, 1);
    assert_refused(-1, (double)NAN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(constant_is_its_value_for_every_word),
        cmocka_unit_test(laws_without_width_are_constants),
        cmocka_unit_test(uniform_follows_the_contracts_formula),
        cmocka_unit_test(uniform_is_odd_when_its_range_is_symmetric),
        cmocka_unit_test(uniform_never_leaves_its_half_open_range),
        cmocka_unit_test(uniform_between_two_floats_is_the_nearest_one),
        cmocka_unit_test(a_law_between_zero_and_the_next_float_is_a_zero_with_the_right_sign),
        cmocka_unit_test(the_rank_is_that_of_the_bisection_where_z_decreases),
        cmocka_unit_test(normal_scales_and_shifts_in_one_rounding),
        cmocka_unit_test(truncated_uses_the_words_between_the_bounds),
        cmocka_unit_test(truncated_is_odd_when_its_bounds_are_symmetric),
        cmocka_unit_test(truncated_never_leaves_its_support),
        cmocka_unit_test(truncated_without_bounds_is_normal_without_the_first_and_last_word),
        cmocka_unit_test(truncated_refuses_bounds_that_contain_too_little),
    };
    return cmocka_run_group_tests_name("law", tests, NULL, NULL);
}
