#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "proto/expression.h"

static bool parse(const char *text, struct sower_initializer *initializer, struct sower_problem *problem)
{
    return sower_expression_parse(text, strlen(text), initializer, problem);
}

static void assert_prints(const char *text, const char *canonical)
{
    struct sower_initializer initializer;
    struct sower_problem problem = {.sentence = ""};
    char printed[SOWER_EXPRESSION_MAX];
    if (!parse(text, &initializer, &problem)) {
        fail_msg("%s: %s", text, problem.sentence);
    }
    assert_true(sower_expression_print(&initializer, printed, sizeof printed));
    assert_string_equal(printed, canonical);
    assert_true(parse(printed, &initializer, &problem));
}

static void assert_refused(const char *text, size_t length, const char *part)
{
    struct sower_initializer initializer;
    struct sower_problem problem;
    assert_false(sower_expression_parse(text, length, &initializer, &problem));
    assert_string_equal(problem.field, "init");
    if (strstr(problem.sentence, part) == NULL) {
        fail_msg("%s: \"%s\" lacks \"%s\"", text, problem.sentence, part);
    }
}

static json_t *object(const char *text)
{
    json_t *json = json_loads(text, 0, NULL);
    assert_non_null(json);
    return json;
}

static void all_spellings_of_one_initializer_print_the_same(void **state)
{
    (void)state;
    assert_prints("he_normal", "he_normal");
    assert_prints("he_normal()", "he_normal");
    assert_prints(" he_normal ( ) ", "he_normal");
    assert_prints("normal", "normal(mean=0,std=0.05)");
    assert_prints("normal(std=0.02)", "normal(mean=0,std=0.02)");
    assert_prints("normal(0, 0.02)", "normal(mean=0,std=0.02)");
    assert_prints("normal(-0.0, std = 2e-2)", "normal(mean=0,std=0.02)");
    assert_prints("normal( std=.02 , mean=+0 )", "normal(mean=0,std=0.02)");
    assert_prints("constant(-1.50)", "constant(value=-1.5)");
    assert_prints("truncated_normal(lower=-inf,upper=+inf)",
                  "truncated_normal(mean=0,std=0.05,lower=-inf,upper=inf)");
    assert_prints("variance_scaling(2,fan_out,uniform)",
                  "variance_scaling(scale=2,mode=fan_out,distribution=uniform)");
    assert_prints("variance_scaling(distribution=uniform)",
                  "variance_scaling(scale=1,mode=fan_in,distribution=uniform)");
}

static void a_frameworks_name_prints_as_the_entry_that_it_means(void **state)
{
    (void)state;
    assert_prints("torch.nn.init.normal_", "normal(mean=0,std=1)");
    assert_prints("nn.init.normal_(std=0.02)", "normal(mean=0,std=0.02)");
    assert_prints("uniform_(-1)", "uniform(low=-1,high=1)");
    assert_prints("uniform_(b=0.5)", "uniform(low=0,high=0.5)");
    assert_prints("constant_(val=3)", "constant(value=3)");
    assert_prints("eye_", "identity(gain=1)");
    assert_prints("kaiming_uniform_(a=2.23606797749979, mode=fan_out)",
                  "kaiming_uniform(a=2.23606797749979,mode=fan_out,nonlinearity=leaky_relu)");
    assert_prints("RandomNormal", "normal(mean=0,std=0.05)");
    assert_prints("keras.initializers.RandomNormal(stddev=0.02)", "normal(mean=0,std=0.02)");
    assert_prints("random_uniform(minval=-1,maxval=1)", "uniform(low=-1,high=1)");
    assert_prints("VarianceScaling(2,distribution=untruncated_normal)",
                  "variance_scaling(scale=2,mode=fan_in,distribution=untruncated_normal)");
    assert_prints("jax.nn.initializers.variance_scaling(2, fan_avg, normal)",
                  "variance_scaling(scale=2,mode=fan_avg,distribution=untruncated_normal)");
    assert_prints("jax.nn.initializers.uniform(0.5)", "uniform(low=0,high=0.5)");
    assert_prints("jax.nn.initializers.truncated_normal(1,upper=3)",
                  "truncated_normal(mean=0,std=1,lower=-2,upper=3)");
    assert_prints("jax.nn.initializers.orthogonal(scale=2)", "orthogonal(gain=2)");
}

