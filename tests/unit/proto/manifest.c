#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <sodium.h>

#include "proto/expression.h"
#include "proto/json.h"
#include "proto/manifest_read.h"

static struct sower_manifest good(const char *text)
{
    struct sower_manifest manifest;
    struct sower_problem problem = {.sentence = ""};
    if (!sower_manifest_read(text, strlen(text), &manifest, &problem)) {
        fail_msg("%s: %s: %s", text, problem.field, problem.sentence);
    }
    return manifest;
}

static void assert_refused(const char *text, size_t length, const char *field, const char *part)
{
    struct sower_manifest manifest;
    struct sower_problem problem = {.sentence = ""};
    if (sower_manifest_read(text, length, &manifest, &problem)) {
        fail_msg("%.200s is accepted", text);
    }
    sower_manifest_free(&manifest);
    if (strcmp(problem.field, field) != 0 || strstr(problem.sentence, part) == NULL) {
        fail_msg("%.200s: field %s, \"%s\"", text, problem.field, problem.sentence);
    }
}

static void assert_canonical(const char *text, const char *expected)
{
    struct sower_manifest manifest = good(text);
    struct sower_buffer buffer = {0};
    uint8_t hash[SOWER_MANIFEST_HASH_SIZE];
    sower_manifest_print(&manifest, &buffer);
    sower_buffer_bytes(&buffer, "", 1);
    assert_false(buffer.failed);
    assert_string_equal(buffer.text, expected);
    crypto_generichash(hash, sizeof hash, (const unsigned char *)expected, strlen(expected), NULL, 0);
    assert_memory_equal(hash, manifest.hash, sizeof hash);
    sower_buffer_free(&buffer);
    sower_manifest_free(&manifest);
}

#define A "{\"name\":\"a.weight\",\"shape\":[32,16]}"
#define CANONICAL_A(dtype, init, layout)                                                                     \
    "{\"tensors\":[{\"dtype\":\"" dtype "\",\"init\":\"" init "\",\"layout\":\"" layout                      \
    "\",\"name\":\"a.weight\",\"shape\":[32,16]}]}"

static void fields_come_from_the_tensor_then_the_first_matching_rule_then_the_defaults(void **state)
{
    (void)state;
    assert_canonical("{\"tensors\":[" A "],\"defaults\":{\"init\":\"normal(std=0.02)\"}}",
                     CANONICAL_A("f32", "normal(mean=0,std=0.02)", "oi"));
    assert_canonical("{\"tensors\":[" A "],\"defaults\":{\"init\":\"zeros\",\"dtype\":\"bf16\"},"
                     "\"rules\":[{\"match\":\"*.weight\",\"init\":\"ones\"},{\"match\":\"a*\",\"init\":"
                     "\"he_normal\",\"layout\":\"io\"}]}",
                     CANONICAL_A("bf16", "ones", "io"));
    assert_canonical("{\"defaults\":{\"init\":\"zeros\"},\"rules\":[{\"match\":\"*\",\"init\":\"ones\"}],"
                     "\"tensors\":[{\"name\":\"a.weight\",\"shape\":[32,16],\"init\":{\"type\":\"constant\","
                     "\"value\":5e-1},\"dtype\":\"float64\"}],\"experiment\":\"e\",\"trial\":3}",
                     CANONICAL_A("f64", "constant(value=0.5)", "oi"));
}

static void the_canonical_form_of_the_canonical_form_is_the_same(void **state)
{
    (void)state;
    static const char text[] =
        "{\"tensors\":[{\"batch_axis\":[2],\"dtype\":\"f16\",\"fan_in\":3,\"fan_out\":4,\"in_axis\":[0],"
        "\"init\":\"zeros\",\"layout\":\"io\",\"name\":\"q\\\"\\\\\\n\\u0001é\",\"out_axis\":[1],\"shape\":"
        "[1,2,3]},{\"dtype\":\"f32\",\"init\":\"ones\",\"layout\":\"oi\",\"name\":\"s\",\"shape\":[]},"
        "{\"dtype\":\"f32\",\"init\":\"ones\",\"layout\":\"oi\",\"name\":\"z\",\"shape\":[3,2],\"zero_"
        "columns\":[1],"
        "\"zero_rows\":[0,2]}]}";
    assert_canonical(text, text);
}

