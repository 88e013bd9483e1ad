#include "proto/fields.h"

#include <inttypes.h>
#include <string.h>

#include "core/utf8.h"
#include "proto/json.h"
#include "proto/text.h"

/* A JSON string of the bytes, or NULL after a problem that names the field. */
static json_t *make_string(const char *field, const char *text, size_t length, struct sower_problem *problem)
{
    if (memchr(text, '\0', length) != NULL) {
        sower_problem_set(problem, SOWER_PROBLEM_INVALID, field,
                          "The request contains a NUL byte; names and values are plain text.");
        return NULL;
    }
    /* jansson checks the encoding too, but reports a fault in the same way as a lack of memory. */
    if (!sower_utf8_check(text, length)) {
        char quote[SOWER_QUOTE_SIZE];
        sower_text_quote(text, length, quote);
        sower_problem_set(problem, SOWER_PROBLEM_INVALID, field,
                          "%s is not UTF-8; send the percent-encoded bytes of UTF-8 text.", quote);
        return NULL;
    }
    json_t *string = json_stringn_nocheck(text, length);
    if (string == NULL) {
        sower_problem_memory(problem);
    }
    return string;
}

static bool add_pair(json_t *fields, const struct sower_pair *pair, struct sower_problem *problem)
{
    bool added = false;
    json_t *value = NULL;
    json_t *key = make_string("", pair->key, pair->key_length, problem);
    if (key == NULL) {
        goto out;
    }
    const char *name = json_string_value(key);
    if (json_object_get(fields, name) != NULL) {
        sower_problem_set(problem, SOWER_PROBLEM_INVALID, name, "A field is given twice; give it once.");
        goto out;
    }
    value = pair->value == NULL ? json_null() : make_string(name, pair->value, pair->value_length, problem);
    if (value == NULL) {
        goto out;
    }
    added = json_object_set(fields, name, value) == 0 || sower_problem_memory(problem);
out:
    json_decref(value);
    json_decref(key);
    return added;
}

bool sower_request_fields_from_pairs(const struct sower_pair *pairs, size_t count, json_t **fields,
                                     struct sower_problem *problem)
{
    *fields = json_object();
    if (*fields == NULL) {
        return sower_problem_memory(problem);
    }
    for (size_t i = 0; i < count; i++) {
        if (!add_pair(*fields, &pairs[i], problem)) {
            json_decref(*fields);
            *fields = NULL;
            return false;
        }
    }
    return true;
}

/* A string in a JSON text, without its quotes. */
struct span {
    const char *text;
    size_t length;
};

/* The index of the closing quote of the string whose opening quote is at `at`, or `length` without one. */
static size_t string_end(const char *text, size_t length, size_t at)
{
    for (at++; at < length && text[at] != '"'; at++) {
        at += text[at] == '\\';
    }
    return at < length ? at : length;
}

/* The field in which the first `length` bytes of a JSON text end: the last key of the outermost object. If the
 * bytes end directly after a string of that object, `key_at_end` says that this string is the key. */
static struct span field_at(const char *text, size_t length, bool key_at_end)
{
    struct span last = {"", 0};
    struct span key = {"", 0};
    int depth = 0;
    for (size_t at = 0; at < length; at++) {
        if (text[at] == '"') {
            size_t end = string_end(text, length, at);
            last = (struct span){text + at + 1, end > at ? end - at - 1 : 0};
            at = end;
        } else if (text[at] == '{' || text[at] == '[') {
            depth++;
        } else if (text[at] == '}' || text[at] == ']') {
            depth--;
        } else if (text[at] == ':' && depth == 1) {
            key = last;
        }
    }
    return key_at_end && depth == 1 ? last : key;
}

/* Writes the name of a key, with its escapes decoded as the parser decodes them. A malformed key is copied
 * unchanged. False when memory runs out. */
static bool decode_key(struct span key, const char *end, char *name, size_t size)
{
    json_error_t error = {.text = ""};
    bool closed = key.length > 0 && key.text + key.length < end && key.text[key.length] == '"';
    json_t *decoded = closed ? sower_json_load(key.text - 1, key.length + 2, JSON_DECODE_ANY, &error) : NULL;
    if (closed && decoded == NULL && json_error_code(&error) == json_error_out_of_memory) {
        return false;
    }
    if (decoded != NULL) {
        key = (struct span){json_string_value(decoded), json_string_length(decoded)};
    }
    size_t fitting = key.length < size ? key.length : size - 1;
    memcpy(name, key.text, fitting);
    name[fitting] = '\0';
    json_decref(decoded);
    return true;
}

/* Turns the parser's error into a problem. */
static bool refuse_json(const char *text, size_t length, const json_error_t *error,
                        struct sower_problem *problem)
{
    size_t position = error->position < 0 ? 0 : (size_t)error->position;
    position = position < length ? position : length;
    enum json_error_code code = json_error_code(error);
    if (code == json_error_out_of_memory) {
        return sower_problem_memory(problem);
    }
    char field[sizeof problem->field] = "";
    if (code == json_error_duplicate_key || code == json_error_numeric_overflow ||
        code == json_error_null_character || code == json_error_invalid_utf8) {
        struct span key = field_at(text, position, code == json_error_duplicate_key);
        if (!decode_key(key, text + length, field, sizeof field)) {
            return sower_problem_memory(problem);
        }
    }
    const char *advice = code == json_error_duplicate_key      ? "Give each key once."
                         : code == json_error_numeric_overflow ? "Whole numbers go up to 2^63 - 1, reals up "
                                                                 "to about 1.8e308."
                         : code == json_error_stack_overflow ? "A request has at most two levels of nesting."
                         : code == json_error_invalid_utf8   ? "JSON is written in UTF-8."
                                                             : "The body must be one JSON object.";
    return sower_problem_set(problem, SOWER_PROBLEM_INVALID, field, "Line %d, column %d of the body: %s. %s",
                             error->line, error->column, error->text, advice);
}

bool sower_request_fields_from_json(const char *text, size_t length, json_t **fields,
                                    struct sower_problem *problem)
{
    json_error_t error;
    const uint64_t room = sower_json_room(text, length, JSON_REJECT_DUPLICATES);
    *fields = NULL;
    if (room > SOWER_FIELDS_ROOM_MAX) {
        return sower_problem_set(problem, SOWER_PROBLEM_TOO_LARGE, "",
                                 "The body has so many values that reading it needs %" PRIu64
                                 " MiB of memory; at most %" PRIu64 " MiB are allowed.",
                                 room >> 20, SOWER_FIELDS_ROOM_MAX >> 20);
    }
    *fields = sower_json_load_within(room, text, length, JSON_REJECT_DUPLICATES, &error);
    if (*fields == NULL) {
        return refuse_json(text, length, &error, problem);
    }
    if (!json_is_object(*fields)) {
        json_decref(*fields);
        *fields = NULL;
        return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "",
                                 "The body must be a JSON object of fields, as in {\"experiment\":\"exp-42\","
                                 "\"name\":\"w\",\"shape\":[4096,1024],\"init\":\"he_normal\"}.");
    }
    return true;
}
