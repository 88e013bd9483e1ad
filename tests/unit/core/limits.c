/* Values that a dtype cannot represent: every law is refused from the first parameter that can give such a
 * value.
 *
 * The edges were computed independently of this code: in exact arithmetic, from the text of proto/SPEC.md. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/kernel.h"
#include "core/plan.h"
#include "proto/expression.h"

enum { EDGES = 5 };

/* The edges of a law are the greatest values that are still accepted, one for each of these dtypes. The
 * greatest double means that all values are accepted. f8_e5m2 has the same edges as f8_e4m3. */
static const enum sower_dtype dtypes[EDGES] = {SOWER_F64, SOWER_F32, SOWER_F16, SOWER_BF16, SOWER_F8_E4M3};

/* "#" stands for the value. */
static const struct {
    const char *expression;
    double edges[EDGES];
} laws[] = {
    {"constant(#)",
     {0x1.fffffffffffffp1023, 0x1.fffffefffffffp127, 0x1.ffdffefffffffp15, 0x1.fefffefffffffp127,
      0x1.fffffefffffffp127}},
    {"constant(-#)",
     {0x1.fffffffffffffp1023, 0x1.fffffefffffffp127, 0x1.ffdffefffffffp15, 0x1.fefffefffffffp127,
      0x1.fffffefffffffp127}},
    {"uniform(0,#)",
     {0x1.fffffffffffffp1023, 0x1.fffffefffffffp127, 0x1.ffep15, 0x1.ffp127, 0x1.fffffefffffffp127}},
    {"uniform(-#,#)",
     {0x1.fffffffffffffp1022, 0x1.fffffefffffffp127, 0x1.ffe001p15, 0x1.ff0001p127, 0x1.fffffefffffffp127}},
    {"uniform(-#,-1)",
     {0x1.fffffffffffffp1023, 0x1.fffffefffffffp127, 0x1.ffdffffffffffp15, 0x1.fefffffffffffp127,
      0x1.fffffefffffffp127}},
    {"normal(0,#)",
     {0x1.bf6434f313f3cp1020, 0x1.4321e9p125, 0x1.430db6fffffffp13, 0x1.428059p125, 0x1.4321e9p125}},
    {"normal(#,0)",
     {0x1.fffffffffffffp1023, 0x1.fffffefffffffp127, 0x1.ffdffefffffffp15, 0x1.fefffefffffffp127,
      0x1.fffffefffffffp127}},
    {"normal(#,1)",
     {0x1.fffffffffffffp1023, 0x1.fffffefffffffp127, 0x1.ffd351p15, 0x1.fefffefffffffp127,
      0x1.fffffefffffffp127}},
    {"truncated_normal(0,#)",
     {0x1.fffffffffffffp1022, 0x1.fffffefffffffp126, 0x1.ffdffffffffffp14, 0x1.fefffffffffffp126,
      0x1.fffffefffffffp126}},
    {"truncated_normal(0,#,-inf,1)",
     {0x1.bf6434f313f3cp1020, 0x1.4321e9p125, 0x1.430db6fffffffp13, 0x1.428059p125, 0x1.4321e9p125}},
    {"trunc_normal(0,1,-#,#)",
     {0x1.fffffffffffffp1023, 0x1.fffffffffffffp1023, 0x1.fffffffffffffp1023, 0x1.fffffffffffffp1023,
      0x1.fffffffffffffp1023}},
    {"trunc_normal(1e4,3e4,-#,#)",
     {0x1.fffffffffffffp1023, 0x1.fffffffffffffp1023, 0x1.ffdffffffffffp15, 0x1.fffffffffffffp1023,
      0x1.fffffffffffffp1023}},
    {"identity(#)",
     {0x1.fffffffffffffp1023, 0x1.fffffefffffffp127, 0x1.ffdffefffffffp15, 0x1.fefffefffffffp127,
      0x1.fffffefffffffp127}},
    {"lstm_bias(#)",
     {0x1.fffffffffffffp1023, 0x1.fffffefffffffp127, 0x1.ffdffefffffffp15, 0x1.fefffefffffffp127,
      0x1.fffffefffffffp127}},
    {"sparse(0.5,#)",
     {0x1.bf6434f313f3cp1020, 0x1.4321e9p125, 0x1.430db6fffffffp13, 0x1.428059p125, 0x1.4321e9p125}},
    {"orthogonal(#)",
     {0x1.ff801ff801ff7p1023, 0x1.ff801ef841ef7p127, 0x1.ff6026f6426f5p15, 0x1.fe805ee845ee7p127,
      0x1.ff801ef841ef7p127}},
    {"delta_orthogonal(#)",
     {0x1.ff801ff801ff7p1023, 0x1.ff801ef841ef7p127, 0x1.ff6026f6426f5p15, 0x1.fe805ee845ee7p127,
      0x1.ff801ef841ef7p127}},
    {"arange(#,0)",
     {0x1.fffffffffffffp1023, 0x1.fffffefffffffp127, 0x1.ffdffefffffffp15, 0x1.fefffefffffffp127,
      0x1.fffffefffffffp127}},
    {"tril(#)",
     {0x1.fffffffffffffp1023, 0x1.fffffefffffffp127, 0x1.ffdffefffffffp15, 0x1.fefffefffffffp127,
      0x1.fffffefffffffp127}},
    {"tril(0,-#)",
     {0x1.fffffffffffffp1023, 0x1.fffffefffffffp127, 0x1.ffdffefffffffp15, 0x1.fefffefffffffp127,
      0x1.fffffefffffffp127}},
};

