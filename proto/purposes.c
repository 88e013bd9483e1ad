#include "proto/purposes.h"

#include <string.h>

#include "proto/json.h"
#include "proto/number.h"

static bool refuse(struct sower_problem *problem, const char *what)
{
    return sower_problem_set(
        problem, SOWER_PROBLEM_INVALID, "purposes",
        "%s purposes has 1 to %d different names of 1 to %d bytes: purposes=data,dropout in "
        "a query, \"purposes\":[\"data\",\"dropout\"] in JSON.",
        what, SOWER_PURPOSES_MAX, SOWER_PURPOSE_MAX);
}

static bool contains(const json_t *purposes, const json_t *name)
{
    size_t i;
    const json_t *other;
    json_array_foreach(purposes, i, other)
    {
        if (json_equal(other, name)) {
            return true;
        }
    }
    return false;
}

/* Appends `name`, whose reference it takes over; NULL means that memory ran out. */
static bool add(json_t **purposes, json_t *name, struct sower_problem *problem)
{
    const char *fault = NULL;
    if (name != NULL && *purposes != NULL) {
        fault = !json_is_string(name)                              ? "A purpose is a text."
                : json_string_length(name) == 0                    ? "A purpose is empty."
                : json_string_length(name) > SOWER_PURPOSE_MAX     ? "A purpose is too long."
                : contains(*purposes, name)                        ? "A purpose is given twice."
                : json_array_size(*purposes) == SOWER_PURPOSES_MAX ? "There are too many purposes."
                                                                   : NULL;
    }
    if (fault != NULL) {
        json_decref(name);
        return refuse(problem, fault);
    }
    sower_json_append(purposes, name);
    return *purposes != NULL || sower_problem_memory(problem);
}

static bool read_text(const char *text, json_t **purposes, struct sower_problem *problem)
{
    size_t length = strcspn(text, ",");
    while (add(purposes, json_stringn_nocheck(text, length), problem)) {
        text += length;
        if (*text == '\0') {
            return true;
        }
        text++;
        length = strcspn(text, ",");
    }
    return false;
}

static bool read_array(const json_t *array, json_t **purposes, struct sower_problem *problem)
{
    size_t i;
    json_t *name;
    json_array_foreach(array, i, name)
    {
        if (!add(purposes, json_incref(name), problem)) {
            return false;
        }
    }
    return json_array_size(array) > 0 || refuse(problem, "There is no purpose.");
}

bool sower_purposes_read(const json_t *value, bool from_pairs, json_t **purposes,
                         struct sower_problem *problem)
{
    *purposes = json_array();
    bool read = from_pairs && json_is_string(value)   ? read_text(json_string_value(value), purposes, problem)
                : !from_pairs && json_is_array(value) ? read_array(value, purposes, problem)
                                                      : refuse(problem, "The value is not a list of names.");
    if (!read) {
        json_decref(*purposes);
        *purposes = NULL;
    }
    return read;
}

json_t *sower_purposes_json(const json_t *purposes, const struct sower_seed *trial)
{
    json_t *numbers = json_object();
    size_t i;
    const json_t *name;
    json_array_foreach(purposes, i, name)
    {
        char text[SOWER_NUMBER_MAX];
        const char *purpose = json_string_value(name);
        sower_number_print(sower_seed_purpose(trial, purpose, json_string_length(name)), text);
        sower_json_set(&numbers, purpose, json_string(text));
    }
    return numbers;
}
