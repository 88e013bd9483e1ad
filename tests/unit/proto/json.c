#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pthread.h>

#include <cmocka.h>

#include "proto/json.h"

/* A text that is built from pieces. */
struct shape {
    const char *name;
    const char *begin, *piece, *end; /* %d of a piece is its number */
    int count;
    size_t flags;
    bool good;
};

static const struct shape shapes[] = {
    {"nothing", "", "", "", 0, 0, false},
    {"brackets that stay open", "", "[", "", 100000, 0, false},
    {"braces that stay open", "", "{", "", 100000, 0, false},
    {"keys that stay open", "", "{\"a\":", "", 100000, 0, false},
    {"arrays as deep as may be", "", "[", "]", 2048, 0, true},
    {"empty objects", "[{}", ",{}", "]", 50000, 0, true},
    {"empty arrays", "[[]", ",[]", "]", 50000, 0, true},
    {"objects in objects", "{\"\":{}", ",\"%d\":{}", "}", 50000, 0, true},
    {"many short keys", "{\"\":1", ",\"%d\":1", "}", 70000, JSON_REJECT_DUPLICATES, true},
    {"nine keys", "{\"\":1", ",\"%d\":1", "}", 8, JSON_REJECT_DUPLICATES, true},
    {"long keys", "{\"\":1", ",\"blocks.%d.attention.query.weight\":[1]", "}", 5000, JSON_REJECT_DUPLICATES,
     true},
    {"one key many times", "{\"\":1", ",\"a\":1", "}", 5000, 0, true},
    {"one long string", "[\"", "a", "\"]", 1000000, 0, true},
    {"one long string that stays open", "[\"", "a", "", 1000000, 0, false},
    {"one long key", "{\"", "a", "\":1}", 1000000, 0, true},
    {"short strings", "[\"\"", ",\"\"", "]", 50000, 0, true},
    {"escapes", "[\"", "\\n\\u00e4\\ud83d\\ude00\\\\", "\"]", 20000, 0, true},
    {"quotes that are escaped", "[\"", "\\\"", "\"]", 20000, 0, true},
    {"half a pair of surrogates", "[\"", "\\ud83d", "\"]", 2, 0, false},
    {"integers", "[0", ",%d", "]", 50000, 0, true},
    {"reals", "[0.5", ",-%d.5e-3", "]", 50000, 0, true},
    {"one long number", "[1.", "0", "]", 100000, 0, true},
    {"too long a number", "[1", "0", "]", 100000, 0, false},
    {"words", "[true", ",false,null", "]", 20000, 0, true},
    {"one long word", "[", "a", "]", 100000, 0, false},
    {"bytes that are not UTF-8", "[\"", "\xff", "\"]", 100, 0, false},
    {"spaces", "[", " \t\r\n", "]", 10000, 0, true},
    {"colons", "{\"a\"", ":", "", 10000, 0, false},
    {"commas", "[", ",", "]", 10000, 0, false},
    {"commas of an object", "{", ",", "}", 10000, 0, false},
    {"a string after the end", "{}\"", "a", "\"", 10000, 0, false},
    {"a string alone", "\"", "a", "\"", 1000, JSON_DECODE_ANY, true},
    {"a number alone", "1", "0", "", 10, JSON_DECODE_ANY, true},
    {"a value that something follows", "[1]", ",[1]", "", 10000, JSON_DISABLE_EOF_CHECK, true},
    {"a string that something follows", "\"a\"", ":", "", 100, JSON_DISABLE_EOF_CHECK | JSON_DECODE_ANY,
     true},
    {"a number that something follows", "1", "]", "", 100, JSON_DISABLE_EOF_CHECK | JSON_DECODE_ANY, true},
    {"a value after spaces", "  ", " ", "{\"a\":1}}", 100, JSON_DISABLE_EOF_CHECK, true},
    {"what closes another", "[{\"a\":[1,{]", ",{}", "}]", 1000, 0, false},
    {"a request", "{\"experiment\":\"exp-42\",\"name\":\"layers.0.weight\"",
     ",\"shape\":[4096,1024],\"dtype\":\"bf16\",\"init\":{\"type\":\"normal\",\"std\":0.02}", "}", 1, 0,
     true},
    {"a manifest",
     "{\"rules\":[{\"match\":\"*.bias\",\"init\":\"zeros\"}],\"tensors\":[{\"name\":\"a\",\"shape\":[1]}",
     ",{\"name\":\"blocks.%d.attention.query.weight\",\"shape\":[1024,1024],\"dtype\":\"bf16\"}", "]}", 5000,
     0, true},
};

