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
}

/* The first tensor of these gets this law from the recipe. */
static void assert_law(const char *recipe, const char *tensors, const char *law)
{
    struct sower_manifest manifest = read_with(recipe, tensors);
    char expression[SOWER_EXPRESSION_MAX + 1];
    assert_true(sower_expression_print(&manifest.tensors[0].initializer, expression, sizeof expression));
    assert_string_equal(expression, law);
    sower_manifest_free(&manifest);
}

#define TENSOR(name, shape) "{\"name\":\"" name "\",\"shape\":[" shape "]}"

static void the_laws_of_models_follow_their_widths_and_depths(void **state)
{
    (void)state;
    assert_law("hf_gpt2", TENSOR("h.0.mlp.c_proj.weight", "4,8") "," TENSOR("h.7.mlp.c_proj.weight", "4,8"),
               "normal(mean=0,std=0.005)");
    assert_law("hf_t5", TENSOR("block.0.layer.0.SelfAttention.q.weight", "8,16"),
               "normal(mean=0,std=0.03125)");
    assert_law("hf_t5",
               TENSOR("a.SelfAttention.relative_attention_bias.weight",
                      "32,4") "," TENSOR("a.SelfAttention.q.weight", "8,16"),
               "normal(mean=0,std=0.25)");
    assert_law("hf_clip",
               TENSOR("encoder.layers.1.mlp.fc2.weight",
                      "16,32") "," TENSOR("encoder.layers.1.layer_norm1.weight", "16"),
               "normal(mean=0,std=0.125)");
    assert_law("hf_mamba2", TENSOR("layers.0.mixer.A_log", "4"), "log_arange(start=1,step=1)");
    assert_law("hf_whisper", TENSOR("encoder.embed_positions.weight", "6,4"),
               "sinusoid(base=10000,order=halves,endpoint=true)");
    assert_law("torchtitan_llama3", TENSOR("layers.1.attention.wo.weight", "4,4"),
               "trunc_normal(mean=0,std=0.01,a=-2,b=2)");
    assert_law("torchvision_vit", TENSOR("conv_proj.weight", "8,4,2,2"),
               "trunc_normal(mean=0,std=0.25,a=-2,b=2)");
    assert_law("timm_vit", TENSOR("attn_pool.latent", "1,1,16"),
               "truncated_normal(mean=0,std=0.25,lower=-2,upper=2)");
}

/* The default of read_with: no rule matched. */
static void a_tensor_that_a_model_does_not_have_matches_no_rule(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"hf_llama", TENSOR("layers.0.mlp.experts.down_proj", "4,8,8")},
        {"hf_llama", TENSOR("layers.0.pre_feedforward_layernorm.weight", "8")},
        {"hf_gemma2", TENSOR("layers.0.input_layernorm.weight", "8")},
        {"hf_clip", TENSOR("encoder.layers.0.self_attn.q_proj.weight", "8,8")},
        {"torchvision_convnext",
         TENSOR("features.0.0.weight", "8,3,4,4") "," TENSOR("features.0.2.weight", "8")},
        {"torchvision_swin", TENSOR("features.0.0.weight", "8,3,4,4") "," TENSOR("features.0.1.weight", "8")},
        {"torchvision_resnet", TENSOR("visual.proj.weight", "8,8")},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        assert_law(pairs[i][0], pairs[i][1], "constant(value=77)");
    }
}

static void padding_rows_are_zeros_where_the_name_tells_which(void **state)
{
    (void)state;
    struct sower_problem problem = {.sentence = ""};
    struct sower_manifest manifest =
        read_with("hf_bert", TENSOR("roberta.embeddings.word_embeddings.weight", "4,2"));
    assert_int_equal(manifest.tensors[0].layout.zeros.rows.count, 1);
    assert_int_equal(manifest.tensors[0].layout.zeros.rows.at[0], 1);
    sower_manifest_free(&manifest);
    const char bare[] =
        "{\"recipe\":\"hf_bert\",\"tensors\":[" TENSOR("embeddings.word_embeddings.weight", "4,2") "]}";
    assert_false(sower_manifest_read(bare, strlen(bare), &manifest, &problem));
    assert_non_null(strstr(problem.sentence, "[1] for RoBERTa"));
}

static void a_mistyped_recipe_gets_a_suggestion(void **state)
{
    (void)state;
    assert_null(sower_recipe_find("GPT2"));
    assert_string_equal(sower_recipe_nearest("hf_gtp2"), "hf_gpt2");
    assert_string_equal(sower_recipe_nearest("gpt2"), "hf_gpt2");
    assert_string_equal(sower_recipe_nearest("swin"), "torchvision_swin");
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
        cmocka_unit_test(the_laws_of_models_follow_their_widths_and_depths),
        cmocka_unit_test(a_tensor_that_a_model_does_not_have_matches_no_rule),
        cmocka_unit_test(padding_rows_are_zeros_where_the_name_tells_which),
        cmocka_unit_test(a_mistyped_recipe_gets_a_suggestion),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
