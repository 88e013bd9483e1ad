/* Requests for trial numbers: count and key. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "proto/purposes.h"
#include "proto/trials.h"

static struct sower_trials_request request;
static struct sower_problem problem;

static bool read_fields(json_t *fields, bool from_pairs)
{
    assert_non_null(fields);
    bool read = sower_trials_read_fields(fields, from_pairs, &request, &problem);
    json_decref(fields);
    return read;
}

static void a_count_is_1_unless_it_is_given(void **state)
{
    (void)state;
    assert_true(read_fields(json_object(), true));
    assert_int_equal(request.count, 1);
    assert_true(read_fields(json_object(), false));
    assert_int_equal(request.count, 1);
    assert_true(read_fields(json_pack("{s:s}", "count", "1000000"), true));
    assert_int_equal(request.count, 1000000);
    assert_true(read_fields(json_pack("{s:i}", "count", 7), false));
    assert_int_equal(request.count, 7);
}

static void purposes_are_a_list_of_different_names(void **state)
{
    (void)state;
    assert_true(read_fields(json_object(), true));
    assert_null(request.purposes);
    assert_true(read_fields(json_pack("{s:s}", "purposes", "data, \xc3\xa9,x"), true));
    assert_int_equal(json_array_size(request.purposes), 3);
    assert_string_equal(json_string_value(json_array_get(request.purposes, 1)), " \xc3\xa9");
    json_decref(request.purposes);
    assert_true(read_fields(json_pack("{s:[s,s]}", "purposes", "a,b", "c"), false));
    assert_string_equal(json_string_value(json_array_get(request.purposes, 0)), "a,b");
    json_decref(request.purposes);
}

static json_t *many_purposes(size_t count, size_t length)
{
    json_t *names = json_array();
    for (size_t i = 0; i < count; i++) {
        char name[SOWER_PURPOSE_MAX + 2];
        snprintf(name, sizeof name, "%0*zu", (int)length, i);
        json_array_append_new(names, json_string(name));
    }
    return json_pack("{s:o}", "purposes", names);
}

static void wrong_purposes_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"", ",", "a,", ",a", "a,,b", "a,b,a"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        assert_false(read_fields(json_pack("{s:s}", "purposes", texts[i]), true));
        assert_string_equal(problem.field, "purposes");
        assert_null(request.purposes);
    }
    static const char *const values[] = {"[]",    "[\"\"]", "[1]",  "[null]",       "[[\"a\"]]",
                                         "\"a\"", "{}",     "null", "[\"a\",\"a\"]"};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        json_t *fields = json_object();
        json_object_set_new(fields, "purposes", json_loads(values[i], JSON_DECODE_ANY, NULL));
        assert_false(read_fields(fields, false));
        assert_string_equal(problem.field, "purposes");
        assert_null(request.purposes);
    }
    assert_false(read_fields(json_pack("{s:n}", "purposes"), true));
    assert_false(read_fields(many_purposes(65, 3), false));
    assert_false(read_fields(many_purposes(1, 257), false));
    assert_true(read_fields(many_purposes(64, 256), false));
    json_decref(request.purposes);
}

static void a_wrong_count_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"",    "0",  "-1", "1000001", "9223372036854775808",
                                        "1.0", "+1", "01", "x",       " 1"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        assert_false(read_fields(json_pack("{s:s}", "count", texts[i]), true));
        assert_string_equal(problem.field, "count");
    }
    static const char *const values[] = {
        "0", "-1", "1000001", "9223372036854775807", "1.0", "\"1\"", "null", "true", "[1]", "{}"};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        json_t *fields = json_object();
        json_object_set_new(fields, "count", json_loads(values[i], JSON_DECODE_ANY, NULL));
        assert_false(read_fields(fields, false));
        assert_string_equal(problem.field, "count");
    }
    assert_false(read_fields(json_pack("{s:n}", "count"), true));
}

static void an_unknown_field_is_refused_by_name(void **state)
{
    (void)state;
    assert_false(read_fields(json_pack("{s:s}", "Count", "1"), true));
    assert_string_equal(problem.field, "Count");
    assert_false(read_fields(json_pack("{s:i, s:i}", "count", 1, "trial", 2), false));
    assert_string_equal(problem.field, "trial");
}

static void a_key_has_1_to_255_printable_characters_and_no_blank_at_its_ends(void **state)
{
    (void)state;
    const struct {
        const char *text;
        size_t length;
    } wrong[] = {{"", 0},  {"a\tb", 3}, {"a\x7f", 2}, {"\xc3\xbc", 2}, {"a\nb", 3}, {"a\0zzz", 5}, {"a\0", 2},
                 {" ", 1}, {" a", 2},   {"a ", 2},    {"\ta", 2},      {"a\t", 2},  {"\t", 1}};
    char longest[SOWER_TRIALS_KEY_MAX + 2] = "";
    memset(longest, '~', SOWER_TRIALS_KEY_MAX);
    assert_true(sower_trials_read_key(longest, SOWER_TRIALS_KEY_MAX, &request, &problem));
    assert_string_equal(request.key, longest);
    assert_true(sower_trials_read_key("a key\"'~", 7, &request, &problem));
    assert_string_equal(request.key, "a key\"'");
    longest[SOWER_TRIALS_KEY_MAX] = '~';
    assert_false(sower_trials_read_key(longest, SOWER_TRIALS_KEY_MAX + 1, &request, &problem));
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_false(sower_trials_read_key(wrong[i].text, wrong[i].length, &request, &problem));
        assert_string_equal(problem.field, "Idempotency-Key");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_count_is_1_unless_it_is_given),
        cmocka_unit_test(a_wrong_count_is_refused),
        cmocka_unit_test(purposes_are_a_list_of_different_names),
        cmocka_unit_test(wrong_purposes_are_refused),
        cmocka_unit_test(an_unknown_field_is_refused_by_name),
        cmocka_unit_test(a_key_has_1_to_255_printable_characters_and_no_blank_at_its_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