static void rules_match_by_rank_by_dtype_and_by_the_tensor_beside(void **state)
{
    (void)state;
    struct sower_manifest manifest = good(
        "{\"tensors\":[{\"name\":\"fc.weight\",\"shape\":[10,784]},{\"name\":\"fc.bias\",\"shape\":[10]},"
        "{\"name\":\"bn/weight\",\"shape\":[10]},{\"name\":\"bn/bias\",\"shape\":[10],\"dtype\":\"bf16\"},"
        "{\"name\":\"bias\",\"shape\":[3]}],"
        "\"rules\":[{\"match\":{\"name\":\"*bias\",\"beside\":\"weight\",\"beside_rank\":[2,5]},\"init\":"
        "\"fan_uniform(fan_in=weight.fan_in)\"},{\"match\":{\"rank\":2},\"init\":\"he_normal\"},"
        "{\"match\":{\"dtype\":\"bf16\"},\"init\":\"constant(2)\"},{\"match\":{\"beside\":\"bias\",\"rank\":"
        "[0,1],\"name\":\"bn*\"},\"init\":\"ones\"},{\"match\":\"nothing.*\",\"init\":\"eye\"}],"
        "\"defaults\":{\"init\":\"zeros\"}}");
    static const char *const expected[] = {"he_normal", "fan_uniform(fan_in=784)", "ones",
                                           "constant(value=2)", "zeros"};
    char expression[SOWER_EXPRESSION_MAX + 1];
    assert_int_equal(manifest.count, 5);
    for (size_t i = 0; i < 5; i++) {
        assert_true(
            sower_expression_print(&manifest.tensors[i].form->initializer, expression, sizeof expression));
        assert_string_equal(expression, expected[i]);
    }
    assert_int_equal(json_array_size(manifest.warnings), 1);
    assert_string_equal(json_string_value(json_array_get(manifest.warnings, 0)),
                        "Rule 5 (nothing.*) matches no tensor.");
    assert_int_equal(manifest.size, 4 * (7840 + 10 + 10 + 3) + 2 * 10);
    sower_manifest_free(&manifest);
}

static void a_tensor_is_not_beside_itself(void **state)
{
    (void)state;
    struct sower_manifest manifest =
        good("{\"tensors\":[{\"name\":\"weight\",\"shape\":[2,2]},{\"name\":\"a.weight\",\"shape\":[2,3]},"
             "{\"name\":\"a.bias\",\"shape\":[2]}],\"rules\":[{\"match\":{\"beside\":\"weight\"},\"init\":"
             "\"constant(weight.fan_in)\"}],\"defaults\":{\"init\":\"constant(-2*weight.fan_out)\"}}");
    static const double expected[] = {-4, -4, 3}; /* a formula may use the tensor's own fan */
    for (size_t i = 0; i < 3; i++) {
        assert_true(manifest.tensors[i].form->initializer.values[0] == expected[i]);
    }
    sower_manifest_free(&manifest);
}

static void the_fan_beside_follows_the_layout_beside(void **state)
{
    (void)state;
    assert_canonical(
        "{\"tensors\":[{\"name\":\"k\",\"shape\":[5,3]},{\"name\":\"b\",\"shape\":[3]}],\"rules\":[{"
        "\"match\":"
        "\"k\",\"init\":\"zeros\",\"layout\":\"io\"},{\"match\":\"b\",\"init\":\"fan_uniform(k.fan_in)\"}]}",
        "{\"tensors\":[{\"dtype\":\"f32\",\"init\":\"zeros\",\"layout\":\"io\",\"name\":\"k\",\"shape\":[5,3]"
        "}"
        ",{\"dtype\":\"f32\",\"init\":\"fan_uniform(fan_in=5)\",\"layout\":\"oi\",\"name\":\"b\",\"shape\":["
        "3]"
        "}]}");
}

/* The initializers of all tensors, separated by spaces. */
static void assert_initializers(const char *text, const char *expected)
{
    struct sower_manifest manifest = good(text);
    char list[2000] = "", expression[SOWER_EXPRESSION_MAX + 1];
    for (size_t i = 0; i < manifest.count; i++) {
        assert_true(
            sower_expression_print(&manifest.tensors[i].form->initializer, expression, sizeof expression));
        assert_true(strlen(list) + strlen(expression) + 2 < sizeof list);
        strcat(list, i == 0 ? "" : " ");
        strcat(list, expression);
    }
    assert_string_equal(list, expected);
    sower_manifest_free(&manifest);
}

