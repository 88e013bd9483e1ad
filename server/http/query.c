#include "server/http/query.h"

#include <inttypes.h>
#include <string.h>

#include <sodium.h>

#include "proto/text.h"

/* Finds a field. *text is NULL if it is absent or has no value. */
static bool find(const json_t *fields, const char *name, bool *given, const char **text, size_t *length)
{
    const json_t *value = json_object_get(fields, name);
    *text = json_string_value(value);
    *length = *text == NULL ? 0 : strlen(*text);
    *given = value != NULL;
    return *given;
}

bool sower_query_number(const json_t *fields, const char *name, uint64_t least, uint64_t most, bool *given,
                        uint64_t *number, struct sower_problem *problem)
{
    const char *text;
    size_t length;
    int64_t value;
    char quote[SOWER_QUOTE_SIZE];
    if (!find(fields, name, given, &text, &length)) {
        return true;
    }
    if (text != NULL && sower_text_integer(text, length, &value) && value >= 0 && (uint64_t)value >= least &&
        (uint64_t)value <= most) {
        *number = (uint64_t)value;
        return true;
    }
    sower_text_quote(text == NULL ? "" : text, length, quote);
    if (most == INT64_MAX) {
        return sower_problem_set(problem, SOWER_PROBLEM_INVALID, name,
                                 "%s is %s; it takes a whole number from %" PRIu64 " to 2^63 - 1.", name,
                                 quote, least);
    }
    return sower_problem_set(problem, SOWER_PROBLEM_INVALID, name,
                             "%s is %s; it takes a whole number from %" PRIu64 " to %" PRIu64 ".", name,
                             quote, least, most);
}

bool sower_query_text(const json_t *fields, const char *name, size_t size, bool *given, char *text,
                      struct sower_problem *problem)
{
    const char *value;
    size_t length;
    if (!find(fields, name, given, &value, &length)) {
        return true;
    }
    if (length == 0 || length >= size) {
        return sower_problem_set(problem, SOWER_PROBLEM_INVALID, name, "%s has %zu bytes; it takes 1 to %zu.",
                                 name, length, size - 1);
    }
    memcpy(text, value, length + 1);
    return true;
}

bool sower_query_bytes(const json_t *fields, const char *name, bool *given, uint8_t bytes[32],
                       struct sower_problem *problem)
{
    const char *text;
    size_t length, read = 0;
    char quote[SOWER_QUOTE_SIZE];
    if (!find(fields, name, given, &text, &length)) {
        return true;
    }
    if (length == 64 && sodium_hex2bin(bytes, 32, text, length, NULL, &read, NULL) == 0 && read == 32) {
        return true;
    }
    sower_text_quote(text == NULL ? "" : text, length, quote);
    return sower_problem_set(problem, SOWER_PROBLEM_INVALID, name, "%s is %s; it takes 64 hex digits.", name,
                             quote);
}