static void a_frameworks_name_has_only_the_frameworks_parameters(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *part;
    } cases[] = {
        {"RandomNormal(std=0.02)", "RandomNormal has no parameter \"std\"; it has mean, stddev."},
        {"normal_(stddev=0.02)", "normal_ has no parameter \"stddev\"; it has mean, std."},
        {"HeNormal(seed=1)", "it has none. The seed follows from the experiment, the trial and the name."},
        {"jax.nn.initializers.he_normal(in_axis=0)", "The axes are fields beside init."},
        {"jax.nn.initializers.variance_scaling(2,fan_in)", "needs the parameter distribution"},
        {"jax.nn.initializers.variance_scaling(2,fan_in,untruncated_normal)",
         "one of truncated_normal, normal, uniform"},
        {"VarianceScaling(distribution=normal)", "one of truncated_normal, untruncated_normal, uniform"},
        {"eye_(2)", "one too many: eye_ has 0 parameters"},
        {"eye_(gain=2)", "it has none"},
        {"constant_", "constant_ needs the parameter val"},
        {"RandomNormal(stddev=-1)", "RandomNormal: stddev is -1"},
        {"torch.nn.init.kaiming_norml_", "did you mean \"torch.nn.init.kaiming_normal_\"?"},
        {"torch.nn.init.HeNormal", "There is no initializer \"torch.nn.init.HeNormal\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_refused(cases[i].text, strlen(cases[i].text), cases[i].part);
    }
}

static void every_entry_of_the_catalogue_prints_and_reads_back(void **state)
{
    (void)state;
    const struct sower_entry *entry;
    for (size_t i = 0; (entry = sower_catalogue_entry(i)) != NULL; i++) {
        struct sower_initializer first;
        struct sower_initializer second;
        struct sower_problem problem;
        char printed[SOWER_EXPRESSION_MAX];
        assert_true(parse(entry->example, &first, &problem));
        assert_true(sower_expression_print(&first, printed, sizeof printed));
        assert_true(parse(printed, &second, &problem));
        assert_memory_equal(first.values, second.values, sizeof first.values);
        assert_ptr_equal(first.entry, second.entry);
    }
}

static void the_refusal_of_a_misspelt_name_suggests_the_nearest_one(void **state)
{
    (void)state;
    assert_refused("he_norml", 8, "did you mean \"he_normal\"");
    assert_refused("Normal(std=1)", 13, "\"Normal\"");
    assert_refused("normal(sdt=1)", 13, "no parameter \"sdt\"; it has mean, std");
    assert_refused("ones(value=1)", 13, "it has none");
}

static void a_syntax_error_is_refused_with_its_position(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *part;
    } cases[] = {
        {"", "the name of an initializer"},
        {"   ", "the name of an initializer"},
        {"(1)", "the name of an initializer"},
        {"3", "the name of an initializer"},
        {"normal(", "a parameter or a value"},
        {"normal(1", "a closing parenthesis"},
        {"normal(1))", "is \")\""},
        {"normal((1))", "a parameter or a value"},
        {"normal)", "is \")\""},
        {"normal(1,)", "a parameter or a value"},
        {"normal(,1)", "a parameter or a value"},
        {"normal(1 2)", "a closing parenthesis"},
        {"normal(std=)", "a value"},
        {"normal(std==1)", "a value"},
        {"normal(=1)", "a parameter or a value"},
        {"normal(std=1) x", "expected the end"},
        {"normal, zeros", "expected the end"},
        {"normal(mean=0,1)", "needs a name as well"},
        {"normal(1,2,3)", "one too many"},
        {"zeros(1)", "one too many"},
        {"normal(std=1,std=2)", "given twice"},
        {"normal(0,mean=1)", "given twice"},
        {"he\tnormal", "There is no initializer"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_refused(cases[i].text, strlen(cases[i].text), cases[i].part);
    }
    assert_refused("normal\0(1)", 10, "NUL");
}

