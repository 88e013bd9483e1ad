/* Compares each table with its definition, with the functions of libm where the definition has one. */
#include <math.h>

#include "core/plan.h"
#include "tests/unit/core/tensors.h"

static const enum sower_layout_order OI = SOWER_LAYOUT_OI;

static void assert_near(double value, double expected, double tolerance, size_t at)
{
    if (!(fabs(value - expected) <= tolerance)) {
        fail_msg("element %zu is %.17g, not %.17g", at, value, expected);
    }
}

static void arange_counts_in_every_row(void **state)
{
    (void)state;
    double *values = tensor("arange", (struct sower_shape){2, {2, 5}}, SOWER_F32, OI);
    for (size_t i = 0; i < 10; i++) {
        assert_true(values[i] == (double)(i % 5));
    }
    free(values);
    values = tensor("arange(start=10,step=-2.5)", (struct sower_shape){1, {4}}, SOWER_BF16, OI);
    for (size_t i = 0; i < 4; i++) {
        assert_true(values[i] == 10 - 2.5 * (double)i);
    }
    free(values);
}

static void arange_rounds_once(void **state)
{
    (void)state;
    double *values = tensor("arange(0.1,0.1)", (struct sower_shape){1, {1000}}, SOWER_F64, OI);
    for (size_t i = 0; i < 1000; i++) {
        assert_true(values[i] == fma((double)i, 0.1, 0.1));
    }
    free(values);
}

static void log_arange_is_mambas_a_log(void **state)
{
    (void)state;
    double *values = tensor("log_arange", (struct sower_shape){2, {3, 16}}, SOWER_F64, OI);
    for (size_t i = 0; i < 48; i++) {
        assert_near(values[i], log((double)(i % 16 + 1)), 1e-15, i);
    }
    free(values);
    values = tensor("log_arange", (struct sower_shape){1, {64}}, SOWER_F32, OI);
    for (size_t i = 0; i < 64; i++) {
        assert_true(values[i] == (double)(float)log((double)(i + 1)));
    }
    free(values);
}

static void tril_is_a_causal_mask_in_every_matrix(void **state)
{
    (void)state;
    double *values = tensor("tril", (struct sower_shape){4, {2, 1, 5, 5}}, SOWER_F8_E4M3, OI);
    for (size_t i = 0; i < 50; i++) {
        assert_true(values[i] == (i % 5 <= i / 5 % 5 ? 1 : 0));
    }
    free(values);
    values = tensor("tril(value=0,above=-3e4)", (struct sower_shape){2, {3, 4}}, SOWER_F16, OI);
    for (size_t i = 0; i < 12; i++) {
        assert_true(values[i] == (i % 4 <= i / 4 ? 0 : -30000));
    }
    free(values);
}

/* 1/base^(2i/d), d = 2n */
static void inverse_frequency_is_that_of_rotary_embeddings(void **state)
{
    (void)state;
    double *values = tensor("inverse_frequency(500000)", (struct sower_shape){1, {64}}, SOWER_F64, OI);
    for (size_t i = 0; i < 64; i++) {
        assert_near(values[i] * pow(500000, (double)(2 * i) / 128), 1, 1e-14, i);
    }
    assert_true(values[0] == 1);
    free(values);
}

enum { POSITIONS = 50, COLUMNS = 12, HALF = COLUMNS / 2 };

static double wave(bool cosine, double angle)
{
    return cosine ? cos(angle) : sin(angle);
}

static void sinusoid_has_the_forms_of_the_frameworks(void **state)
{
    (void)state;
    const struct sower_shape shape = {3, {2, POSITIONS, COLUMNS}};
    /* DistilBERT, XLM: position / 10000^(2 (j / 2) / d) */
    double *paper = tensor("sinusoid", shape, SOWER_F64, OI);
    /* Marian: the same, sines first */
    double *halves = tensor("sinusoid(order=halves)", shape, SOWER_F64, OI);
    /* Whisper: position · exp(-i ln(10000) / (d / 2 - 1)), sines first */
    double *whisper = tensor("sinusoid(order=halves,endpoint=true)", shape, SOWER_F64, OI);
    for (size_t at = 0; at < 2 * POSITIONS * COLUMNS; at++) {
        size_t j = at % COLUMNS, i = j % HALF;
        double position = (double)(at / COLUMNS % POSITIONS);
        double angle = position / pow(10000, (double)(2 * (j / 2)) / COLUMNS);
        assert_near(paper[at], wave(j % 2 == 1, angle), 1e-14, at);
        angle = position / pow(10000, (double)(2 * i) / COLUMNS);
        assert_near(halves[at], wave(j >= HALF, angle), 1e-14, at);
        angle = position * exp(-(double)i * log(10000) / (HALF - 1));
        assert_near(whisper[at], wave(j >= HALF, angle), 1e-14, at);
    }
    free(paper);
    free(halves);
    free(whisper);
}

static void sinusoid_refuses_columns_that_are_not_pairs(void **state)
{
    (void)state;
    static const struct {
        const char *expression;
        uint64_t columns;
    } cases[] = {{"sinusoid", 7}, {"sinusoid(endpoint=true)", 2}, {"sinusoid(order=halves)", 1}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sower_initializer initializer;
        struct sower_problem problem = {0};
        struct sower_plan plan;
        const struct sower_layout layout = {0};
        const struct sower_shape shape = {2, {4, cases[i].columns}};
        assert_true(
            sower_expression_parse(cases[i].expression, strlen(cases[i].expression), &initializer, &problem));
        assert_false(sower_plan_make(&initializer, &shape, SOWER_F32, &layout, &plan, &problem));
        assert_string_equal(problem.field, "shape");
    }
}

