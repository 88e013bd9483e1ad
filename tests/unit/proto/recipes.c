#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/expression.h"
#include "proto/formula.h"
#include "proto/json.h"
#include "proto/manifest_read.h"
#include "proto/recipes.h"

/* One tensor for each kind that a recipe has rules for. */
static const char EVERYTHING[] =
    "{\"name\":\"h.0.attn.c_proj.weight\",\"shape\":[8,8]},{\"name\":\"h.0.attn.c_proj.bias\",\"shape\":[8]},"
    "{\"name\":\"h.0.ln.weight\",\"shape\":[8]},{\"name\":\"h.0.ln.bias\",\"shape\":[8]},"
    "{\"name\":\"conv.weight\",\"shape\":[8,4,3,3]},{\"name\":\"conv.bias\",\"shape\":[8]}";

static struct sower_manifest read_with(const char *recipe, const char *tensors)
{
    struct sower_manifest manifest;
    struct sower_problem problem = {.sentence = ""};
    char text[4000];
    snprintf(text, sizeof text,
             "{\"recipe\":\"%s\",\"tensors\":[%s],\"defaults\":{\"init\":\"constant(77)\"}}", recipe,
             tensors);
    if (!sower_manifest_read(text, strlen(text), &manifest, &problem)) {
        fail_msg("%s: %s", recipe, problem.sentence);
    }
    return manifest;
}

static void every_rule_of_every_recipe_can_be_read_and_copied_into_a_manifest(void **state)
{
    (void)state;
    const struct sower_recipe *recipe;
    for (size_t i = 0; (recipe = sower_recipe(i)) != NULL; i++) {
        struct sower_manifest by_name = read_with(recipe->name, EVERYTHING), by_rules;
        struct sower_problem problem = {.sentence = ""};
        json_t *manifest = sower_recipe_manifest(recipe);
        json_object_set_new(manifest, "defaults", json_pack("{s:s}", "init", "constant(77)"));
        char tensors[4000];
        snprintf(tensors, sizeof tensors, "[%s]", EVERYTHING);
        json_object_set_new(manifest, "tensors", json_loads(tensors, 0, NULL));
        char *text = sower_json_text(manifest, 0);
        if (!sower_manifest_read(text, strlen(text), &by_rules, &problem)) {
            fail_msg("%s: %s", recipe->name, problem.sentence);
        }
        assert_memory_equal(by_name.hash, by_rules.hash, sizeof by_name.hash);
        free(text);
        json_decref(manifest);
        sower_manifest_free(&by_name);
        sower_manifest_free(&by_rules);
    }
}

static bool any_fan(void *context, const char *name, size_t length, bool out, uint64_t *fan,
                    struct sower_problem *problem)
{
    (void)context, (void)name, (void)length, (void)out, (void)problem;
    *fan = 4;
    return true;
}

/* Expands the formulas of each rule's initializer with the constants of the recipe, and reads the result. */
static void every_rule_of_every_recipe_has_an_initializer_that_exists_or_a_sentence(void **state)
{
    (void)state;
    const struct sower_recipe *recipe;
    for (size_t i = 0; (recipe = sower_recipe(i)) != NULL; i++) {
        json_t *manifest = sower_recipe_manifest(recipe);
        const struct sower_formula_terms terms = {
            .layers = 2, .block = 1, .constants = json_object_get(manifest, "constants"), .fan = any_fan};
        for (const struct sower_recipe_rule *rule = recipe->rules; rule->name != NULL; rule++) {
            struct sower_initializer initializer;
            struct sower_problem problem = {.sentence = ""};
            char plain[SOWER_EXPRESSION_MAX + 1];
            const int origins =
                (rule->init != NULL) + (rule->refuse != NULL) + (rule->same_as != NULL) + rule->leave_out;
            assert_true(origins <= 1);
            if (rule->init != NULL &&
                !(sower_formula_expand(rule->init, strlen(rule->init), &terms, plain, &problem) &&
                  sower_expression_parse(plain, strlen(plain), &initializer, &problem))) {
                fail_msg("%s, %s: %s", recipe->name, rule->name, problem.sentence);
            }
        }
        json_decref(manifest);
    }
}

static void assert_initializers(const char *recipe, const char *const expected[6])
{
    struct sower_manifest manifest = read_with(recipe, EVERYTHING);
    char expression[SOWER_EXPRESSION_MAX + 1];
    for (size_t i = 0; i < 6; i++) {
        assert_true(sower_expression_print(&manifest.tensors[i].initializer, expression, sizeof expression));
        assert_string_equal(expression, expected[i]);
    }
    sower_manifest_free(&manifest);
}

static void all_tensors_of_an_lstm_follow_its_hidden_size(void **state)
{
    (void)state;
    struct sower_manifest manifest = read_with(
        "torch_default", "{\"name\":\"rnn.weight_ih_l0\",\"shape\":[64,5]},{\"name\":\"rnn.weight_hh_l0\","
                         "\"shape\":[64,16]},{\"name\":\"rnn.bias_hh_l0_reverse\",\"shape\":[64]}");
    char expression[SOWER_EXPRESSION_MAX + 1];
    for (size_t i = 0; i < 3; i++) {
        assert_true(sower_expression_print(&manifest.tensors[i].initializer, expression, sizeof expression));
        assert_string_equal(expression, "fan_uniform(fan_in=16)");
    }
    sower_manifest_free(&manifest);
}

static void recipes_give_the_same_as_their_code(void **state)
{
    (void)state;
    assert_initializers("torch_default",
                        (const char *const[]){"kaiming_uniform(a=2.23606797749979,mode=fan_in,nonlinearity="
                                              "leaky_relu)",
                                              "fan_uniform(fan_in=8)", "ones", "zeros",
                                              "kaiming_uniform(a=2.23606797749979,mode=fan_in,nonlinearity="
                                              "leaky_relu)",
                                              "fan_uniform(fan_in=36)"});
    assert_initializers("hf_gpt2", (const char *const[]){"normal(mean=0,std=0.014142135623730949)", "zeros",
                                                         "ones", "zeros", "constant(value=77)", "zeros"});
    assert_initializers("torchvision_resnet",
                        (const char *const[]){"kaiming_uniform(a=2.23606797749979,mode=fan_in,nonlinearity="
                                              "leaky_relu)",
                                              "fan_uniform(fan_in=8)", "ones", "zeros",
                                              "kaiming_normal(a=0,mode=fan_out,nonlinearity=relu)",
                                              "fan_uniform(fan_in=36)"});
}

static void a_mistyped_recipe_gets_a_suggestion(void **state)
{
    (void)state;
    assert_null(sower_recipe_find("GPT2"));
    assert_string_equal(sower_recipe_nearest("hf_gtp2"), "hf_gpt2");
    assert_string_equal(sower_recipe_nearest("gpt2"), "hf_gpt2");
    assert_string_equal(sower_recipe_nearest("resnet"), "torchvision_resnet");
    assert_null(sower_recipe_nearest("mine"));
    assert_string_equal(sower_recipe_find("hf_vit")->name, "hf_vit");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_rule_of_every_recipe_can_be_read_and_copied_into_a_manifest),
        cmocka_unit_test(every_rule_of_every_recipe_has_an_initializer_that_exists_or_a_sentence),
        cmocka_unit_test(all_tensors_of_an_lstm_follow_its_hidden_size),
        cmocka_unit_test(recipes_give_the_same_as_their_code),
        cmocka_unit_test(a_mistyped_recipe_gets_a_suggestion),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
