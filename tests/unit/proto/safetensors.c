#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/json.h"
#include "proto/safetensors_read.h"

static void a_header_is_padded_to_eight_bytes_and_says_its_length(void **state)
{
    (void)state;
    struct sower_buffer buffer = {0};
    const struct sower_shape shape = {2, {2, 3}}, scalar = {0};
    sower_safetensors_open(&buffer);
    sower_safetensors_metadata(&buffer, "format", "pt");
    sower_safetensors_metadata(&buffer, "brace", "}");
    sower_safetensors_tensor(&buffer, "a\"b", SOWER_BF16, &shape, 0, 12);
    sower_safetensors_tensor(&buffer, "s", SOWER_F8_E4M3, &scalar, 12, 13);
    sower_safetensors_close(&buffer);
    static const char expected[] =
        "{\"__metadata__\":{\"format\":\"pt\",\"brace\":\"}\"},\"a\\\"b\":{\"dtype\":\"BF16\",\"shape\":[2,3]"
        ","
        "\"data_offsets\":[0,12]},\"s\":{\"dtype\":\"F8_E4M3\",\"shape\":[],\"data_offsets\":[12,13]}}";
    assert_false(buffer.failed);
    assert_int_equal(buffer.length % 8, 0);
    assert_memory_equal(buffer.text + 8, expected, sizeof expected - 1);
    for (size_t i = 8 + sizeof expected - 1; i < buffer.length; i++) {
        assert_int_equal(buffer.text[i], ' ');
    }
    struct sower_problem problem;
    size_t length;
    assert_true(sower_safetensors_length((const uint8_t *)buffer.text, buffer.length, &length, &problem));
    assert_int_equal(length, buffer.length - 8);
    sower_buffer_free(&buffer);
}

static void an_impossible_length_is_refused(void **state)
{
    (void)state;
    static const uint8_t huge[8] = {255, 255, 255, 255, 255, 255, 255, 255}, hundred[8] = {100},
                         above[8] = {1, 0xe1, 0xf5, 5};
    struct sower_problem problem;
    size_t length;
    assert_false(sower_safetensors_length(huge, 1000, &length, &problem));
    assert_false(sower_safetensors_length(hundred, 107, &length, &problem));
    assert_false(sower_safetensors_length(hundred, 4, &length, &problem));
    assert_true(sower_safetensors_length(hundred, 108, &length, &problem));
    assert_false(sower_safetensors_length(above, 1u << 30, &length, &problem));
    assert_string_equal(problem.field, "like");
}

static bool read_header(const char *header, uint64_t data_size, struct sower_buffer *tensors,
                        json_t *left_out, struct sower_problem *problem)
{
    return sower_safetensors_read(header, strlen(header), data_size, tensors, left_out, problem);
}

static void tensors_are_read_in_the_order_of_the_header(void **state)
{
    (void)state;
    struct sower_buffer tensors = {0};
    struct sower_problem problem = {.sentence = ""};
    json_t *left_out = json_array();
    assert_true(read_header("{\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[16,24]},"
                            "\"__metadata__\":{\"x\":\"y\"},"
                            "\"n\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[8,16]},"
                            "\"e\":{\"dtype\":\"F16\",\"shape\":[0,7],\"data_offsets\":[24,24]},"
                            "\"a\":{\"dtype\":\"BF16\",\"shape\":[2,2],\"data_offsets\":[0,8]}}   ",
                            24, &tensors, left_out, &problem));
    sower_buffer_bytes(&tensors, "", 1);
    assert_string_equal(tensors.text, "{\"dtype\":\"f32\",\"name\":\"b\",\"shape\":[2]},"
                                      "{\"dtype\":\"f16\",\"name\":\"e\",\"shape\":[0,7]},"
                                      "{\"dtype\":\"bf16\",\"name\":\"a\",\"shape\":[2,2]}");
    assert_int_equal(json_array_size(left_out), 1);
    assert_string_equal(json_string_value(json_array_get(left_out, 0)), "n (I64)");
    json_decref(left_out);
    sower_buffer_free(&tensors);
}

/* The tensors of a header that is right, and the text of `left_out`. */
static void assert_read(const char *header, uint64_t data_size, const char *expected,
                        const char *expected_left_out)
{
    struct sower_buffer tensors = {0};
    struct sower_problem problem = {.sentence = ""};
    json_t *left_out = json_array();
    if (!read_header(header, data_size, &tensors, left_out, &problem)) {
        fail_msg("%s: %s", header, problem.sentence);
    }
    sower_buffer_bytes(&tensors, "", 1);
    assert_string_equal(tensors.text, expected);
    char *text = sower_json_text(left_out, JSON_COMPACT);
    assert_string_equal(text, expected_left_out);
    free(text);
    json_decref(left_out);
    sower_buffer_free(&tensors);
}