enum { SHAPES = sizeof shapes / sizeof shapes[0] };

/* Writes the pieces. An end that closes a piece is written as often as the piece. */
static struct sower_buffer put_together(const struct shape *shape, int count)
{
    struct sower_buffer text = {0};
    sower_buffer_text(&text, shape->begin);
    for (int i = 0; i < count; i++) {
        const char *number = strstr(shape->piece, "%d");
        sower_buffer_bytes(&text, shape->piece,
                           number == NULL ? strlen(shape->piece) : (size_t)(number - shape->piece));
        if (number != NULL) {
            sower_buffer_number(&text, (uint64_t)i);
            sower_buffer_text(&text, number + 2);
        }
    }
    bool nested = shape->piece[0] == '[' && shape->end[0] == ']';
    for (int i = 0; i < (nested ? count : 1); i++) {
        sower_buffer_text(&text, shape->end);
    }
    assert_false(text.failed);
    return text;
}

static bool loads_within(uint64_t room, const struct sower_buffer *text, size_t flags)
{
    json_error_t error;
    json_t *value = sower_json_load_within(room, text->text, text->length, flags, &error);
    bool enough = value != NULL || json_error_code(&error) != json_error_out_of_memory;
    json_decref(value);
    return enough;
}

/* The memory that the parser uses, to within one percent. */
static uint64_t used(uint64_t room, const struct sower_buffer *text, size_t flags)
{
    uint64_t low = 0, high = room;
    while (high - low > room / 100 + 16) {
        uint64_t middle = low + (high - low) / 2;
        *(loads_within(middle, text, flags) ? &high : &low) = middle;
    }
    return high;
}

static void the_room_of_a_text_is_enough_and_at_most_four_times_what_the_parser_uses(void **state)
{
    (void)state;
    for (size_t i = 0; i < SHAPES; i++) {
        const struct shape *shape = &shapes[i];
        struct sower_buffer text = put_together(shape, shape->count);
        uint64_t room = sower_json_room(text.text, text.length, shape->flags);
        json_error_t error;
        json_t *value = sower_json_load(text.text, text.length, shape->flags, &error);
        assert_int_equal(value != NULL, shape->good);
        assert_true(value != NULL || json_error_code(&error) != json_error_out_of_memory);
        json_decref(value);
        uint64_t taken = used(room, &text, shape->flags);
        print_message("%-40s %9zu bytes: room %9llu, taken %9llu\n", shape->name, text.length,
                      (unsigned long long)room, (unsigned long long)taken);
        assert_true(!shape->good || room <= 4 * taken + 1024);
        sower_buffer_free(&text);
    }
}

/* A text that is almost JSON, always the same for the same number. */
static struct sower_buffer random_text(uint32_t number)
{
    static const char *const pieces[] = {
        "{",  "}",    "[",   "]",    ",",    ":",    "\"", "\"a\"",    "\"\"",   "\\",      "\\u", "\\u0041",
        "12", "-1.5", "1e3", "true", "null", "\xc3", " ",  "\xc3\xa4", "\"b\":", "{\"c\":", "[1,", "nul"};
    struct sower_buffer text = {0};
    uint32_t random = number * 2654435761U + 1;
    for (size_t i = 0, count = number % 40; i < count; i++) {
        random = random * 1664525U + 1013904223U;
        sower_buffer_text(&text, pieces[(random >> 16) % (sizeof pieces / sizeof pieces[0])]);
    }
    sower_buffer_bytes(&text, "]}\"", number % 4);
    assert_false(text.failed);
    return text;
}

static void the_room_is_enough_for_malformed_texts(void **state)
{
    static const size_t flags[] = {0, JSON_REJECT_DUPLICATES, JSON_DECODE_ANY,
                                   JSON_DECODE_ANY | JSON_DISABLE_EOF_CHECK};
    (void)state;
    for (uint32_t number = 0; number < 200000; number++) {
        struct sower_buffer text = random_text(number);
        for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
            uint64_t room = sower_json_room(text.text, text.length, flags[i]);
            if (text.length > 0 && !loads_within(room, &text, flags[i])) {
                fail_msg("%.*s", (int)text.length, text.text);
            }
        }
        sower_buffer_free(&text);
    }
}

