#include "client/sow/tensors/tensor.h"

#include <string.h>

#include <jansson.h>
#include <sodium.h>

#include "client/sow/daemon/report.h"
#include "client/sow/tensors/root.h"

static const struct option_rule DRAW[] = {
    {"experiment", 'e', "TEXT", "the experiment, 1 to 256 bytes"},
    {"trial", 't', "N", "the trial (default 0)"},
    {"name", 'n', "TEXT", "the tensor's name, 1 to 512 bytes"},
    {"shape", 's', "SIZES", "the sizes of its axes: 4096,1024; '' for a scalar"},
    {"init", 'i', "EXPRESSION", "the initializer: he_normal, 'normal(std=0.02)'; see sow initializers"},
    {"dtype", 'd', "TYPE", "f64, f32 (default), f16, bf16, f8_e4m3 or f8_e5m2"},
    {"spec", 0, "N", "require this version of the bit contract"},
    {0},
};

static const struct option_rule FANS[] = {
    {"layout", 0, "oi|io", "out, in, spatial (PyTorch, default) or spatial, in, out (Keras, JAX)"},
    {"in-axis", 0, "AXES", "the input axes, instead of those of the layout"},
    {"out-axis", 0, "AXES", "the output axes, instead of those of the layout"},
    {"batch-axis", 0, "AXES", "the axes that count for neither fan"},
    {"fan-in", 0, "N", "fan_in as a number, instead of that of the shape"},
    {"fan-out", 0, "N", "fan_out as a number, instead of that of the shape"},
    {0},
};

static const struct option_rule ZEROS[] = {
    {"zero-rows", 0, "ROWS", "rows (indices of the first axis) that are 0: 0 or 0,-1"},
    {"zero-columns", 0, "COLUMNS", "columns (indices of the last axis) that are 0"},
    {0},
};

static const struct option_rule RESPONSE[] = {
    {"slice", 0, "SLICE", "a region of the tensor: '0:512,:'"},
    {"shard", 0, "SHARD", "the shard of one rank: 0:3/8 is axis 0, rank 3 of 8"},
    {"format", 'f', "FORMAT", "npy (NumPy, default), raw (only the numbers) or safetensors"},
    {0},
};

const struct option_group tensor_options_draw = {"The draw", DRAW};
const struct option_group tensor_options_fans = {"The fans (inputs and outputs)", FANS};
const struct option_group tensor_options_zeros = {"Rows and columns of zeros", ZEROS};
const struct option_group tensor_options_response = {"The region and its format", RESPONSE};

static const struct field {
    const char *option;
    const char *name;
    bool required;
} FIELDS[] = {
    {"experiment", "experiment", true},
    {"trial", "trial", false},
    {"name", "name", true},
    {"shape", "shape", true},
    {"init", "init", true},
    {"dtype", "dtype", false},
    {"spec", "spec", false},
    {"layout", "layout", false},
    {"in-axis", "in_axis", false},
    {"out-axis", "out_axis", false},
    {"batch-axis", "batch_axis", false},
    {"fan-in", "fan_in", false},
    {"fan-out", "fan_out", false},
    {"zero-rows", "zero_rows", false},
    {"zero-columns", "zero_columns", false},
    {"slice", "slice", false},
    {"shard", "shard", false},
    {"format", "format", false},
};

enum { FIELD_COUNT = sizeof FIELDS / sizeof FIELDS[0] };

_Static_assert((int)FIELD_COUNT <= (int)TENSOR_FIELD_MAX, "TENSOR_FIELD_MAX is too small");

bool tensor_collect(const struct options *options, struct tensor_fields *fields)
{
    return tensor_collect_with(options, NULL, 0, fields);
}

bool tensor_collect_with(const struct options *options, const struct tensor_default *defaults, size_t count,
                         struct tensor_fields *fields)
{
    fields->count = 0;
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        const char *value = options_value(options, FIELDS[i].option);
        for (size_t d = 0; d < count && value == NULL; d++) {
            value = strcmp(defaults[d].option, FIELDS[i].option) == 0 ? defaults[d].value : NULL;
        }
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

enum sow_exit tensor_request(const struct options *options, const struct tensor_fields *fields,
                             struct sower_request *request)
{
    struct sower_seed root;
    struct sower_problem problem;
    json_t *object = NULL;
    enum sow_exit result = SOW_DONE;
    if (!root_read(options, &root, &problem)) {
        return options_error(options, "%s", problem.sentence);
    }
    if (!sower_request_fields_from_pairs(fields->pairs, fields->count, &object, &problem) ||
        !sower_request_parse(object, true, &root, request, &problem)) {
        result = report_problem(options, &problem);
    }
    json_decref(object);
    sodium_memzero(&root, sizeof root);
    return result;
}
