#include "proto/json_walker.h"

#include <string.h>

#include "proto/json.h"
#include "proto/text.h"

static size_t skip_spaces(const struct sower_json_walker *parts, size_t at)
{
    while (at < parts->length && memchr(" \t\r\n", parts->text[at], 4) != NULL) {
        at++;
    }
    return at;
}

static bool refuse(const struct sower_json_walker *parts, const char *wanted, struct sower_problem *problem)
{
    if (parts->at >= parts->length) {
        return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "",
                                 "The JSON text ends at byte %zu, where %s belongs.", parts->at, wanted);
    }
    char quote[SOWER_QUOTE_SIZE];
    sower_text_quote(parts->text + parts->at, parts->length - parts->at, quote);
    return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "",
                             "At byte %zu of the JSON text stands %s, but %s belongs there.", parts->at,
                             quote, wanted);
}

/* Takes a character that has to come next. */
static bool expect(struct sower_json_walker *parts, char wanted, struct sower_problem *problem)
{
    const char name[] = {'"', wanted, '"', '\0'};
    parts->at = skip_spaces(parts, parts->at);
    if (parts->at >= parts->length || parts->text[parts->at] != wanted) {
        return refuse(parts, name, problem);
    }
    parts->at++;
    return true;
}

bool sower_json_walker_open(struct sower_json_walker *parts, const char *text, size_t length, size_t at,
                            char open, struct sower_problem *problem)
{
    *parts = (struct sower_json_walker){
        .text = text, .length = length, .at = at, .close = open == '{' ? '}' : ']'};
    return expect(parts, open, problem);
}

json_t *sower_json_walker_load(struct sower_json_walker *parts, struct sower_problem *problem)
{
    json_error_t error;
    json_t *value =
        sower_json_load(parts->text + parts->at, parts->length - parts->at,
                        JSON_DECODE_ANY | JSON_DISABLE_EOF_CHECK | JSON_REJECT_DUPLICATES, &error);
    if (value != NULL) {
        parts->at += (size_t)error.position;
        return value;
    }
    if (json_error_code(&error) == json_error_out_of_memory) {
        sower_problem_memory(problem);
        return NULL;
    }
    size_t position = parts->at + (error.position < 0 ? 0 : (size_t)error.position);
    sower_problem_set(problem, SOWER_PROBLEM_INVALID, "", "At byte %zu of the JSON text: %s.", position,
                      error.text);
    return NULL;
}

bool sower_json_walker_next(struct sower_json_walker *parts, bool *more, json_t **key,
                            struct sower_problem *problem)
{
    parts->at = skip_spaces(parts, parts->at);
    *more = parts->at >= parts->length || parts->text[parts->at] != parts->close;
    if (!*more) {
        parts->at++;
        return true;
    }
    if (parts->begun && !expect(parts, ',', problem)) {
        return false;
    }
    parts->begun = true;
    parts->at = skip_spaces(parts, parts->at);
    if (key == NULL) {
        return parts->at < parts->length || refuse(parts, "a value", problem);
    }
    if (parts->at >= parts->length || parts->text[parts->at] != '"') {
        return refuse(parts, "a key in quotes", problem);
    }
    *key = sower_json_walker_load(parts, problem);
    if (*key == NULL) {
        return false;
    }
    if (!expect(parts, ':', problem)) {
        json_decref(*key);
        *key = NULL;
        return false;
    }
    parts->at = skip_spaces(parts, parts->at);
    return true;
}

/* Behind the string whose opening quote stands at `at`. */
static size_t skip_string(const struct sower_json_walker *parts, size_t at)
{
    for (at++; at < parts->length && parts->text[at] != '"'; at++) {
        at += parts->text[at] == '\\';
    }
    return at < parts->length ? at + 1 : parts->length;
}

void sower_json_walker_skip(struct sower_json_walker *parts)
{
    size_t depth = 0;
    while (parts->at < parts->length) {
        char character = parts->text[parts->at];
        if (character == '"') {
            parts->at = skip_string(parts, parts->at);
            continue;
        }
        bool closes = character == '}' || character == ']';
        if (depth == 0 && (closes || character == ',')) {
            return;
        }
        depth += character == '{' || character == '[';
        depth -= closes;
        parts->at++;
    }
}

bool sower_json_walker_at_end(const struct sower_json_walker *parts)
{
    return skip_spaces(parts, parts->at) == parts->length;
}
