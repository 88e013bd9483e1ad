#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/manifest_read.h"
#include "proto/ties.h"

#define TENSORS(list) "{\"defaults\":{\"init\":\"normal\"},\"tensors\":[" list "]}"
#define TENSOR(name, more) "{\"name\":\"" name "\",\"shape\":[2,3]" more "}"
#define TIED(name, other) TENSOR(name, ",\"same_as\":\"" other "\"")

static struct sower_manifest good(const char *text)
{
    struct sower_manifest manifest;
    struct sower_problem problem = {.sentence = ""};
    if (!sower_manifest_read(text, strlen(text), &manifest, &problem)) {
        fail_msg("%s: %s: %s", text, problem.field, problem.sentence);
    }
    return manifest;
}

static void a_tied_tensor_has_the_dtype_of_the_other_and_no_bytes_of_its_own(void **state)
{
    (void)state;
    struct sower_manifest manifest =
        good(TENSORS(TIED("a", "b") "," TENSOR("b", ",\"dtype\":\"bf16\"") "," TENSOR("c", "")));
    assert_int_equal(manifest.count, 3);
    assert_int_equal(manifest.tied_count, 1);
    assert_true(manifest.tensors[0].tied && !manifest.tensors[1].tied);
    assert_int_equal(manifest.tensors[0].same_as, 1);
    assert_int_equal(manifest.tensors[0].dtype, SOWER_BF16);
    assert_int_equal(manifest.size, 2 * 6 + 4 * 6);
    sower_manifest_free(&manifest);
}

static void all_tensors_of_a_chain_are_the_same_as_its_last(void **state)
{
    (void)state;
    struct sower_manifest manifest = good(
        TENSORS(TIED("a", "b") "," TIED("b", "c") "," TIED("c", "d") "," TENSOR("d", "") "," TIED("e", "a")));
    for (size_t i = 0; i < manifest.count; i++) {
        assert_int_equal(manifest.tensors[i].tied, i != 3);
        assert_true(i == 3 || manifest.tensors[i].same_as == 3);
    }
    sower_manifest_free(&manifest);
}

static void a_long_chain_is_followed_to_its_end(void **state)
{
    (void)state;
    enum { COUNT = 20000 };
    const struct sower_form form = {.shape = {.rank = 0}};
    struct sower_manifest manifest = {.count = COUNT};
    struct sower_problem problem;
    manifest.tensors = calloc(COUNT, sizeof *manifest.tensors);
    assert_non_null(manifest.tensors);
    for (uint32_t i = 0; i < COUNT; i++) {
        manifest.tensors[i] = (struct sower_manifest_tensor){
            .name = "t", .form = &form, .dtype = SOWER_F32, .tied = i < COUNT - 1, .same_as = i + 1};
    }
    assert_true(sower_ties_resolve(&manifest, &problem));
    assert_int_equal(manifest.tied_count, COUNT - 1);
    assert_int_equal(manifest.tensors[0].same_as, COUNT - 1);
    assert_int_equal(manifest.tensors[COUNT / 2].same_as, COUNT - 1);
    free(manifest.tensors);
}

static void the_first_that_gives_init_or_same_as_decides(void **state)
{
    (void)state;
    struct sower_manifest manifest =
        good("{\"tensors\":[" TENSOR("w", "") "," TENSOR("own", ",\"init\":\"ones\"") "," TENSOR(
            "rule", "") "," TENSOR("tied",
                                   "") "],\"defaults\":{\"init\":\"zeros\"},\"rules\":["
                                       "{\"match\":\"rule\",\"init\":\"ones\"},"
                                       "{\"match\":\"[!w]*\",\"same_as\":\"w\",\"dtype\":\"f16\"},"
                                       "{\"match\":\"tied\",\"init\":\"he_normal\",\"layout\":\"io\"}]}");
    static const bool tied[] = {false, false, false, true};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(manifest.tensors[i].tied, tied[i]);
    }
    assert_int_equal(manifest.tensors[3].dtype, SOWER_F32);
    sower_manifest_free(&manifest);
}

static void a_tied_tensor_may_be_as_large_as_the_other(void **state)
{
    (void)state;
    struct sower_manifest manifest =
        good("{\"defaults\":{\"dtype\":\"f64\"},\"tensors\":[{\"name\":\"a\",\"shape\":[65536,1048576],"
             "\"same_as\":\"b\"},{\"name\":\"b\","
             "\"shape\":[65536,1048576],\"dtype\":\"f8_e5m2\",\"init\":\"normal\"}]}");
    assert_int_equal(manifest.size, UINT64_C(1) << 36);
    sower_manifest_free(&manifest);
}