static void each_tower_has_its_own_layers_and_a_block_its_number(void **state)
{
    (void)state;
#define BOTH "\"defaults\":{\"init\":\"uniform(low=-1*block,high=layers)\"}}"
    assert_initializers(
        "{\"blocks\":[\"h\",\"encoder.layer\"],\"tensors\":["
        "{\"name\":\"a.0.h.0.w\",\"shape\":[]},{\"name\":\"a.0.h.11.x.99.w\",\"shape\":[]},"
        "{\"name\":\"a/1/h/2/w\",\"shape\":[]},{\"name\":\"h.h.1.h.7.w\",\"shape\":[]},"
        "{\"name\":\"encoder.layer.4.w\",\"shape\":[]}]," BOTH,
        "uniform(low=0,high=12) uniform(low=-11,high=12) uniform(low=-2,high=3) uniform(low=-1,high=2) "
        "uniform(low=-4,high=5)");
    assert_initializers(
        "{\"layers\":7,\"blocks\":\"h\",\"tensors\":[{\"name\":\"h.1.w\",\"shape\":[]}]," BOTH,
        "uniform(low=-1,high=7)");
    static const char *const outside[] = {"w", "h.w", "xh.0.w",   "h1.w", "h.0w.w", "h.1234567890.w",
                                          "h", "h.",  "encoder.h"};
    for (size_t i = 0; i < sizeof outside / sizeof outside[0]; i++) {
        char text[300];
        snprintf(text, sizeof text,
                 "{\"blocks\":\"h\",\"tensors\":[{\"name\":\"h.0.w\",\"shape\":[]},{\"name\":\"%s\","
                 "\"shape\":[]}],"
                 "\"defaults\":{\"init\":\"constant(layers)\"}}",
                 outside[i]);
        assert_refused(text, strlen(text), "tensors", "needs the number of layers");
    }
#undef BOTH
}

static void towers_are_listed_and_incomplete_ones_get_a_notice(void **state)
{
    (void)state;
    static const char text[] = "{\"blocks\":\"h\",\"tensors\":[{\"name\":\"a.h.0.w\",\"shape\":[]},{\"name\":"
                               "\"a.h.1.w\",\"shape\":[]},"
                               "{\"name\":\"b.h.6.w\",\"shape\":[]},{\"name\":\"b.h.7.w\",\"shape\":[]},{"
                               "\"name\":\"c.h.0.w\",\"shape\":[]},"
                               "{\"name\":\"c.h.2.w\",\"shape\":[]}],\"defaults\":{\"init\":\"zeros\"}}";
    struct sower_manifest manifest = good(text);
    char *towers = sower_json_text(manifest.towers, JSON_COMPACT);
    assert_string_equal(
        towers, "[{\"blocks\":\"a.h\",\"layers\":2},{\"blocks\":\"b.h\",\"layers\":8},{\"blocks\":\"c.h\","
                "\"layers\":3}]");
    assert_int_equal(json_array_size(manifest.warnings), 2);
    assert_non_null(
        strstr(json_string_value(json_array_get(manifest.warnings, 0)), "\"b.h\" do not begin at 0"));
    assert_non_null(strstr(json_string_value(json_array_get(manifest.warnings, 1)), "\"c.h\" have gaps"));
    free(towers);
    sower_manifest_free(&manifest);
}

static void a_list_of_blocks_in_no_name_gets_a_notice(void **state)
{
    (void)state;
    struct sower_manifest manifest = good("{\"blocks\":[\"h\",\"layers\"],\"tensors\":[{\"name\":\"a.h.0.w\","
                                          "\"shape\":[]},{\"name\":\"layers.w\",\"shape\":[]}],"
                                          "\"defaults\":{\"init\":\"zeros\"}}");
    assert_int_equal(json_array_size(manifest.warnings), 1);
    assert_string_equal(
        json_string_value(json_array_get(manifest.warnings, 0)),
        "List 2 of blocks (layers) matches no tensor: in no name does the number of a block follow it.");
    sower_manifest_free(&manifest);
    manifest = good("{\"recipe\":\"hf_gpt2\",\"tensors\":[{\"name\":\"wte.weight\",\"shape\":[2,3]}]}");
    assert_int_equal(json_array_size(manifest.warnings), 0);
    sower_manifest_free(&manifest);
}