static void tensors_of_other_dtypes_are_left_out(void **state)
{
    (void)state;
    assert_read("{\"a\":{\"dtype\":\"F8_E8M0\",\"shape\":[2],\"data_offsets\":[0,2]},"
                "\"b\":{\"dtype\":\"F4\",\"shape\":[3,2],\"data_offsets\":[2,5]},"
                "\"c\":{\"dtype\":\"F6_E2M3\",\"shape\":[4],\"data_offsets\":[5,8]},"
                "\"d\":{\"dtype\":\"F6_E3M2\",\"shape\":[0],\"data_offsets\":[8,8]},"
                "\"e\":{\"dtype\":\"C64\",\"shape\":[],\"data_offsets\":[8,16]},"
                "\"f\":{\"dtype\":\"F8_E4M3FNUZ\",\"shape\":[1],\"data_offsets\":[16,17]},"
                "\"g\":{\"dtype\":\"F8_E5M2FNUZ\",\"shape\":[1],\"data_offsets\":[17,18]},"
                "\"h\":{\"dtype\":\"BOOL\",\"shape\":[1],\"data_offsets\":[18,19]},"
                "\"w\":{\"dtype\":\"F8_E4M3\",\"shape\":[1],\"data_offsets\":[19,20]}}",
                20, "{\"dtype\":\"f8_e4m3\",\"name\":\"w\",\"shape\":[1]}",
                "[\"a (F8_E8M0)\",\"b (F4)\",\"c (F6_E2M3)\",\"d (F6_E3M2)\",\"e (C64)\",\"f (F8_E4M3FNUZ)\","
                "\"g (F8_E5M2FNUZ)\",\"h (BOOL)\"]");
}

static void the_data_may_be_cut_off(void **state)
{
    (void)state;
    static const char header[] = "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}";
    for (uint64_t data_size = 0; data_size <= 8; data_size++) {
        assert_read(header, data_size, "{\"dtype\":\"f32\",\"name\":\"a\",\"shape\":[2]}", "[]");
    }
}

static void members_of_the_metadata_that_name_a_tensor_are_ties(void **state)
{
    (void)state;
    /* The metadata of Sower's own files, of other programs, and a name that is a tensor already. */
    assert_read(
        "{\"wte\":{\"dtype\":\"F32\",\"shape\":[2,1],\"data_offsets\":[0,8]},"
        "\"__metadata__\":{\"format\":\"wte\",\"sower.tensors\":\"wte\",\"author\":\"me\","
        "\"head\":\"wte\",\"n2\":\"n\",\"own\":\"wte\",\"gone\":\"head\",\"number\":7,\"e\\\"\":\"wte\"},"
        "\"own\":{\"dtype\":\"F16\",\"shape\":[],\"data_offsets\":[8,10]},"
        "\"n\":{\"dtype\":\"I8\",\"shape\":[1],\"data_offsets\":[10,11]}}",
        11,
        "{\"dtype\":\"f32\",\"name\":\"wte\",\"shape\":[2,1]},{\"dtype\":\"f16\",\"name\":\"own\",\"shape\":["
        "]},"
        "{\"name\":\"head\",\"same_as\":\"wte\",\"shape\":[2,1]},"
        "{\"name\":\"e\\\"\",\"same_as\":\"wte\",\"shape\":[2,1]}",
        "[\"n (I8)\"]");
    assert_read("{\"__metadata__\":7,\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}}", 4,
                "{\"dtype\":\"f32\",\"name\":\"a\",\"shape\":[]}", "[]");
}

#define ENTRY(dtype, shape, offsets)                                                                         \
    "{\"a\":{\"dtype\":" dtype ",\"shape\":" shape ",\"data_offsets\":" offsets "}}"

