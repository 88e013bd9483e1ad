#include "client/sow/daemon/figures.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/hex.h"
#include "proto/json.h"

enum { HASH_LENGTH = 64, SHOWN_LENGTH = 120 };

static const double REAL_TOLERANCE = 1e-9;

static bool is_same(const json_t *found, const json_t *expected)
{
    if (!json_is_real(expected) || !json_is_number(found)) {
        return json_equal(found, expected);
    }
    double a = json_number_value(found), b = json_real_value(expected);
    return fabs(a - b) <= REAL_TOLERANCE * fmax(fabs(a), fabs(b));
}

bool figures_match(const json_t *found, const json_t *expected, char reason[FIGURES_REASON_SIZE])
{
    const char *key;
    json_t *expected_value;
    json_object_foreach((json_t *)expected, key, expected_value)
    {
        const json_t *found_value = json_object_get(found, key);
        if (is_same(found_value, expected_value)) {
            continue;
        }
        char *found_text =
            found_value != NULL ? sower_json_text(found_value, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
        char *expected_text = sower_json_text(expected_value, JSON_COMPACT | JSON_ENCODE_ANY);
        snprintf(reason, FIGURES_REASON_SIZE, "\"%s\" is %.*s, expected %.*s", key, SHOWN_LENGTH,
                 found_text != NULL ? found_text : "missing", SHOWN_LENGTH,
                 expected_text != NULL ? expected_text : "another value");
        free(found_text);
        free(expected_text);
        return false;
    }
    return true;
}

bool figures_is_hash(const json_t *value)
{
    const char *text = json_string_value(value);
    return text != NULL && json_string_length(value) == strlen(text) && sower_hex_is_hash(text);
}

bool figures_is_line(const json_t *value)
{
    return json_is_integer(value) && json_integer_value(value) > 0;
}

bool figures_may_be_line(const json_t *value)
{
    return value == NULL || json_is_null(value) || figures_is_line(value);
}