static void constants_stand_for_numbers_and_a_recipe_declares_its_own(void **state)
{
    (void)state;
    assert_initializers(
        "{\"constants\":{\"width\":4,\"std\":0.5},\"tensors\":[{\"name\":\"w\",\"shape\":[],\"init\":"
        "\"uniform(low=-1*width,high=std)\"}]}",
        "uniform(low=-4,high=0.5)");
    static const char *const cases[][2] = {
        {"{\"constants\":{\"Width\":4},", "cannot be called \"Width\""},
        {"{\"constants\":{\"layers\":4},", "cannot be called \"layers\""},
        {"{\"constants\":{\"x\":\"4\"},", "must be a number"},
        {"{\"constants\":[4],", "must be an object"},
        {"{\"recipe\":\"torch_default\",\"constants\":{\"range\":4},", "has no constant \"range\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[300];
        snprintf(text, sizeof text, "%s\"tensors\":[{\"name\":\"w\",\"shape\":[],\"init\":\"zeros\"}]}",
                 cases[i][0]);
        assert_refused(text, strlen(text), "constants", cases[i][1]);
    }
}

static void rules_match_by_sizes_and_by_tensors_elsewhere(void **state)
{
    (void)state;
    assert_initializers(
        "{\"tensors\":[{\"name\":\"a.fc.weight\",\"shape\":[4,3]},{\"name\":\"a.fc.bias\",\"shape\":[4]},"
        "{\"name\":\"a.conv1d.weight\",\"shape\":[3,4]},{\"name\":\"a.conv1d.bias\",\"shape\":[4]},"
        "{\"name\":\"a.in_proj_weight\",\"shape\":[5,5]},{\"name\":\"bias\",\"shape\":[2,2,7]}],\"rules\":["
        "{\"match\":{\"shape\":[\"n\",\"n\",7]},\"init\":\"constant(1)\"},"
        "{\"match\":{\"shape\":[\"n\",\"*\"],\"beside\":\"bias\",\"beside_shape\":[\"n\"]},\"init\":"
        "\"constant(2)\"},"
        "{\"match\":{\"name\":\"*.fc.bias\",\"beside\":\"../"
        "in_proj_weight\",\"beside_shape\":[\"n\",\"n\"]},\"init\":"
        "\"constant(3)\"},"
        "{\"match\":{\"name\":\"*.bias\",\"beside\":\"../../bias\"},\"init\":\"constant(4)\"},"
        "{\"match\":{\"shape\":[\"n\",\"n\"]},\"init\":\"constant(5)\"}],\"defaults\":{\"init\":\"zeros\"}}",
        "constant(value=2) constant(value=3) zeros constant(value=4) constant(value=5) constant(value=1)");
}

static void a_rule_that_refuses_names_the_tensor_unless_an_earlier_rule_decides(void **state)
{
    (void)state;
    static const char text[] = "{\"tensors\":[{\"name\":\"a.codebook.weight\",\"shape\":[4,3]}],\"rules\":[%"
                               "s{\"match\":\"*codebook.weight\",\"refuse\":"
                               "\"it may be an Embedding: add a rule.\"}],\"defaults\":{\"init\":\"zeros\"}}";
    char filled[400];
    snprintf(filled, sizeof filled, text, "");
    assert_refused(filled, strlen(filled), "tensors",
                   "\"a.codebook.weight\": it may be an Embedding: add a rule.");
    snprintf(filled, sizeof filled, text, "{\"match\":{\"rank\":2},\"init\":\"ones\"},");
    struct sower_manifest manifest = good(filled);
    sower_manifest_free(&manifest);
}

static void a_rule_that_another_shadows_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "{\"match\":\"*\",\"init\":\"zeros\"},{\"match\":\"b\",\"init\":\"ones\"}",
        "{\"match\":\"*\",\"init\":\"zeros\",\"dtype\":\"bf16\"},{\"match\":\"a\",\"dtype\":\"f16\"}",
        "{\"match\":\"*\",\"init\":\"zeros\"},{\"match\":\"b\",\"leave_out\":true}",
        "{\"match\":\"[ab]\",\"init\":\"zeros\"},{\"match\":\"[ab]\",\"init\":\"ones\"}",
    };
    static const char *const fine[] = {
        "{\"match\":\"b\",\"init\":\"ones\"},{\"match\":\"*\",\"init\":\"zeros\"}",
        "{\"match\":\"*\",\"init\":\"zeros\"},{\"match\":\"b\",\"init\":\"ones\",\"dtype\":\"bf16\"}",
        "{\"match\":\"*\",\"init\":\"zeros\"},{\"match\":\"c\",\"init\":\"ones\"}", /* c has its own init */
        "{\"match\":\"*\",\"init\":\"zeros\"},{\"match\":\"q\",\"init\":\"ones\"}",
        ("{\"match\":\"a\",\"init\":\"zeros\"},{\"match\":\"b\",\"init\":\"zeros\"},"
         "{\"match\":\"[ab]\",\"init\":\"ones\"}"),
    };
    static const char tensors[] =
        "\"tensors\":[{\"name\":\"a\",\"shape\":[]},{\"name\":\"b\",\"shape\":[]},{\"name\":\"c\","
        "\"shape\":[],\"init\":\"ones\"}]";
    char text[500];
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        snprintf(text, sizeof text, "{%s,\"rules\":[%s]}", tensors, bad[i]);
        assert_refused(text, strlen(text), "rules", "Rule 2 (");
    }
    for (size_t i = 0; i < sizeof fine / sizeof fine[0]; i++) {
        snprintf(text, sizeof text, "{%s,\"rules\":[%s]}", tensors, fine[i]);
        struct sower_manifest manifest = good(text);
        sower_manifest_free(&manifest);
    }
}

