#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/formula.h"

static bool fan(void *context, const char *name, size_t length, bool out, uint64_t *value,
                struct sower_problem *problem)
{
    (void)context;
    *value = out ? 100 : 784;
    return (length == 6 && memcmp(name, "weight", length) == 0) ||
           (length == 11 && memcmp(name, "../q.weight", length) == 0) ||
           sower_problem_set(problem, SOWER_PROBLEM_INVALID, "init", "no such tensor");
}

static bool expand(const char *text, uint64_t layers, char plain[SOWER_EXPRESSION_MAX + 1],
                   struct sower_problem *problem)
{
    json_t *constants = json_pack("{s:f, s:i}", "initializer_range", 0.006, "d_kv", 64);
    const struct sower_formula_terms terms = {
        .layers = layers, .block = layers > 0 ? 3 : -1, .constants = constants, .fan = fan};
    bool expanded = sower_formula_expand(text, strlen(text), &terms, plain, problem);
    json_decref(constants);
    return expanded;
}

static void formulas_become_plain_numbers(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"he_normal", "he_normal"},
        {"normal(std=0.02)", "normal(std=0.02)"},
        {"variance_scaling(2, mode=fan_in)", "variance_scaling(2, mode=fan_in)"},
        {"normal(std=0.02/sqrt(2*layers))", "normal(std=0.004082482904638631)"},
        {"normal( 0 , 1 / layers )", "normal( 0 ,0.08333333333333333)"},
        {"fan_uniform(fan_in=weight.fan_in)", "fan_uniform(fan_in=784)"},
        {"fan_uniform(weight.fan_out)", "fan_uniform(100)"},
        {"wang_normal(layers=layers)", "wang_normal(layers=12)"},
        {"normal(std=sqrt(sqrt(16)))", "normal(std=2)"},
        {"normal(std=1e-2*3)", "normal(std=0.03)"},
        {"normal(std=8/2/2)", "normal(std=2)"},
        {"normal(std=0.02/sqrt(2*(block+1)))", "normal(std=0.0070710678118654745)"},
        {"constant(block)", "constant(3)"},
        {"constant((1+2-4)*2)", "constant(-2)"},
        {"constant((1+-2- -4)*2)", "constant(6)"},
        {"constant((1e-1+1E+1)*2)", "constant(20.2)"},
        {"constant(sqrt(block+1-layers/4))", "constant(1)"},
        {"constant(2*(weight.fan_in-weight.fan_out))", "constant(1368)"},
        {"normal(std=1/sqrt(../q.weight.fan_in))", "normal(std=0.03571428571428571)"},
        {"constant(../q.weight.fan_in/../q.weight.fan_out)", "constant(7.84)"},
        {"normal(std=initializer_range)", "normal(std=0.006)"},
        {"normal(std=1/sqrt(d_kv*weight.fan_out))", "normal(std=0.0125)"},
        {"normal(mean=-0*1)", "normal(mean=0)"},
        {"wang_normal(1e8*1e7)",
         "wang_normal(1000000000000000)"}, /* not 1e+15, which is not a whole number */
        {"wang_normal(9007199254740992*1)", "wang_normal(9007199254740992)"},
        {"normal(std=1e8*1e8)", "normal(std=1e+16)"},
        {"normal(std=1", "normal(std=1"}, /* the parser of expressions refuses malformed text */
        {"", ""},
    };
    char plain[SOWER_EXPRESSION_MAX + 1];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sower_problem problem = {.sentence = ""};
        if (!expand(cases[i][0], 12, plain, &problem)) {
            fail_msg("%s: %s", cases[i][0], problem.sentence);
        }
        assert_string_equal(plain, cases[i][1]);
    }
}

static void a_formula_without_a_finite_result_is_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "normal(std=0.02/)",
        "normal(std=*2)",
        "normal(std=2*two)",
        "normal(std=sqrt 2*2)",
        "normal(std=sqrt(2*3,1)",
        "normal(std=1/0*1)",
        "normal(std=sqrt(-1))",
        "normal(std=2*3 4)",
        "normal(std=(1+)*2)",
        "normal(std=((((((((((((((((((1))))))))))))))))))",
        "normal(std=2*d_kvs)",
        "normal(std=bias.fan_in)",
        "normal(std=../weight.fan_in)",
        "normal(std=../*2)",
        ("normal(std=sqrt(sqrt(sqrt(sqrt(sqrt(sqrt(sqrt(sqrt(sqrt(sqrt(sqrt(sqrt("
         "sqrt(sqrt(sqrt(sqrt(sqrt(1))))))))))))))))))"),
    };
    char plain[SOWER_EXPRESSION_MAX + 1];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sower_problem problem;
        if (expand(cases[i], 12, plain, &problem)) {
            fail_msg("%s became %s", cases[i], plain);
        }
        assert_string_equal(problem.field, "init");
    }
}

static void a_sum_without_parentheses_is_refused_with_advice(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "constant(layers+1)", "constant(layers - 1)", "constant(2*layers+1)", "constant(1+layers)",
        "constant(d_kv-1)",   "constant((1)-(2))",    "constant(1+2)",        "constant(sqrt(4) + 1)",
    };
    char plain[SOWER_EXPRESSION_MAX + 1];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sower_problem problem;
        assert_false(expand(cases[i], 12, plain, &problem));
        if (strstr(problem.sentence, "parentheses around the sum") == NULL) {
            fail_msg("%s: %s", cases[i], problem.sentence);
        }
    }
}

static void an_unknown_number_of_layers_is_refused(void **state)
{
    (void)state;
    char plain[SOWER_EXPRESSION_MAX + 1];
    struct sower_problem problem;
    assert_false(expand("normal(std=0.02/sqrt(2*layers))", 0, plain, &problem));
    assert_string_equal(problem.field, "layers");
    assert_int_equal(problem.code, SOWER_PROBLEM_UNPROCESSABLE);
    assert_false(expand("normal(std=block*1)", 0, plain, &problem));
    assert_string_equal(problem.field, "blocks");
    assert_int_equal(problem.code, SOWER_PROBLEM_UNPROCESSABLE);
}

static void expressions_of_any_length_stay_inside_their_buffer(void **state)
{
    (void)state;
    char text[4000], plain[SOWER_EXPRESSION_MAX + 1];
    struct sower_problem problem;
    for (size_t length = 1000; length < 1100; length++) {
        memset(text, 'a', length);
        memcpy(text, "normal(", 7);
        memcpy(text + length - 8, "1/3,1/3)", 9);
        bool fits = expand(text, 1, plain, &problem);
        assert_true(!fits || strlen(plain) <= SOWER_EXPRESSION_MAX);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formulas_become_plain_numbers),
        cmocka_unit_test(a_formula_without_a_finite_result_is_refused),
        cmocka_unit_test(a_sum_without_parentheses_is_refused_with_advice),
        cmocka_unit_test(an_unknown_number_of_layers_is_refused),
        cmocka_unit_test(expressions_of_any_length_stay_inside_their_buffer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
