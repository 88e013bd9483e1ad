#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/manifest_read.h"
#include "proto/model.h"
#include "proto/safetensors.h"

static const char MANIFEST[] =
    "{\"experiment\":\"e\",\"trial\":3,\"defaults\":{\"init\":\"normal\"},\"tensors\":[{\"name\":\"a\","
    "\"shape\":"
    "[8,4]},{\"name\":\"none\",\"shape\":[0,3]},{\"name\":\"b\",\"shape\":[8],\"dtype\":\"bf16\"},{\"name\":"
    "\"c\","
    "\"shape\":[],\"init\":\"ones\"},{\"name\":\"d\",\"shape\":[2,2,2],\"dtype\":\"f64\"}]}";

/* Makes the model of MANIFEST. Returns NULL, or the field of the problem. */
static const char *make(struct sower_model *model, struct sower_model_choice choice, const char *asked)
{
    static struct sower_problem problem;
    const struct sower_seed root = sower_seed_public_root();
    struct sower_manifest manifest;
    problem.sentence[0] = '\0';
    assert_true(sower_manifest_read(MANIFEST, strlen(MANIFEST), &manifest, &problem));
    json_t *fields = asked != NULL ? json_loads(asked, 0, NULL) : json_incref(manifest.asked);
    bool made = sower_model_make(model, &manifest, fields, false, &root, &choice, &problem);
    json_decref(fields);
    return made ? NULL : problem.field;
}

static struct sower_model good(struct sower_model_choice choice)
{
    struct sower_model model;
    assert_null(make(&model, choice, NULL));
    return model;
}

static void every_tensor_is_the_same_draw_as_alone(void **state)
{
    (void)state;
    struct sower_model model = good((struct sower_model_choice){0});
    const struct sower_seed root = sower_seed_public_root();
    struct sower_problem problem = {.sentence = ""};
    struct sower_request one, alone;
    json_t *fields =
        json_loads("{\"experiment\":\"e\",\"trial\":3,\"name\":\"b\",\"shape\":[8],\"dtype\":\"bf16\","
                   "\"init\":\"normal\"}",
                   0, NULL);
    assert_true(sower_request_parse(fields, false, &root, &alone, &problem));
    sower_model_request(&model, 2, &one);
    struct sower_draw_id id_one = sower_draw_id(&one.draw), id_alone = sower_draw_id(&alone.draw);
    assert_memory_equal(&id_one, &id_alone, sizeof id_one);
    assert_memory_equal(&one.seed, &alone.seed, sizeof one.seed);
    assert_int_equal(one.plan.law.kind, alone.plan.law.kind);
    assert_true(one.plan.law.scale == alone.plan.law.scale && one.plan.law.shift == alone.plan.law.shift);
    json_decref(fields);
    sower_model_free(&model);
}