enum { LAWS = sizeof laws / sizeof laws[0] };

static struct sower_initializer initializer_of(const char *expression, double value)
{
    struct sower_initializer initializer;
    struct sower_problem problem;
    char text[200] = "";
    for (const char *at = expression; *at != '\0'; at++) {
        char piece[32] = {*at};
        if (*at == '#') {
            snprintf(piece, sizeof piece, "%.17g", value);
        }
        strcat(text, piece);
    }
    if (!sower_expression_parse(text, strlen(text), &initializer, &problem)) {
        fail_msg("%s: %s", text, problem.sentence);
    }
    return initializer;
}

static bool makes_plan(const char *expression, double value, enum sower_dtype dtype, struct sower_plan *plan,
                       struct sower_problem *problem)
{
    static const struct sower_layout layout = {.order = SOWER_LAYOUT_OI};
    struct sower_initializer initializer = initializer_of(expression, value);
    struct sower_shape shape = {.rank = initializer.entry->rank_minimum, .sizes = {4, 4, 4}};
    if (shape.rank == 0) {
        shape.rank = 1;
    }
    return sower_plan_make(&initializer, &shape, dtype, &layout, plan, problem);
}

static void every_law_accepts_its_largest_value_in_every_dtype(void **state)
{
    (void)state;
    for (size_t law = 0; law < LAWS; law++) {
        for (size_t i = 0; i < EDGES; i++) {
            struct sower_plan plan;
            struct sower_problem problem = {.sentence = ""};
            if (!makes_plan(laws[law].expression, laws[law].edges[i], dtypes[i], &plan, &problem)) {
                fail_msg("%s, %s: %s", laws[law].expression, sower_dtype_name(dtypes[i]), problem.sentence);
            }
        }
    }
}

static void every_law_refuses_the_next_larger_value(void **state)
{
    (void)state;
    for (size_t law = 0; law < LAWS; law++) {
        for (size_t i = 0; i < EDGES; i++) {
            double value = nextafter(laws[law].edges[i], (double)INFINITY);
            struct sower_plan plan;
            struct sower_problem problem;
            if (isinf(value)) {
                continue;
            }
            if (makes_plan(laws[law].expression, value, dtypes[i], &plan, &problem)) {
                fail_msg("%s, %s: %a was taken", laws[law].expression, sower_dtype_name(dtypes[i]), value);
            }
            assert_int_equal(problem.code, SOWER_PROBLEM_INVALID);
            assert_string_equal(problem.field, "init");
        }
    }
}

/* Tests the smallest and the largest words, and some between. */
static void every_element_of_an_accepted_law_is_finite(void **state)
{
    (void)state;
    static const uint64_t words[] = {0, 1, UINT64_MAX >> 1, (UINT64_MAX >> 1) + 1, UINT64_MAX, 12345};
    for (size_t law = 0; law < LAWS; law++) {
        for (size_t i = 0; i < EDGES; i++) {
            struct sower_plan plan;
            struct sower_problem problem;
            assert_true(makes_plan(laws[law].expression, laws[law].edges[i], dtypes[i], &plan, &problem));
            for (size_t w = 0; w < sizeof words / sizeof words[0]; w++) {
                double value;
                unsigned char element[8];
                if (dtypes[i] == SOWER_F64) {
                    value = sower_law_f64(&plan.law, words[w]);
                } else {
                    sower_dtype_store(dtypes[i], sower_law_f32(&plan.law, (uint32_t)(words[w] >> 32)),
                                      element);
                    sower_dtype_widen(dtypes[i], element, 1, &value);
                }
                assert_true(isfinite(value));
            }
        }
    }
}

static void the_sentence_names_the_number_and_the_limit(void **state)
{
    (void)state;
    static const struct {
        const char *expression;
        double value;
        enum sower_dtype dtype;
        const char *part;
    } cases[] = {
        {"constant(#)", 65520, SOWER_F16, "of magnitude 65520, but the largest number of f16 is 65504"},
        {"normal(#,0)", 3.4554549934717372e+16, SOWER_F16,
         "of magnitude 3.45545499e+16, but the largest number of f16"},
        {"trunc_normal(0,#,-1e38,1e38)", 1e39, SOWER_F32,
         "of magnitude 1e+39, but the largest number of f32"},
        {"constant(-#)", 1e39, SOWER_F8_E4M3,
         "of magnitude 1e+39, but the largest number of f32, from which f8 is rounded"},
        {"normal(0,#)", 1e308, SOWER_F64, "too large for a double, but the largest number of f64"},
        {"uniform(-#,#)", 1e308, SOWER_F16, "its width must fit in a double"},
        {"uniform(#,0)", 1, SOWER_F32, "low must not be above high"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sower_plan plan;
        struct sower_problem problem;
        assert_false(makes_plan(cases[i].expression, cases[i].value, cases[i].dtype, &plan, &problem));
        if (strstr(problem.sentence, cases[i].part) == NULL) {
            fail_msg("\"%s\" lacks \"%s\"", problem.sentence, cases[i].part);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_law_accepts_its_largest_value_in_every_dtype),
        cmocka_unit_test(every_law_refuses_the_next_larger_value),
        cmocka_unit_test(every_element_of_an_accepted_law_is_finite),
        cmocka_unit_test(the_sentence_names_the_number_and_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