static void a_parse_that_runs_out_of_room_anywhere_fails_completely(void **state)
{
    (void)state;
    for (size_t i = 0; i < SHAPES; i++) {
        struct sower_buffer text = put_together(&shapes[i], shapes[i].count < 12 ? shapes[i].count : 12);
        json_error_t error;
        json_t *right = sower_json_load(text.text, text.length, shapes[i].flags, &error);
        uint64_t room = sower_json_room(text.text, text.length, shapes[i].flags);
        for (uint64_t less = 0; less <= room; less += 8) {
            json_t *value = sower_json_load_within(less, text.text, text.length, shapes[i].flags, &error);
            assert_true(value == NULL || json_equal(value, right));
            assert_true(value != NULL || right == NULL ||
                        json_error_code(&error) == json_error_out_of_memory);
            json_decref(value);
        }
        json_decref(right);
        sower_buffer_free(&text);
    }
}

static void an_impossibly_large_room_is_reported_as_lack_of_memory(void **state)
{
    (void)state;
    const uint64_t rooms[] = {UINT64_MAX, UINT64_MAX / 2 + 1};
    for (size_t i = 0; i < 2; i++) {
        json_error_t error;
        assert_null(sower_json_load_within(rooms[i], "[]", 2, 0, &error));
        assert_int_equal(json_error_code(&error), json_error_out_of_memory);
    }
}

static const char request[] = "{\"name\":\"w\",\"shape\":[3,4],\"init\":{\"type\":\"normal\",\"std\":0.02}}";

static json_t *load(const char *text)
{
    json_error_t error;
    json_t *value = sower_json_load(text, strlen(text), JSON_DECODE_ANY, &error);
    assert_non_null(value);
    return value;
}

static void a_member_outlives_the_value_that_it_was_read_with_and_accepts_new_members(void **state)
{
    (void)state;
    json_t *whole = load(request);
    json_t *part = json_incref(json_object_get(whole, "init"));
    json_decref(whole);
    for (int i = 0; i < 100; i++) {
        char key[16];
        snprintf(key, sizeof key, "%d", i);
        sower_json_set(&part, key, json_integer(i));
    }
    assert_string_equal(json_string_value(json_object_get(part, "type")), "normal");
    assert_int_equal(json_object_size(part), 102);
    assert_int_equal(json_integer_value(json_object_get(part, "99")), 99);
    json_decref(part);
}

static void *use(void *context)
{
    json_t *shared = context;
    for (int i = 0; i < 2000; i++) {
        json_t *own = load(request);
        assert_true(json_equal(own, shared));
        json_t *part = json_incref(json_object_get(shared, "shape"));
        json_decref(own);
        json_decref(part);
    }
    json_decref(shared);
    return NULL;
}

static void several_threads_parse_and_release_shared_values(void **state)
{
    (void)state;
    pthread_t threads[4];
    json_t *shared = load(request);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, use, json_incref(shared)), 0);
    }
    json_decref(shared);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
}

static void a_value_stays_null_after_memory_ran_out(void **state)
{
    (void)state;
    json_t *object = json_object(), *list = json_array();
    sower_json_set(&object, "a", json_integer(1));
    sower_json_set(&object, "b", NULL);
    assert_null(object);
    sower_json_set(&object, "c", json_integer(1));
    sower_json_append(&list, json_integer(1));
    sower_json_append(&list, NULL);
    assert_null(list);
    sower_json_append(&list, json_integer(1));
    assert_null(object);
    assert_null(list);
    assert_null(sower_json_text(object, 0));
}

static void set_missing_keeps_existing_members(void **state)
{
    (void)state;
    json_t *object = load("{\"a\":1}"), *more = load("{\"a\":2,\"b\":3}");
    json_t *copy = sower_json_copy(more);
    sower_json_set_missing(&object, more);
    char *text = sower_json_text(object, JSON_COMPACT), *copied = sower_json_text(copy, JSON_COMPACT);
    assert_string_equal(text, "{\"a\":1,\"b\":3}");
    assert_string_equal(copied, "{\"a\":2,\"b\":3}");
    free(text);
    free(copied);
    json_decref(copy);
    json_decref(object);
    json_decref(more);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_room_of_a_text_is_enough_and_at_most_four_times_what_the_parser_uses),
        cmocka_unit_test(the_room_is_enough_for_malformed_texts),
        cmocka_unit_test(a_parse_that_runs_out_of_room_anywhere_fails_completely),
        cmocka_unit_test(an_impossibly_large_room_is_reported_as_lack_of_memory),
        cmocka_unit_test(a_member_outlives_the_value_that_it_was_read_with_and_accepts_new_members),
        cmocka_unit_test(several_threads_parse_and_release_shared_values),
        cmocka_unit_test(a_value_stays_null_after_memory_ran_out),
        cmocka_unit_test(set_missing_keeps_existing_members),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
