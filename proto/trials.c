#include "proto/trials.h"

#include <string.h>

#include "proto/purposes.h"
#include "proto/text.h"

static bool read_count(const json_t *value, bool from_pairs, uint64_t *count, struct sower_problem *problem)
{
    char quote[SOWER_QUOTE_SIZE];
    int64_t number = json_integer_value(value);
    bool whole = from_pairs ? json_is_string(value) && sower_text_integer(json_string_value(value),
                                                                          json_string_length(value), &number)
                            : json_is_integer(value);
    *count = (uint64_t)number;
    if (whole && number >= 1 && number <= SOWER_TRIALS_COUNT_MAX) {
        return true;
    }
    sower_text_quote_json(value, quote);
    return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "count",
                             "count must be a whole number from 1 to %d, for example %s; %s was given.",
                             SOWER_TRIALS_COUNT_MAX, from_pairs ? "count=8" : "\"count\":8", quote);
}

bool sower_trials_read_fields(const json_t *fields, bool from_pairs, struct sower_trials_request *request,
                              struct sower_problem *problem)
{
    const char *key;
    json_t *value;
    request->count = 1;
    request->purposes = NULL;
    json_object_foreach((json_t *)fields, key, value)
    {
        bool read =
            strcmp(key, "count") == 0 ? read_count(value, from_pairs, &request->count, problem)
            : strcmp(key, "purposes") == 0
                ? sower_purposes_read(value, from_pairs, &request->purposes, problem)
                : sower_problem_set(problem, SOWER_PROBLEM_INVALID, key,
                                    "There is no field \"%s\"; the fields are count and purposes.", key);
        if (!read) {
            return false;
        }
    }
    return true;
}

static bool is_printable(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (text[i] < 0x20 || text[i] > 0x7e) {
            return false;
        }
    }
    return true;
}

bool sower_trials_read_key(const char *text, size_t length, struct sower_trials_request *request,
                           struct sower_problem *problem)
{
    if (length == 0 || length > SOWER_TRIALS_KEY_MAX || !is_printable(text, length) || text[0] == ' ' ||
        text[length - 1] == ' ') {
        return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "Idempotency-Key",
                                 "An idempotency key has 1 to %d printable ASCII characters, and no space at "
                                 "either end; a UUID is a good key.",
                                 SOWER_TRIALS_KEY_MAX);
    }
    memcpy(request->key, text, length);
    request->key[length] = '\0';
    return true;
}
