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
        assert_true(
            sower_expression_print(&manifest.tensors[i].form->initializer, expression, sizeof expression));
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
        assert_true(
            sower_expression_print(&manifest.tensors[i].form->initializer, expression, sizeof expression));
        assert_string_equal(expression, "fan_uniform(fan_in=16)");
    }
    sower_manifest_free(&manifest);
}

/* A tensor, and the initializer that a recipe gives it; REFUSED: the recipe refuses the manifest. */
struct expected_tensor {
    const char *name, *shape, *init;
};

static const char REFUSED[] = "refused";

static void assert_tensors(const char *recipe, const struct expected_tensor *expected)
{
    char tensors[3000] = "";
    size_t count = 0;
    bool refused = false;
    for (; expected[count].name != NULL; count++) {
        const size_t used = strlen(tensors);
        snprintf(tensors + used, sizeof tensors - used, "%s{\"name\":\"%s\",\"shape\":[%s]}",
                 count > 0 ? "," : "", expected[count].name, expected[count].shape);
        refused = refused || expected[count].init == REFUSED;
    }
    if (refused) {
        struct sower_manifest manifest;
        struct sower_problem problem = {.sentence = ""};
        char text[4000];
        snprintf(text, sizeof text, "{\"recipe\":\"%s\",\"tensors\":[%s]}", recipe, tensors);
        assert_false(sower_manifest_read(text, strlen(text), &manifest, &problem));
        assert_non_null(strstr(problem.sentence, "add a rule"));
        sower_manifest_free(&manifest);
        return;
    }
    struct sower_manifest manifest = read_with(recipe, tensors);
    for (size_t i = 0; i < count; i++) {
        char expression[SOWER_EXPRESSION_MAX + 1];
        assert_true(
            sower_expression_print(&manifest.tensors[i].form->initializer, expression, sizeof expression));
        assert_string_equal(expression, expected[i].init);
    }
    sower_manifest_free(&manifest);
}

#define LINEAR "kaiming_uniform(a=2.23606797749979,mode=fan_in,nonlinearity=leaky_relu)"

static void a_linear_whose_name_contains_embed_is_no_embedding(void **state)
{
    (void)state;
    assert_tensors("torch_default",
                   (const struct expected_tensor[]){{"bbox_embed.0.weight", "8,8", LINEAR},
                                                    {"bbox_embed.0.bias", "8", "fan_uniform(fan_in=8)"},
                                                    {"embed_tokens.weight", "9,8", "normal(mean=0,std=1)"},
                                                    {0}});
}

static void torch_default_refuses_what_names_and_shapes_do_not_tell(void **state)
{
    (void)state;
    static const struct expected_tensor unknown[] = {
        {"codebook.weight", "9,8", REFUSED},   /* Embedding or Linear */
        {"0.weight", "9", REFUSED},            /* norm or PReLU */
        {"0.weight", "9,8,3", REFUSED},        /* Conv1d or Bilinear */
        {"attn.masked_bias", "", REFUSED},     /* a mask */
        {"linear_attn.dt_bias", "8", REFUSED}, /* another library's */
        {"parametrizations.w_weight", "8,8", REFUSED},
    };
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
        assert_tensors("torch_default", (const struct expected_tensor[]){unknown[i], {0}});
    }
    assert_tensors("torch_default", (const struct expected_tensor[]){{"c_attn.weight", "8,24", REFUSED},
                                                                     {"c_attn.bias", "24", REFUSED},
                                                                     {0}});
}