static void a_byte_of_the_file_belongs_to_the_tensor_at_that_position(void **state)
{
    (void)state;
    struct sower_model model = good((struct sower_model_choice){0});
    uint64_t header = model.header.length;
    assert_int_equal(model.count, 5);
    assert_int_equal(model.size, header + 128 + 0 + 16 + 4 + 64);
    assert_int_equal(header % 8, 0);
    static const struct {
        uint64_t offset;
        const char *name;
    } cases[] = {{0, "a"}, {127, "a"}, {128, "b"}, {143, "b"}, {144, "c"}, {148, "d"}, {211, "d"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_string_equal(sower_model_name(&model, sower_model_find(&model, header + cases[i].offset)),
                            cases[i].name);
    }
    sower_model_free(&model);
}

static void a_glob_selects_tensors_in_the_manifests_order(void **state)
{
    (void)state;
    struct sower_model model = good((struct sower_model_choice){.tensors = "[bd]"});
    assert_int_equal(model.count, 2);
    assert_string_equal(sower_model_name(&model, 0), "b");
    assert_string_equal(sower_model_name(&model, 1), "d");
    assert_int_equal(model.size - model.header.length, 16 + 64);
    sower_model_free(&model);
}

static void a_shard_cuts_tensors_that_have_the_axis_and_leaves_others_whole(void **state)
{
    (void)state;
    struct sower_model model = good((struct sower_model_choice){.shard = "1:1/2"});
    assert_int_equal(model.size - model.header.length, 64 + 0 + 16 + 4 + 32);
    sower_model_free(&model);
    model = good((struct sower_model_choice){.shard = "-1:0/2"});
    assert_int_equal(model.size - model.header.length, 64 + 0 + 8 + 4 + 32);
    sower_model_free(&model);
}

static void each_tensor_is_in_exactly_one_part_also_when_sharded(void **state)
{
    (void)state;
    for (uint64_t parts = 1; parts < 9; parts++) {
        struct sower_model whole = good((struct sower_model_choice){0});
        size_t next = 0;
        for (uint64_t part = 0; part < parts; part++) {
            struct sower_model model = good((struct sower_model_choice){.part = part, .parts = parts});
            struct sower_model sharded =
                good((struct sower_model_choice){.part = part, .parts = parts, .shard = "0:0/2"});
            assert_int_equal(model.count, sharded.count);
            for (size_t i = 0; i < model.count; i++) {
                assert_string_equal(sower_model_name(&model, i), sower_model_name(&whole, next));
                assert_string_equal(sower_model_name(&sharded, i), sower_model_name(&whole, next++));
            }
            sower_model_free(&model);
            sower_model_free(&sharded);
        }
        assert_int_equal(next, whole.count);
        sower_model_free(&whole);
    }
}

static void the_index_names_the_part_of_every_tensor(void **state)
{
    (void)state;
    struct sower_manifest manifest;
    struct sower_problem problem = {.sentence = ""};
    struct sower_buffer buffer = {0};
    assert_true(sower_manifest_read(MANIFEST, strlen(MANIFEST), &manifest, &problem));
    assert_true(sower_model_index(&manifest, NULL, 2, &buffer, &problem));
    sower_buffer_bytes(&buffer, "", 1);
    assert_string_equal(buffer.text, "{\"metadata\":{\"total_size\":212},\"weight_map\":{"
                                     "\"a\":\"model-00001-of-00002.safetensors\","
                                     "\"none\":\"model-00002-of-00002.safetensors\","
                                     "\"b\":\"model-00002-of-00002.safetensors\","
                                     "\"c\":\"model-00002-of-00002.safetensors\","
                                     "\"d\":\"model-00002-of-00002.safetensors\"}}\n");
    buffer.length = 0;
    assert_false(sower_model_index(&manifest, "x*", 2, &buffer, &problem));
    assert_string_equal(problem.field, "tensors");
    sower_buffer_free(&buffer);
    sower_manifest_free(&manifest);
}

static const char TIED[] =
    "{\"experiment\":\"e\",\"defaults\":{\"init\":\"normal\"},\"tensors\":["
    "{\"name\":\"head\",\"shape\":[4,2],\"same_as\":\"wte\"},{\"name\":\"a\",\"shape\":[8]},"
    "{\"name\":\"wte\",\"shape\":[4,2]},{\"name\":\"b\",\"shape\":[8],\"same_as\":\"a\"}]}";

/* The header of the model of TIED without its length and padding, and its tensors' names. */
static void assert_file(struct sower_model_choice choice, const char *ties, const char *tensors)
{
    const struct sower_seed root = sower_seed_public_root();
    struct sower_problem problem = {.sentence = ""};
    struct sower_manifest manifest;
    struct sower_model model;
    char names[100] = "";
    assert_true(sower_manifest_read(TIED, strlen(TIED), &manifest, &problem));
    json_t *asked = json_incref(manifest.asked);
    assert_true(sower_model_make(&model, &manifest, asked, false, &root, &choice, &problem));
    for (size_t i = 0; i < model.count; i++) {
        strcat(strcat(names, " "), sower_model_name(&model, i));
    }
    assert_string_equal(names, tensors);
    sower_buffer_bytes(&model.header, "", 1);
    const char *metadata = model.header.text + SOWER_SAFETENSORS_LENGTH_SIZE;
    const char *found = strstr(metadata, ties);
    if (found == NULL || (strstr(metadata, "\"head\"") != NULL) != (strstr(ties, "head") != NULL) ||
        (strstr(metadata, "\"b\"") != NULL) != (strstr(ties, "\"b\"") != NULL)) {
        fail_msg("%s", metadata);
    }
    json_decref(asked);
    sower_model_free(&model);
}

static void a_file_has_the_other_tensor_of_a_tied_one_and_names_both_in_its_metadata(void **state)
{
    (void)state;
    assert_file((struct sower_model_choice){0}, ",\"head\":\"wte\",\"b\":\"a\"},\"a\":{", " a wte");
    assert_file((struct sower_model_choice){.tensors = "head"}, ",\"head\":\"wte\"},\"wte\":{", " wte");
    assert_file((struct sower_model_choice){.tensors = "wte"}, ",\"head\":\"wte\"},\"wte\":{", " wte");
    assert_file((struct sower_model_choice){.part = 0, .parts = 2}, ",\"b\":\"a\"},\"a\":{", " a");
    assert_file((struct sower_model_choice){.part = 1, .parts = 2}, ",\"head\":\"wte\"},\"wte\":{", " wte");
    assert_file((struct sower_model_choice){.shard = "0:1/2"}, ",\"head\":\"wte\",\"b\":\"a\"}", " a wte");
}

static void the_index_has_no_tied_tensors(void **state)
{
    (void)state;
    struct sower_manifest manifest;
    struct sower_problem problem = {.sentence = ""};
    struct sower_buffer buffer = {0};
    assert_true(sower_manifest_read(TIED, strlen(TIED), &manifest, &problem));
    assert_true(sower_model_index(&manifest, "[ah]*", 2, &buffer, &problem));
    sower_buffer_bytes(&buffer, "", 1);
    assert_string_equal(buffer.text, "{\"metadata\":{\"total_size\":64},\"weight_map\":{"
                                     "\"a\":\"model-00001-of-00002.safetensors\","
                                     "\"wte\":\"model-00002-of-00002.safetensors\"}}\n");
    sower_buffer_free(&buffer);
    sower_manifest_free(&manifest);
}

static void an_invalid_choice_is_refused(void **state)
{
    (void)state;
    static const struct {
        struct sower_model_choice choice;
        const char *asked, *field;
    } cases[] = {
        {{.tensors = "x*"}, NULL, "tensors"},
        {{.tensors = "["}, NULL, "tensors"},
        {{.tensors = "x*", .part = 1, .parts = 3}, NULL, "tensors"},
        {{.shard = "0:2/2"}, NULL, "shard"},
        {{.shard = "8:0/2"}, NULL, "shard"},
        {{.shard = "x"}, NULL, "shard"},
        {{0}, "{}", "experiment"},
        {{0}, "{\"experiment\":7}", "experiment"},
        {{0}, "{\"experiment\":\"e\",\"trial\":-1}", "trial"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sower_model model;
        const char *field = make(&model, cases[i].choice, cases[i].asked);
        assert_non_null(field);
        assert_string_equal(field, cases[i].field);
        sower_model_free(&model);
    }
    static const char *const parts[] = {"", "3", "8/8", "-1/8", "0/0", "1/100001", "a/b", "1/2/3", "1/"};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        struct sower_problem problem;
        uint64_t part, count;
        assert_false(sower_model_part_parse(parts[i], &part, &count, &problem));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_tensor_is_the_same_draw_as_alone),
        cmocka_unit_test(a_byte_of_the_file_belongs_to_the_tensor_at_that_position),
        cmocka_unit_test(a_glob_selects_tensors_in_the_manifests_order),
        cmocka_unit_test(a_shard_cuts_tensors_that_have_the_axis_and_leaves_others_whole),
        cmocka_unit_test(each_tensor_is_in_exactly_one_part_also_when_sharded),
        cmocka_unit_test(the_index_names_the_part_of_every_tensor),
        cmocka_unit_test(a_file_has_the_other_tensor_of_a_tied_one_and_names_both_in_its_metadata),
        cmocka_unit_test(the_index_has_no_tied_tensors),
        cmocka_unit_test(an_invalid_choice_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