/* The softplus of an element is a time step; its logarithm is uniform. */
static void dt_bias_gives_log_uniform_time_steps(void **state)
{
    (void)state;
    enum { COUNT = 100000, BINS = 20 };
    size_t bins[BINS] = {0};
    double *values = tensor("dt_bias", (struct sower_shape){1, {COUNT}}, SOWER_F64, OI);
    for (size_t i = 0; i < COUNT; i++) {
        double place = (log(log1p(exp(values[i]))) - log(0.001)) / (log(0.1) - log(0.001));
        assert_true(place > -1e-12 && place < 1 + 1e-12);
        bins[place < 0 ? 0 : place < 1 ? (size_t)(place * BINS) : BINS - 1]++;
    }
    double distance = 0; /* chi-square with 19 degrees of freedom: above 43.8 once in a thousand */
    for (size_t i = 0; i < BINS; i++) {
        distance += pow((double)bins[i] - COUNT / BINS, 2) / (COUNT / BINS);
    }
    assert_true(distance < 43.8);
    free(values);
}

static void dt_bias_has_no_time_step_below_the_floor(void **state)
{
    (void)state;
    double *values = tensor("dt_bias(1e-4,0.1,0.01)", (struct sower_shape){1, {1000}}, SOWER_F64, OI);
    size_t at_floor = 0;
    for (size_t i = 0; i < 1000; i++) {
        double step = log1p(exp(values[i]));
        assert_true(step > 0.01 - 1e-15 && step < 0.1 + 1e-15);
        at_floor += fabs(step - 0.01) < 1e-15;
    }
    assert_true(at_floor > 600 && at_floor < 730); /* two thirds */
    free(values);
}

static void dt_bias_of_a_narrow_type_is_the_rounded_one_of_f32(void **state)
{
    (void)state;
    const struct sower_shape shape = {2, {3, 1000}};
    double *wide = tensor("dt_bias", shape, SOWER_F32, OI), *narrow = tensor("dt_bias", shape, SOWER_F16, OI);
    for (size_t i = 0; i < 3000; i++) {
        double expected;
        uint16_t bits = sower_f16_from_f32((float)wide[i]);
        sower_dtype_widen(SOWER_F16, &bits, 1, &expected);
        assert_true(narrow[i] == expected);
    }
    free(wide);
    free(narrow);
}

static void any_slice_of_a_table_equals_the_same_part_of_the_whole(void **state)
{
    (void)state;
    const struct sower_shape shape = {3, {4, 6, 700}};
    const struct sower_region region = {3, {1, 0, 3}, {4, 5, 600}};
    const char *const expressions[] = {"arange",   "log_arange", "tril", "inverse_frequency",
                                       "sinusoid", "dt_bias"};
    for (size_t e = 0; e < sizeof expressions / sizeof expressions[0]; e++) {
        double *whole = tensor(expressions[e], shape, SOWER_F32, OI);
        for (size_t step = 257; step < 3000; step *= 2) {
            double *cut = tensor_region(expressions[e], shape, SOWER_F32, OI, &region, step);
            size_t n = 0;
            for (size_t a = 1; a < 4; a++) {
                for (size_t b = 0; b < 5; b++) {
                    for (size_t c = 3; c < 600; c++) {
                        assert_true(cut[n++] == whole[(a * 6 + b) * 700 + c]);
                    }
                }
            }
            free(cut);
        }
        free(whole);
    }
}

static void a_plan_has_the_figures_of_arange_and_tril(void **state)
{
    (void)state;
    static const char *const expressions[] = {"arange(1,0.5)", "tril(2,-1)"};
    for (size_t e = 0; e < 2; e++) {
        struct sower_initializer initializer;
        struct sower_problem problem;
        struct sower_plan plan;
        const struct sower_layout layout = {0};
        const struct sower_shape shape = {2, {7, 5}};
        double *values = tensor(expressions[e], shape, SOWER_F64, OI), sum = 0, squares = 0;
        assert_true(sower_expression_parse(expressions[e], strlen(expressions[e]), &initializer, &problem));
        assert_true(sower_plan_make(&initializer, &shape, SOWER_F64, &layout, &plan, &problem));
        for (size_t i = 0; i < 35; i++) {
            sum += values[i] / 35;
            squares += values[i] * values[i] / 35;
            assert_true(values[i] >= plan.low && values[i] <= plan.high);
        }
        assert_near(plan.mean_expected, sum, 1e-12, e);
        assert_near(plan.std_expected, sqrt(squares - sum * sum), 1e-12, e);
        free(values);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arange_counts_in_every_row),
        cmocka_unit_test(arange_rounds_once),
        cmocka_unit_test(log_arange_is_mambas_a_log),
        cmocka_unit_test(tril_is_a_causal_mask_in_every_matrix),
        cmocka_unit_test(inverse_frequency_is_that_of_rotary_embeddings),
        cmocka_unit_test(sinusoid_has_the_forms_of_the_frameworks),
        cmocka_unit_test(sinusoid_refuses_columns_that_are_not_pairs),
        cmocka_unit_test(dt_bias_gives_log_uniform_time_steps),
        cmocka_unit_test(dt_bias_has_no_time_step_below_the_floor),
        cmocka_unit_test(dt_bias_of_a_narrow_type_is_the_rounded_one_of_f32),
        cmocka_unit_test(any_slice_of_a_table_equals_the_same_part_of_the_whole),
        cmocka_unit_test(a_plan_has_the_figures_of_arange_and_tril),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