static void tensors_that_are_left_out_are_not_in_the_manifest(void **state)
{
    (void)state;
    static const char with[] = "{\"leave_out\":[\"*.mask\",\"none\"],\"tensors\":[{\"name\":\"a.mask\","
                               "\"shape\":[-3]},{\"name\":\"w\",\"shape\":[2]},"
                               "{\"name\":\"ids\",\"shape\":[1]},{\"name\":\"t\",\"shape\":[2],\"same_as\":"
                               "\"w\"}],\"rules\":[{\"match\":\"ids\","
                               "\"leave_out\":true}],\"defaults\":{\"init\":\"ones\"}}";
    static const char without[] =
        "{\"tensors\":[{\"name\":\"w\",\"shape\":[2]},{\"name\":\"t\",\"shape\":[2],\"same_as\":"
        "\"w\"}],\"defaults\":{\"init\":\"ones\"}}";
    struct sower_manifest manifest = good(with), same = good(without);
    assert_memory_equal(manifest.hash, same.hash, sizeof same.hash);
    assert_int_equal(manifest.left_out_count, 2);
    char *names = sower_json_text(manifest.left_out, JSON_COMPACT);
    assert_string_equal(names, "[\"a.mask\",\"ids\"]");
    assert_string_equal(json_string_value(json_array_get(manifest.warnings, 0)),
                        "Pattern 2 of leave_out (none) matches no tensor.");
    free(names);
    sower_manifest_free(&manifest);
    sower_manifest_free(&same);
    static const char *const cases[][3] = {
        {"{\"leave_out\":[\"*\"],\"tensors\":[" A "]}", "tensors", "All tensors are left out"},
        {"{\"leave_out\":\"*\",\"tensors\":[" A "]}", "leave_out", "must be an array"},
        {"{\"leave_out\":[\"[\"],\"tensors\":[" A "]}", "leave_out", "without a"},
        {"{\"leave_out\":[\"a*\"],\"tensors\":[" A
         ",{\"name\":\"t\",\"shape\":[32,16],\"same_as\":\"a.weight\"}]}",
         "tensors", "which is left out"},
        {"{\"tensors\":[" A "],\"rules\":[{\"match\":\"a*\",\"leave_out\":false}]}", "rules",
         "leave_out must be true"},
        {"{\"tensors\":[" A "],\"rules\":[{\"match\":\"a*\",\"leave_out\":true,\"init\":\"zeros\"}]}",
         "rules", "Both init and leave_out"},
        {"{\"tensors\":[" A "],\"defaults\":{\"leave_out\":true}}", "defaults", "no field \"leave_out\""},
        {"{\"tensors\":[" A "],\"rules\":[{\"match\":\"a*\",\"refuse\":1}]}", "rules",
         "refuse must be a sentence"},
        {"{\"tensors\":[" A "],\"rules\":[{\"match\":\"a*\",\"refuse\":\"\"}]}", "rules",
         "refuse must be a sentence"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_refused(cases[i][0], strlen(cases[i][0]), cases[i][1], cases[i][2]);
    }
}

static void fans_of_a_convolution_for_stacked_weights_get_a_notice(void **state)
{
    (void)state;
    static const struct {
        const char *tensor, *notice;
    } cases[] = {
        {"\"name\":\"experts.w1\",\"shape\":[8,4,2],\"init\":\"he_normal\"",
         "\"experts.w1\". If the first axis"},
        {"\"name\":\"layers/kernel\",\"shape\":[8,4,2],\"init\":\"he_normal\",\"layout\":\"io\"",
         "give \"batch_axis\":0, or"},
        {"\"name\":\"experts.w1\",\"shape\":[12,8,64,128],\"init\":\"he_normal\"", "\"batch_axis\":[0,1]"},
        {"\"name\":\"layers/query/kernel\",\"shape\":[12,128,4,32],\"init\":\"he_normal\",\"layout\":\"io\"",
         "\"batch_axis\":0"},
        {"\"name\":\"patch_embed.proj.weight\",\"shape\":[768,3,32,32],\"init\":\"he_normal\"", NULL},
        {"\"name\":\"patch_embed/kernel\",\"shape\":[2,16,16,3,768],\"init\":\"he_normal\",\"layout\":\"io\"",
         NULL},
        {"\"name\":\"downsample.0.weight\",\"shape\":[512,256,1,1],\"init\":\"he_normal\"", NULL},
        {"\"name\":\"mel.0.weight\",\"shape\":[32,1,128,3],\"init\":\"he_normal\"", NULL},
        {"\"name\":\"time/kernel\",\"shape\":[1,64,1,8],\"init\":\"he_normal\",\"layout\":\"io\"", NULL},
        {"\"name\":\"conv/kernel\",\"shape\":[12,128,4,32],\"init\":\"he_normal\",\"layout\":\"io\"", NULL},
        {"\"name\":\"Conv_0.w\",\"shape\":[8,4,2],\"init\":\"he_normal\"", NULL},
        {"\"name\":\"experts.w1\",\"shape\":[8,4,2],\"init\":\"normal\"", NULL},
        {"\"name\":\"experts.w1\",\"shape\":[8,4,2],\"init\":\"he_normal\",\"batch_axis\":0,\"out_axis\":1,"
         "\"in_axis\":2",
         NULL},
        {"\"name\":\"experts.w1\",\"shape\":[8,4],\"init\":\"he_normal\"", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[300];
        snprintf(text, sizeof text, "{\"tensors\":[{%s}]}", cases[i].tensor);
        struct sower_manifest manifest = good(text);
        const char *notice = json_string_value(json_array_get(manifest.warnings, 0));
        assert_true(cases[i].notice == NULL ? notice == NULL
                                            : notice != NULL && strstr(notice, cases[i].notice) != NULL);
        sower_manifest_free(&manifest);
    }
}

static void own_rules_come_before_those_of_the_recipe(void **state)
{
    (void)state;
    assert_canonical(
        "{\"recipe\":\"hf_gpt2\",\"layers\":12,\"tensors\":[{\"name\":\"wte.weight\",\"shape\":[32,16]"
        "}],\"rules\":[{\"match\":\"w*\",\"dtype\":\"bf16\"}]}",
        "{\"tensors\":[{\"dtype\":\"bf16\",\"init\":\"normal(mean=0,std=0.02)\",\"layout\":\"oi\",\"name\":"
        "\"wte.weight\",\"shape\":[32,16]}]}");
    assert_canonical("{\"recipe\":\"hf_gpt2\",\"tensors\":[" A
                     "],\"rules\":[{\"match\":\"a*\",\"init\":\"ones\"}]}",
                     CANONICAL_A("f32", "ones", "oi"));
}

#define TENSORS "\"tensors\":[" A "]"

static void bad_manifests_are_refused_with_the_field_at_fault(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"", "", "ends at byte 0"},
        {"[]", "", "expected \"{\""},
        {"{" TENSORS, "", "ends at byte"},
        {"{" TENSORS ",}", "", "a key in quotes"},
        {"{" TENSORS ",\"defaults\":{\"init\":\"zeros\"}} x", "", "There is text after"},
        {"{\"experiment\":\"e\"}", "tensors", "needs tensors"},
        {"{\"tensors\":[]}", "tensors", "tensors is empty"},
        {"{\"tensors\":7}", "tensors", "must be an array"},
        {"{\"tensors\":[7]}", "tensors", "Tensor 1 has no name"},
        {"{\"tensors\":[{\"shape\":[1]}]}", "tensors", "Tensor 1 has no name"},
        {"{\"tensors\":[{\"name\":\"w\"}],\"defaults\":{\"init\":\"zeros\"}}", "tensors",
         "\"w\": shape is missing"},
        {"{\"tensors\":[" A "," A "],\"defaults\":{\"init\":\"zeros\"}}", "tensors",
         "two tensors \"a.weight\""},
        {"{" TENSORS "}", "tensors", "\"a.weight\": it has no init"},
        {"{" TENSORS "," TENSORS "}", "tensors", "twice"},
        {"{" TENSORS ",\"colour\":1}", "colour", "no field \"colour\""},
        {"{" TENSORS ",\"trial\":1,\"trial\":2}", "trial", "twice"},
        {"{" TENSORS ",\"recipe\":\"gpt\"}", "recipe", "did you mean \"hf_gpt2\""},
        {"{" TENSORS ",\"recipe\":7}", "recipe", "no recipe"},
        {"{" TENSORS ",\"layers\":0}", "layers", "from 1"},
        {"{" TENSORS ",\"rules\":{}}", "rules", "must be an array"},
        {"{" TENSORS ",\"rules\":[{\"init\":\"zeros\"}]}", "rules", "Rule 1: a rule needs match"},
        {"{" TENSORS ",\"rules\":[{\"match\":\"[\",\"init\":\"zeros\"}]}", "rules", "without a \"]\""},
        {"{" TENSORS ",\"rules\":[{\"match\":{\"size\":1}}]}", "rules", "match may have name"},
        {"{" TENSORS ",\"rules\":[{\"match\":{\"rank\":[3,2]}}]}", "rules", "a rank to match"},
        {"{" TENSORS ",\"rules\":[{\"match\":{\"shape\":[\"nn\"]}}]}", "rules", "a shape to match"},
        {"{" TENSORS ",\"rules\":[{\"match\":{\"shape\":[1,2,3,4,5,6,7,8,9]}}]}", "rules",
         "a shape to match"},
        {"{" TENSORS ",\"rules\":[{\"match\":{\"beside\":\"../\"}}]}", "rules", "beside must be"},
        {"{" TENSORS ",\"blocks\":[]}", "blocks", "1 to 64 lists"},
        {"{" TENSORS ",\"blocks\":[\"h\",\".h\"]}", "blocks", "name the lists"},
        {"{" TENSORS ",\"blocks\":7}", "blocks", "name the lists"},
        {"{" TENSORS ",\"blocks\":\"a..b\"}", "blocks", "name the lists"},
        {"{" TENSORS ",\"blocks\":[\"a/b\"]}", "blocks", "Points separate"},
        {"{" TENSORS ",\"rules\":[{\"match\":{\"beside_rank\":1}}]}", "rules", "need beside"},
        {"{" TENSORS ",\"rules\":[{\"match\":\"*\",\"shape\":[1]}]}", "rules", "no field \"shape\""},
        {"{" TENSORS ",\"defaults\":{\"dtype\":\"f33\"}}", "defaults", "default dtype"},
        {"{" TENSORS ",\"defaults\":[]}", "defaults", "must be an object"},
        {"{" TENSORS ",\"defaults\":{\"init\":\"he_norm\"}}", "tensors",
         "\"a.weight\": There is no initializer"},
        {"{\"tensors\":[{\"name\":\"w\",\"shape\":[2],\"slice\":\":\"}]}", "tensors", "no field \"slice\""},
        {"{\"tensors\":[{\"name\":\"w\",\"shape\":[2],\"shape\":[3]}]}", "", "duplicate"},
        {"{\"tensors\":[{\"name\":\"__metadata__\",\"shape\":[2]}]}", "tensors", "reserves that name"},
        {"{\"tensors\":[{\"name\":\"b\",\"shape\":[2],\"init\":\"fan_uniform(w.fan_in)\"}]}", "tensors",
         "\"b\": its initializer needs the fan of \"w\""},
        {"{\"tensors\":[{\"name\":\"b\",\"shape\":[2],\"init\":\"fan_uniform(b.fan_in+b.fan_out)\"}]}",
         "tensors", "put parentheses around it"},
        {"{\"tensors\":[{\"name\":\"b\",\"shape\":[2],\"init\":\"wang_normal(layers)\"}]}", "tensors",
         "needs the number of layers"},
        {"{\"tensors\":[{\"name\":\"\\u0000\",\"shape\":[2]}]}", "", "At byte"},
        {"{\"tensors\":[{\"name\":\"\xff\",\"shape\":[2]}]}", "", "At byte"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_refused(cases[i][0], strlen(cases[i][0]), cases[i][1], cases[i][2]);
    }
}

/* A manifest with `count` tensors of a shape. */
static char *many(size_t count, const char *shape)
{
    char *text = malloc(64 * count + 100), *at = text;
    assert_non_null(text);
    at += sprintf(at, "{\"defaults\":{\"init\":\"normal\"},\"tensors\":[");
    for (size_t i = 0; i < count; i++) {
        at += sprintf(at, "%s{\"name\":\"t%zu\",\"shape\":%s}", i == 0 ? "" : ",", i, shape);
    }
    strcpy(at, "]}");
    return text;
}

static void a_million_tensors_are_accepted_and_one_more_is_not(void **state)
{
    (void)state;
    char *text = many(SOWER_MANIFEST_TENSORS_MAX, "[1]");
    struct sower_manifest manifest = good(text);
    assert_int_equal(manifest.count, SOWER_MANIFEST_TENSORS_MAX);
    assert_int_equal(manifest.forms.count, 1);
    sower_manifest_free(&manifest);
    free(text);
    text = many(SOWER_MANIFEST_TENSORS_MAX + 1, "[1]");
    assert_refused(text, strlen(text), "tensors", "more than 1048576");
    free(text);
}

static void a_model_beyond_the_limit_is_refused(void **state)
{
    (void)state;
    char *text = many(65, "[65536,1048576]"); /* 65 times 2^38 bytes */
    assert_refused(text, strlen(text), "tensors", "more than 16 TiB");
    free(text);
}

static void rules_that_need_too_much_memory_are_refused(void **state)
{
    (void)state;
    enum { COUNT = 1 << 20 };
    char *text = malloc(3 * COUNT + 100), *at = text;
    assert_non_null(text);
    at += sprintf(at, "{\"tensors\":[],\"rules\":[");
    for (size_t i = 0; i < COUNT; i++) {
        at = stpcpy(at, "{},");
    }
    strcpy(at, "{}]}");
    assert_refused(text, strlen(text), "", "at most 64 MiB are allowed");
    free(text);
}

static void deep_json_is_refused(void **state)
{
    (void)state;
    static const char *const begins[] = {"{\"rules\":", "{\"tensors\":[", "{\"x\":"};
    enum { DEPTH = 1000000 };
    char *text = malloc(DEPTH + 100);
    assert_non_null(text);
    for (size_t i = 0; i < 3; i++) {
        size_t length = (size_t)sprintf(text, "%s", begins[i]);
        memset(text + length, '[', DEPTH);
        struct sower_manifest manifest;
        struct sower_problem problem;
        assert_false(sower_manifest_read(text, length + DEPTH, &manifest, &problem));
        sower_manifest_free(&manifest);
    }
    free(text);
}

static void cut_and_changed_manifests_do_no_harm(void **state)
{
    (void)state;
    static const char text[] =
        "{\"experiment\":\"e\",\"trial\":3,\"tensors\":[{\"name\":\"h.0.w\",\"shape\":[4,2]},{\"name\":\"h.0."
        "b\","
        "\"shape\":[4]}],\"rules\":[{\"match\":{\"name\":\"*.b\",\"beside\":\"w\",\"rank\":[0,3]},\"init\":"
        "\"normal(std=w.fan_in/"
        "sqrt(layers))\"}],\"defaults\":{\"init\":\"normal(std=0.02)\",\"dtype\":\"f32\"}}";
    struct sower_manifest manifest;
    struct sower_problem problem;
    for (size_t length = 0; length < sizeof text - 1; length++) {
        char *cut = malloc(length + 1); /* on the heap, so that a sanitizer detects a read past the end */
        memcpy(cut, text, length);
        assert_false(sower_manifest_read(cut, length, &manifest, &problem));
        sower_manifest_free(&manifest);
        for (unsigned byte = 0; byte < 256; byte += 5) {
            char changed[sizeof text];
            memcpy(changed, text, sizeof text);
            changed[length] = (char)byte;
            if (sower_manifest_read(changed, sizeof text - 1, &manifest, &problem)) {
                assert_true(manifest.count > 0);
            }
            sower_manifest_free(&manifest);
        }
        free(cut);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_come_from_the_tensor_then_the_first_matching_rule_then_the_defaults),
        cmocka_unit_test(the_canonical_form_of_the_canonical_form_is_the_same),
        cmocka_unit_test(rules_match_by_rank_by_dtype_and_by_the_tensor_beside),
        cmocka_unit_test(a_tensor_is_not_beside_itself),
        cmocka_unit_test(the_fan_beside_follows_the_layout_beside),
        cmocka_unit_test(each_tower_has_its_own_layers_and_a_block_its_number),
        cmocka_unit_test(towers_are_listed_and_incomplete_ones_get_a_notice),
        cmocka_unit_test(a_list_of_blocks_in_no_name_gets_a_notice),
        cmocka_unit_test(constants_stand_for_numbers_and_a_recipe_declares_its_own),
        cmocka_unit_test(rules_match_by_sizes_and_by_tensors_elsewhere),
        cmocka_unit_test(a_rule_that_refuses_names_the_tensor_unless_an_earlier_rule_decides),
        cmocka_unit_test(a_rule_that_another_shadows_is_refused),
        cmocka_unit_test(tensors_that_are_left_out_are_not_in_the_manifest),
        cmocka_unit_test(fans_of_a_convolution_for_stacked_weights_get_a_notice),
        cmocka_unit_test(own_rules_come_before_those_of_the_recipe),
        cmocka_unit_test(bad_manifests_are_refused_with_the_field_at_fault),
        cmocka_unit_test(a_million_tensors_are_accepted_and_one_more_is_not),
        cmocka_unit_test(a_model_beyond_the_limit_is_refused),
        cmocka_unit_test(rules_that_need_too_much_memory_are_refused),
        cmocka_unit_test(deep_json_is_refused),
        cmocka_unit_test(cut_and_changed_manifests_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