static void values_outside_of_their_domain_are_refused_with_the_domain(void **state)
{
    (void)state;
    static const char *const bad[] = {"normal(std=-1)",  "normal(std=nan)",     "normal(std=NaN)",
                                      "normal(std=inf)", "normal(std=1e999)",   "normal(std=0x10)",
                                      "normal(std=abc)", "normal(std=1.5.2)",   "normal(std=true)",
                                      "normal(std=1e)",  "normal(std=--1)",     "normal(std=1_000)",
                                      "normal(std=007)", "normal(std=Infinity)"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_refused(bad[i], strlen(bad[i]), "must be a finite number from 0");
    }
    assert_refused("normal(std=1e999)", 17, "\"1e999\" was given");
    assert_refused("variance_scaling(mode=fan_max)", 30, "one of fan_in, fan_out, fan_avg");
    assert_refused("variance_scaling(mode=0)", 24, "one of fan_in, fan_out, fan_avg");
}

static void long_texts_are_refused_and_their_quotation_is_short(void **state)
{
    (void)state;
    static char text[100000];
    memset(text, 'a', sizeof text);
    assert_refused(text, sizeof text, "at most 1024");
    assert_refused(text, SOWER_EXPRESSION_MAX, "aaaa…\"");
    memcpy(text, "normal(", 7);
    assert_refused(text, SOWER_EXPRESSION_MAX, "aaaa…\"");
    memset(text, '(', sizeof text);
    assert_refused(text, SOWER_EXPRESSION_MAX, "((((…\"");
}

static void an_object_is_read_like_its_expression(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        const char *canonical;
    } cases[] = {
        {"{\"type\":\"he_normal\"}", "he_normal"},
        {"{\"std\":0.02,\"type\":\"normal\"}", "normal(mean=0,std=0.02)"},
        {"{\"type\":\"normal\",\"std\":2}", "normal(mean=0,std=2)"},
        {"{\"type\":\"variance_scaling\",\"mode\":\"fan_out\"}",
         "variance_scaling(scale=1,mode=fan_out,distribution=truncated_normal)"},
        {"{\"type\":\"truncated_normal\",\"lower\":\"-inf\"}",
         "truncated_normal(mean=0,std=0.05,lower=-inf,upper=2)"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sower_initializer initializer;
        struct sower_problem problem;
        char printed[SOWER_EXPRESSION_MAX];
        json_t *json = object(cases[i].json);
        assert_true(sower_expression_from_json(json, &initializer, &problem));
        assert_true(sower_expression_print(&initializer, printed, sizeof printed));
        assert_string_equal(printed, cases[i].canonical);
        json_decref(json);
    }
}

static void a_wrong_object_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        const char *part;
    } cases[] = {
        {"{}", "\"type\""},
        {"{\"type\":1}", "\"type\""},
        {"{\"type\":\"\"}", "There is no initializer \"\""},
        {"{\"type\":\"norml\"}", "did you mean \"normal\""},
        {"{\"type\":\"normal(std=1)\"}", "There is no initializer"},
        {"{\"type\":\"normal\",\"sdt\":1}", "no parameter \"sdt\""},
        {"{\"type\":\"normal\",\"std\":\"1\"}", "\"1\" was given"},
        {"{\"type\":\"normal\",\"std\":true}", "true was given"},
        {"{\"type\":\"normal\",\"std\":null}", "null was given"},
        {"{\"type\":\"normal\",\"std\":[1]}", "an array was given"},
        {"{\"type\":\"normal\",\"std\":{}}", "an object was given"},
        {"{\"type\":\"normal\",\"std\":-1}", "must be a finite number from 0"},
        {"{\"type\":\"normal\",\"std\":\"inf\"}", "must be a finite number from 0"},
        {"{\"type\":\"variance_scaling\",\"mode\":1}", "one of fan_in"},
        {"{\"type\":\"variance_scaling\",\"mode\":\"fan\"}", "one of fan_in"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sower_initializer initializer;
        struct sower_problem problem;
        json_t *json = object(cases[i].json);
        assert_false(sower_expression_from_json(json, &initializer, &problem));
        assert_string_equal(problem.field, "init");
        if (strstr(problem.sentence, cases[i].part) == NULL) {
            fail_msg("%s: \"%s\" lacks \"%s\"", cases[i].json, problem.sentence, cases[i].part);
        }
        json_decref(json);
    }
}

