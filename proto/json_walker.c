#include "proto/json_walker.h"

#include <inttypes.h>
#include <string.h>

#include "proto/json.h"
#include "proto/text.h"

static size_t skip_spaces(const struct sower_json_walker *walker, size_t at)
{
    while (at < walker->length && memchr(" \t\r\n", walker->text[at], 4) != NULL) {
        at++;
    }
    return at;
}

static bool refuse(const struct sower_json_walker *walker, const char *wanted, struct sower_problem *problem)
{
    if (walker->at >= walker->length) {
        return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "",
                                 "The JSON text ends at byte %zu; expected %s.", walker->at, wanted);
    }
    char quote[SOWER_QUOTE_SIZE];
    sower_text_quote(walker->text + walker->at, walker->length - walker->at, quote);
    return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "",
                             "At byte %zu of the JSON text is %s; expected %s.", walker->at, quote, wanted);
}

/* Takes a character that must be next. */
static bool expect(struct sower_json_walker *walker, char wanted, struct sower_problem *problem)
{
    const char name[] = {'"', wanted, '"', '\0'};
    walker->at = skip_spaces(walker, walker->at);
    if (walker->at >= walker->length || walker->text[walker->at] != wanted) {
        return refuse(walker, name, problem);
    }
    walker->at++;
    return true;
}

bool sower_json_walker_open(struct sower_json_walker *walker, const char *text, size_t length, size_t at,
                            char open, struct sower_problem *problem)
{
    *walker = (struct sower_json_walker){
        .text = text, .length = length, .at = at, .close = open == '{' ? '}' : ']'};
    return expect(walker, open, problem);
}

json_t *sower_json_walker_load(struct sower_json_walker *walker, struct sower_problem *problem)
{
    const size_t flags = JSON_DECODE_ANY | JSON_DISABLE_EOF_CHECK | JSON_REJECT_DUPLICATES;
    const char *text = walker->text + walker->at;
    const size_t left = walker->length - walker->at;
    const uint64_t room = sower_json_room(text, left, flags);
    json_error_t error;
    if (room > SOWER_JSON_WALKER_ROOM_MAX) {
        sower_problem_set(problem, SOWER_PROBLEM_TOO_LARGE, "",
                          "At byte %zu of the JSON text begins a value that needs %" PRIu64
                          " MiB of memory; at most %" PRIu64 " MiB are allowed.",
                          walker->at, room >> 20, SOWER_JSON_WALKER_ROOM_MAX >> 20);
        return NULL;
    }
    json_t *value = sower_json_load_within(room, text, left, flags, &error);
    if (value != NULL) {
        walker->at += (size_t)error.position;
        return value;
    }
    if (json_error_code(&error) == json_error_out_of_memory) {
        sower_problem_memory(problem);
        return NULL;
    }
    size_t position = walker->at + (error.position < 0 ? 0 : (size_t)error.position);
    sower_problem_set(problem, SOWER_PROBLEM_INVALID, "", "At byte %zu of the JSON text: %s.", position,
                      error.text);
    return NULL;
}

bool sower_json_walker_next(struct sower_json_walker *walker, bool *more, json_t **key,
                            struct sower_problem *problem)
{
    walker->at = skip_spaces(walker, walker->at);
    *more = walker->at >= walker->length || walker->text[walker->at] != walker->close;
    if (!*more) {
        walker->at++;
        return true;
    }
    if (walker->begun && !expect(walker, ',', problem)) {
        return false;
    }
    walker->begun = true;
    walker->at = skip_spaces(walker, walker->at);
    if (key == NULL) {
        return walker->at < walker->length || refuse(walker, "a value", problem);
    }
    if (walker->at >= walker->length || walker->text[walker->at] != '"') {
        return refuse(walker, "a key in quotes", problem);
    }
    *key = sower_json_walker_load(walker, problem);
    if (*key == NULL) {
        return false;
    }
    if (!expect(walker, ':', problem)) {
        json_decref(*key);
        *key = NULL;
        return false;
    }
    walker->at = skip_spaces(walker, walker->at);
    return true;
}

/* The byte after the string whose opening quote is at `at`. */
static size_t skip_string(const struct sower_json_walker *walker, size_t at)
{
    for (at++; at < walker->length && walker->text[at] != '"'; at++) {
        at += walker->text[at] == '\\';
    }
    return at < walker->length ? at + 1 : walker->length;
}

void sower_json_walker_skip(struct sower_json_walker *walker)
{
    size_t depth = 0;
    while (walker->at < walker->length) {
        char character = walker->text[walker->at];
        if (character == '"') {
            walker->at = skip_string(walker, walker->at);
            continue;
        }
        bool closes = character == '}' || character == ']';
        if (depth == 0 && (closes || character == ',')) {
            return;
        }
        depth += character == '{' || character == '[';
        depth -= closes;
        walker->at++;
    }
}

bool sower_json_walker_at_end(const struct sower_json_walker *walker)
{
    return skip_spaces(walker, walker->at) == walker->length;
}