static void torch_default_knows_modules_by_their_neighbours(void **state)
{
    (void)state;
    assert_tensors("torch_default",
                   (const struct expected_tensor[]){{"attn.in_proj_weight", "24,8", "xavier_uniform(gain=1)"},
                                                    {"attn.in_proj_bias", "24", "zeros"},
                                                    {"attn.out_proj.weight", "8,8", LINEAR},
                                                    {"attn.out_proj.bias", "8", "zeros"},
                                                    {"out_proj.weight", "8,8", LINEAR},
                                                    {"out_proj.bias", "8", "fan_uniform(fan_in=8)"},
                                                    {"ln.weight", "8,5", "ones"},
                                                    {"ln.bias", "8,5", "zeros"},
                                                    {"act.weight", "8", "constant(value=0.25)"},
                                                    {"bilinear.weight", "30,12,20", LINEAR},
                                                    {"bilinear.bias", "30", "fan_uniform(fan_in=12)"},
                                                    {"rnn.weight_ih_l0", "256,20", "fan_uniform(fan_in=64)"},
                                                    {"rnn.weight_hh_l0", "256,4", "fan_uniform(fan_in=64)"},
                                                    {"rnn.weight_hr_l0", "4,64", "fan_uniform(fan_in=64)"},
                                                    {0}});
}

static void keras_default_looks_at_the_last_part_of_a_name(void **state)
{
    (void)state;
    assert_tensors("keras_default", (const struct expected_tensor[]){
                                        {"lstm_model/dense/kernel", "8,32", "glorot_uniform"},
                                        {"lstm_model/dense/bias", "32", "zeros"},
                                        {"beta_vae/bn/moving_variance", "8", "ones"},
                                        {"gamma_head/x/beta", "8", "zeros"},
                                        {"dense/lora_kernel_b", "4,8", "zeros"},
                                        {"enc/lstm_cell/recurrent_kernel", "8,32", "orthogonal(gain=1)"},
                                        {"enc/lstm_cell/bias", "32", "lstm_bias(forget=1,gates=ifgo)"},
                                        {0}});
    assert_tensors("keras_default",
                   (const struct expected_tensor[]){{"stem/kernel", "5,6,20", REFUSED}, {0}});
}

static void flax_default_refuses_scanned_layers(void **state)
{
    (void)state;
    assert_tensors("flax_default",
                   (const struct expected_tensor[]){{"layers/Dense_0/kernel", "6,24,24", REFUSED},
                                                    {"layers/Dense_0/bias", "6,24", REFUSED},
                                                    {0}});
    assert_tensors("flax_default",
                   (const struct expected_tensor[]){{"params/Dense_0/kernel", "24,16", "lecun_normal"},
                                                    {"params/Dense_0/bias", "16", "zeros"},
                                                    {"params/Conv_0/kernel", "3,24,16", "lecun_normal"},
                                                    {0}});
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
    assert_true(
        sower_expression_print(&manifest.tensors[0].form->initializer, expression, sizeof expression));
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
    assert_int_equal(manifest.tensors[0].form->layout.zeros.rows.count, 1);
    assert_int_equal(manifest.tensors[0].form->layout.zeros.rows.at[0], 1);
    sower_manifest_free(&manifest);
    const char bare[] =
        "{\"recipe\":\"hf_bert\",\"tensors\":[" TENSOR("embeddings.word_embeddings.weight", "4,2") "]}";
    assert_false(sower_manifest_read(bare, strlen(bare), &manifest, &problem));
    assert_non_null(strstr(problem.sentence, "[1] for RoBERTa"));
    sower_manifest_free(&manifest);
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
        cmocka_unit_test(a_linear_whose_name_contains_embed_is_no_embedding),
        cmocka_unit_test(torch_default_refuses_what_names_and_shapes_do_not_tell),
        cmocka_unit_test(torch_default_knows_modules_by_their_neighbours),
        cmocka_unit_test(keras_default_looks_at_the_last_part_of_a_name),
        cmocka_unit_test(flax_default_refuses_scanned_layers),
        cmocka_unit_test(recipes_give_the_same_as_their_code),
        cmocka_unit_test(the_laws_of_models_follow_their_widths_and_depths),
        cmocka_unit_test(a_tensor_that_a_model_does_not_have_matches_no_rule),
        cmocka_unit_test(padding_rows_are_zeros_where_the_name_tells_which),
        cmocka_unit_test(a_mistyped_recipe_gets_a_suggestion),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