static void a_whole_parameter_is_exact_or_refused(void **state)
{
    (void)state;
    static const char *const good[] = {"1", "9007199254740991", "9007199254740992"};
    static const char *const bad[] = {"9007199254740993",
                                      "9007199254740994",
                                      "9223372036854775807",
                                      "99999999999999999999",
                                      "-0",
                                      "0",
                                      "-9007199254740993",
                                      "1.0",
                                      "1e3"};
    char text[80];
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        snprintf(text, sizeof text, "wang_normal(layers=%s)", good[i]);
        assert_prints(text, text);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        snprintf(text, sizeof text, "wang_normal(%s)", bad[i]);
        assert_refused(text, strlen(text), "a whole number from 1 to 9007199254740992");
        snprintf(text, sizeof text, "{\"type\":\"wang_normal\",\"layers\":%s}", bad[i]);
        json_t *json = json_loads(text, 0, NULL); /* NULL if the number is too large for jansson */
        struct sower_initializer initializer;
        struct sower_problem problem;
        assert_false(json != NULL && sower_expression_from_json(json, &initializer, &problem));
        json_decref(json);
    }
}

static void a_real_parameter_is_the_nearest_double(void **state)
{
    (void)state;
    struct sower_initializer initializer;
    struct sower_problem problem;
    assert_prints("constant(9007199254740993)", "constant(value=9007199254740992)");
    json_t *json = object("{\"type\":\"constant\",\"value\":9007199254740993}");
    assert_true(sower_expression_from_json(json, &initializer, &problem));
    assert_true(initializer.values[0] == 9007199254740992);
    json_decref(json);
}

/* Entries for this test only, one for each kind of parameter. */
static const char *const colours[] = {"red", "green", NULL};
static const struct sower_entry painted = {
    .name = "painted",
    .parameters = {{.name = "coats", .kind = SOWER_PARAMETER_INTEGER, .minimum = 0, .maximum = 9},
                   {.name = "shiny", .kind = SOWER_PARAMETER_BOOLEAN, .maximum = 1},
                   {.name = "colour", .kind = SOWER_PARAMETER_CHOICE, .maximum = 1, .choices = colours}},
};

static void printing_never_writes_past_the_end(void **state)
{
    (void)state;
    static const char whole[] = "painted(coats=7,shiny=true,colour=green)";
    struct sower_initializer initializer = {.entry = &painted, .values = {7, 1, 1}};
    char text[64];
    for (size_t size = 1; size < sizeof text; size++) {
        memset(text, '#', sizeof text);
        bool fits = sower_expression_print(&initializer, text, size);
        assert_int_equal(fits, size >= sizeof whole);
        assert_true(memchr(text, '\0', size) != NULL);
        for (size_t i = size; i < sizeof text; i++) {
            assert_int_equal(text[i], '#');
        }
    }
    assert_string_equal(text, whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_spellings_of_one_initializer_print_the_same),
        cmocka_unit_test(a_frameworks_name_prints_as_the_entry_that_it_means),
        cmocka_unit_test(a_frameworks_name_has_only_the_frameworks_parameters),
        cmocka_unit_test(every_entry_of_the_catalogue_prints_and_reads_back),
        cmocka_unit_test(the_refusal_of_a_misspelt_name_suggests_the_nearest_one),
        cmocka_unit_test(a_syntax_error_is_refused_with_its_position),
        cmocka_unit_test(values_outside_of_their_domain_are_refused_with_the_domain),
        cmocka_unit_test(long_texts_are_refused_and_their_quotation_is_short),
        cmocka_unit_test(an_object_is_read_like_its_expression),
        cmocka_unit_test(a_wrong_object_is_refused),
        cmocka_unit_test(a_whole_parameter_is_exact_or_refused),
        cmocka_unit_test(a_real_parameter_is_the_nearest_double),
        cmocka_unit_test(printing_never_writes_past_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