static void wrong_headers_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        uint64_t data_size;
        const char *part;
    } cases[] = {
        {"", 0, "ends at byte 0"},
        {"[]", 0, "expected "},
        {"{\"a\":7}", 0, "no dtype"},
        {"{\"a\":", 0, "At byte"},
        {ENTRY("\"F32\"", "[2]", "[0,8]") "x", 8, "there is text after"},
        {ENTRY("\"F33\"", "[2]", "[0,8]"), 8, "unknown dtype, \"F33\""},
        {ENTRY("\"F8_E4M3FN\"", "[8]", "[0,8]"), 8, "unknown dtype"},
        {ENTRY("\"F4\"", "[3]", "[0,2]"), 2, "do not fit its shape"},
        {ENTRY("\"F6_E2M3\"", "[4]", "[0,4]"), 4, "do not fit its shape"},
        {ENTRY("7", "[2]", "[0,8]"), 8, "no dtype"},
        {ENTRY("\"F32\"", "[-2]", "[0,8]"), 8, "no shape"},
        {ENTRY("\"F32\"", "[1,1,1,1,1,1,1,1,2]", "[0,8]"), 8, "at most 8 sizes"},
        {ENTRY("\"F32\"", "[2]", "[0]"), 8, "data_offsets"},
        {ENTRY("\"F32\"", "[2]", "[8,0]"), 8, "do not fit its shape"},
        {ENTRY("\"F32\"", "[2]", "[0,12]"), 12, "do not fit its shape"},
        {ENTRY("\"F32\"", "[4611686018427387904,4]", "[0,0]"), 0, "do not fit its shape"},
        {ENTRY("\"F32\"", "[2]", "[0,8]"), 12, "too long"},
        {ENTRY("\"F32\"", "[2]", "[4,12]"), 12, "overlap or leave gaps"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},"
         "\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[2,6]}}",
         6, "overlap or leave gaps"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[[[[[[2]]]]]],\"data_offsets\":[0,8]}}", 8, "no shape"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sower_buffer tensors = {0};
        struct sower_problem problem = {.sentence = ""};
        json_t *left_out = json_array();
        if (read_header(cases[i].header, cases[i].data_size, &tensors, left_out, &problem) ||
            strstr(problem.sentence, cases[i].part) == NULL) {
            fail_msg("%s: %s", cases[i].header, problem.sentence);
        }
        json_decref(left_out);
        sower_buffer_free(&tensors);
    }
}

static bool list_header(const char *header, uint64_t data_size, struct sower_safetensors_entries *entries)
{
    struct sower_problem problem;
    return sower_safetensors_list(header, strlen(header), data_size, entries, &problem);
}

static void a_list_has_the_places_of_all_tensors_by_name(void **state)
{
    (void)state;
    static const char header[] = "{\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[3,11]},"
                                 "\"__metadata__\":{\"k\":\"v\"},"
                                 "\"a\":{\"dtype\":\"I8\",\"shape\":[3],\"data_offsets\":[0,3]}}";
    struct sower_safetensors_entries entries;
    assert_true(list_header(header, 11, &entries));
    assert_int_equal(entries.count, 2);
    const struct sower_safetensors_entry *a = sower_safetensors_find(&entries, "a");
    const struct sower_safetensors_entry *b = sower_safetensors_find(&entries, "b");
    assert_non_null(a);
    assert_non_null(b);
    assert_int_equal(a->dtype, SOWER_DTYPE_COUNT);
    assert_int_equal(b->dtype, SOWER_F32);
    assert_int_equal(b->start, 3);
    assert_int_equal(b->stop, 11);
    assert_null(sower_safetensors_find(&entries, "c"));
    assert_string_equal(json_string_value(json_object_get(entries.metadata, "k")), "v");
    sower_safetensors_free(&entries);
}

static void a_list_needs_all_data_and_different_names(void **state)
{
    (void)state;
    struct sower_safetensors_entries entries;
    assert_false(list_header(ENTRY("\"F32\"", "[2]", "[0,8]"), 7, &entries));
    sower_safetensors_free(&entries);
    assert_false(list_header("{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
                             "\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}}",
                             2, &entries));
    sower_safetensors_free(&entries);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_header_is_padded_to_eight_bytes_and_says_its_length),
        cmocka_unit_test(an_impossible_length_is_refused),
        cmocka_unit_test(tensors_are_read_in_the_order_of_the_header),
        cmocka_unit_test(tensors_of_other_dtypes_are_left_out),
        cmocka_unit_test(the_data_may_be_cut_off),
        cmocka_unit_test(members_of_the_metadata_that_name_a_tensor_are_ties),
        cmocka_unit_test(wrong_headers_are_refused),
        cmocka_unit_test(a_list_has_the_places_of_all_tensors_by_name),
        cmocka_unit_test(a_list_needs_all_data_and_different_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