static void the_canonical_form_names_the_last_tensor_and_reads_as_the_same(void **state)
{
    (void)state;
    static const char canonical[] = "{\"tensors\":[{\"name\":\"a\",\"same_as\":\"c\",\"shape\":[2,3]},"
                                    "{\"name\":\"b\",\"same_as\":\"c\",\"shape\":[2,3]},"
                                    "{\"dtype\":\"f16\",\"init\":\"ones\",\"layout\":\"oi\",\"name\":\"c\","
                                    "\"shape\":[2,3]}]}";
    static const char text[] =
        TENSORS(TIED("a", "b") "," TIED("b", "c") "," TENSOR("c", ",\"init\":\"ones\",\"dtype\":\"half\""));
    const char *const texts[] = {text, canonical};
    for (size_t i = 0; i < 2; i++) {
        struct sower_manifest manifest = good(texts[i]);
        struct sower_buffer buffer = {0};
        sower_manifest_print(&manifest, &buffer);
        sower_buffer_bytes(&buffer, "", 1);
        assert_false(buffer.failed);
        assert_string_equal(buffer.text, canonical);
        sower_buffer_free(&buffer);
        sower_manifest_free(&manifest);
    }
}

static void a_formula_beside_a_tied_tensor_uses_its_fans(void **state)
{
    (void)state;
    struct sower_manifest manifest = good(TENSORS(TENSOR("wte", "") "," TIED(
        "head.weight", "wte") ","
                              "{\"name\":\"head.bias\",\"shape\":[2],\"init\":\"constant(weight.fan_in)\"}"));
    assert_true(manifest.tensors[2].form->initializer.values[0] == 3);
    sower_manifest_free(&manifest);
}

static void ties_that_contradict_are_refused_with_the_names(void **state)
{
    (void)state;
    static const struct {
        const char *text, *part;
        enum sower_problem_code code;
    } cases[] = {
        {TENSORS(TIED("a", "b")), "\"a\": it cannot be the same as \"b\"", SOWER_PROBLEM_UNPROCESSABLE},
        {TENSORS(TIED("a", "a")), "\"a\" has a same_as that leads back", SOWER_PROBLEM_UNPROCESSABLE},
        {TENSORS(TIED("a", "b") "," TIED("b", "a")), "\"a\" has a same_as", SOWER_PROBLEM_UNPROCESSABLE},
        {TENSORS(TIED("x", "a") "," TIED("a", "b") "," TIED("b", "a")), "\"x\" has a same_as",
         SOWER_PROBLEM_UNPROCESSABLE},
        {TENSORS(TIED("a", "b") ","
                                "{\"name\":\"b\",\"shape\":[3,2]}"),
         "\"b\", which has another shape", SOWER_PROBLEM_UNPROCESSABLE},
        {TENSORS(TIED("a", "b") ","
                                "{\"name\":\"b\",\"shape\":[2,3,1]}"),
         "another shape", SOWER_PROBLEM_UNPROCESSABLE},
        {TENSORS(TENSOR("a", ",\"same_as\":\"b\",\"dtype\":\"f16\"") "," TENSOR("b", "")),
         "\"a\" has the dtype f16", SOWER_PROBLEM_UNPROCESSABLE},
        {TENSORS(TIED("format", "b") "," TENSOR("b", "")), "\"format\" cannot", SOWER_PROBLEM_UNPROCESSABLE},
        {TENSORS(TIED("sower.part", "b") "," TENSOR("b", "")), "\"sower.part\" cannot",
         SOWER_PROBLEM_UNPROCESSABLE},
        {TENSORS(TENSOR("a", ",\"same_as\":7") "," TENSOR("b", "")), "must be the name",
         SOWER_PROBLEM_INVALID},
        {TENSORS(TENSOR("a", ",\"same_as\":\"b\",\"init\":\"zeros\"") "," TENSOR("b", "")),
         "Both init and same_as", SOWER_PROBLEM_INVALID},
        {TENSORS(TENSOR("a", ",\"same_as\":\"b\",\"zero_rows\":0") "," TENSOR("b", "")),
         "Both same_as and zero_rows", SOWER_PROBLEM_INVALID},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sower_manifest manifest;
        struct sower_problem problem;
        assert_false(sower_manifest_read(cases[i].text, strlen(cases[i].text), &manifest, &problem));
        sower_manifest_free(&manifest);
        assert_string_equal(problem.field, "tensors");
        if (strstr(problem.sentence, cases[i].part) == NULL || problem.code != cases[i].code) {
            fail_msg("%s: %s", cases[i].text, problem.sentence);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tied_tensor_has_the_dtype_of_the_other_and_no_bytes_of_its_own),
        cmocka_unit_test(all_tensors_of_a_chain_are_the_same_as_its_last),
        cmocka_unit_test(a_long_chain_is_followed_to_its_end),
        cmocka_unit_test(the_first_that_gives_init_or_same_as_decides),
        cmocka_unit_test(a_tied_tensor_may_be_as_large_as_the_other),
        cmocka_unit_test(the_canonical_form_names_the_last_tensor_and_reads_as_the_same),
        cmocka_unit_test(a_formula_beside_a_tied_tensor_uses_its_fans),
        cmocka_unit_test(ties_that_contradict_are_refused_with_the_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
