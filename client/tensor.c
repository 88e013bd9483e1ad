#include "tensor.h"

#include <stdint.h>
#include <string.h>

#include "../core/utf8.h"
#include "../proto/json.h"
#include "../proto/text.h"

static const struct option_rule DRAW[] = {
    {"experiment", 'e', "TEXT", "the experiment, 1 to 256 bytes"},
    {"trial", 't', "N", "the trial (default 0)"},
    {"name", 'n', "TEXT", "the tensor's name, 1 to 512 bytes"},
    {"shape", 's', "SIZES", "the sizes of its axes: 4096,1024; '' for a scalar"},
    {"init", 'i', "EXPRESSION", "the initializer: he_normal, 'normal(std=0.02)'; see sow initializers"},
    {"dtype", 'd', "TYPE", "f64, f32 (default), f16, bf16, f8_e4m3 or f8_e5m2"},
    {"spec", 0, "N", "insist on this version of the bit contract"},
    {0},
};

static const struct option_rule FANS[] = {
    {"layout", 0, "oi|io", "out, in, spatial (PyTorch, default) or spatial, in, out (Keras, JAX)"},
    {"in-axis", 0, "AXES", "the input axes, in place of the layout's"},
    {"out-axis", 0, "AXES", "the output axes, in place of the layout's"},
    {"batch-axis", 0, "AXES", "axes that belong to neither fan"},
    {"fan-in", 0, "N", "fan_in itself, in place of the shape's"},
    {"fan-out", 0, "N", "fan_out itself, in place of the shape's"},
    {0},
};

static const struct option_rule ANSWER[] = {
    {"slice", 0, "SLICE", "a region of the tensor: '0:512,:'"},
    {"shard", 0, "SHARD", "the part of one rank: 0:3/8 is axis 0, rank 3 of 8"},
    {"format", 'f', "FORMAT", "npy (NumPy's, default), raw (the numbers alone) or safetensors"},
    {0},
};

const struct option_group tensor_options_draw = {"The draw", DRAW};
const struct option_group tensor_options_fans = {"How inputs and outputs are counted", FANS};
const struct option_group tensor_options_answer = {"The part and its form", ANSWER};

enum json_form { JSON_TEXT, JSON_WHOLE, JSON_WHOLE_LIST };

static const struct field {
    const char *option;
    const char *name;
    enum json_form form;
    bool required;
} FIELDS[] = {
    {"experiment", "experiment", JSON_TEXT, true},
    {"trial", "trial", JSON_WHOLE, false},
    {"name", "name", JSON_TEXT, true},
    {"shape", "shape", JSON_WHOLE_LIST, true},
    {"init", "init", JSON_TEXT, true},
    {"dtype", "dtype", JSON_TEXT, false},
    {"spec", "spec", JSON_WHOLE, false},
    {"layout", "layout", JSON_TEXT, false},
    {"in-axis", "in_axis", JSON_WHOLE_LIST, false},
    {"out-axis", "out_axis", JSON_WHOLE_LIST, false},
    {"batch-axis", "batch_axis", JSON_WHOLE_LIST, false},
    {"fan-in", "fan_in", JSON_WHOLE, false},
    {"fan-out", "fan_out", JSON_WHOLE, false},
    {"slice", "slice", JSON_TEXT, false},
    {"shard", "shard", JSON_TEXT, false},
    {"format", "format", JSON_TEXT, false},
};

enum { FIELD_COUNT = sizeof FIELDS / sizeof FIELDS[0] };

_Static_assert((int)FIELD_COUNT <= (int)TENSOR_FIELD_MAX, "every field has room");

bool tensor_collect(const struct options *options, struct tensor_fields *fields)
{
    fields->count = 0;
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        const char *value = options_value(options, FIELDS[i].option);
        if (value == NULL && FIELDS[i].required) {
            options_error(options, "--%s is missing.", FIELDS[i].option);
            return false;
        }
        if (value != NULL) {
            fields->pairs[fields->count++] = (struct sower_pair){.key = FIELDS[i].name,
                                                                 .key_length = strlen(FIELDS[i].name),
                                                                 .value = value,
                                                                 .value_length = strlen(value)};
        }
    }
    return true;
}

static const struct field *find_field(const char *name)
{
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        if (strcmp(FIELDS[i].name, name) == 0) {
            return &FIELDS[i];
        }
    }
    return NULL;
}

const char *tensor_option(const char *field)
{
    const struct field *found = find_field(field);
    return found != NULL ? found->option : NULL;
}

/* A whole number, or as text what is none. */
static json_t *whole_json(const char *text)
{
    int64_t number;
    return sower_text_integer(text, strlen(text), &number) ? json_integer(number) : json_string(text);
}

/* The same for whole numbers that commas separate. */
static json_t *whole_list_json(const char *text)
{
    json_t *list = json_array();
    for (const char *at = text; *at != '\0';) {
        size_t length = strcspn(at, ",");
        int64_t number;
        if (!sower_text_integer(at, length, &number)) {
            json_decref(list);
            return json_string(text);
        }
        sower_json_append(&list, json_integer(number));
        at += length;
        at += *at == ',';
    }
    return list;
}

static json_t *value_json(enum json_form form, const char *value)
{
    return form == JSON_WHOLE        ? whole_json(value)
           : form == JSON_WHOLE_LIST ? whole_list_json(value)
                                     : json_string(value);
}

bool tensor_json(const struct tensor_fields *fields, json_t **json)
{
    *json = NULL;
    for (size_t i = 0; i < fields->count; i++) {
        if (!sower_utf8_check(fields->pairs[i].value, fields->pairs[i].value_length)) {
            return true;
        }
    }
    *json = json_object();
    for (size_t i = 0; i < fields->count; i++) {
        const struct sower_pair *pair = &fields->pairs[i];
        sower_json_set(json, pair->key, value_json(find_field(pair->key)->form, pair->value));
    }
    return *json != NULL;
}
