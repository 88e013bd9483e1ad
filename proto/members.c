#include "proto/members.h"

#include <stdio.h>
#include <string.h>

#include "proto/hex.h"
#include "proto/record_scan.h"
#include "proto/text.h"
#include "proto/time.h"

bool sower_member_refuse(const struct sower_member *member, const json_t *value, const char *meaning,
                         struct sower_problem *problem)
{
    char quote[SOWER_QUOTE_SIZE];
    sower_text_quote_json(value, quote);
    return sower_problem_set(problem, SOWER_PROBLEM_INVALID, member->name, "%s must be %s; it is %s.",
                             member->name, meaning, quote);
}

bool sower_member_number(const struct sower_member *member, const json_t *value, void *place,
                         struct sower_problem *problem)
{
    json_int_t number = json_integer_value(value);
    if (!json_is_integer(value) || number < 0 || (uint64_t)number < member->size) {
        return sower_member_refuse(
            member, value, member->size == 0 ? "a whole number" : "a whole number, at least 1", problem);
    }
    *(uint64_t *)place = (uint64_t)number;
    return true;
}

bool sower_member_hex(const struct sower_member *member, const json_t *value, void *place,
                      struct sower_problem *problem)
{
    const char *text = json_string_value(value);
    uint8_t *bytes = place;
    if (text == NULL || json_string_length(value) != 2 * member->size ||
        !sower_hex_read(text, bytes, member->size)) {
        char meaning[48];
        snprintf(meaning, sizeof meaning, "%zu lower-case hex digits", 2 * member->size);
        return sower_member_refuse(member, value, meaning, problem);
    }
    return true;
}

bool sower_member_text(const struct sower_member *member, const json_t *value, void *place,
                       struct sower_problem *problem)
{
    size_t length = json_string_length(value);
    if (!json_is_string(value) || length == 0 || length >= member->size) {
        char meaning[48];
        snprintf(meaning, sizeof meaning, "text of 1 to %zu bytes", member->size - 1);
        return sower_member_refuse(member, value, meaning, problem);
    }
    memcpy(place, json_string_value(value), length + 1);
    return true;
}

bool sower_member_time(const struct sower_member *member, const json_t *value, void *place,
                       struct sower_problem *problem)
{
    const char *text = json_string_value(value);
    return (text != NULL && sower_time_read(text, json_string_length(value), place)) ||
           sower_member_refuse(member, value, "a time such as \"2026-01-31T12:00:00.000Z\"", problem);
}

/* The first member, in the object's order, that is not in the table. */
static bool refuse_unknown(const json_t *object, const struct sower_member *members,
                           struct sower_problem *problem)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)object, name, value)
    {
        const struct sower_member *member = members;
        while (member->name != NULL && strcmp(member->name, name) != 0) {
            member++;
        }
        if (member->name == NULL) {
            char quote[SOWER_QUOTE_SIZE];
            sower_text_quote(name, strlen(name), quote);
            return sower_problem_set(problem, SOWER_PROBLEM_INVALID, name, "%s is not one of the members.",
                                     quote);
        }
    }
    return true;
}

bool sower_members_read(const json_t *object, const struct sower_member *members, void *object_struct,
                        struct sower_problem *problem)
{
    size_t found = 0;
    if (!json_is_object(object)) {
        return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "", "It must be a JSON object.");
    }
    for (const struct sower_member *member = members; member->name != NULL; member++) {
        const json_t *value = json_object_get(object, member->name);
        if (value == NULL && member->optional) {
            continue;
        }
        if (value == NULL) {
            return sower_problem_set(problem, SOWER_PROBLEM_INVALID, member->name, "%s is missing.",
                                     member->name);
        }
        if (!member->read(member, value, (char *)object_struct + member->offset, problem)) {
            return false;
        }
        found++;
    }
    return found == json_object_size(object) || refuse_unknown(object, members, problem);
}
