#include "client/sow/tensors/manifest_options.h"

#include <string.h>

#include "client/sow/daemon/report.h"
#include "core/problem.h"
#include "core/utf8.h"
#include "proto/json.h"
#include "proto/text.h"

static const struct option_rule RULES[] = {
    {"recipe", 'r', "NAME", "initialize by this recipe; see sow recipes"},
    {"init", 'i', "EXPRESSION", "the initializer of tensors that nothing else covers"},
    {"layers", 0, "N",
     "the number of layers for formulas (default: for each list of blocks, from the names)"},
    {"blocks", 0, "PATH ...",
     "a list of blocks in the names, as layers in layers.0.w (default: the recipe's)"},
    {"constant", 0, "NAME=NUMBER ...", "a number for formulas, in place of the recipe's"},
    {"leave-out", 0, "GLOB ...", "leave out the tensors whose names match"},
    {"same-as", 0, "NAME=OTHER ...", "the tensor NAME is the same as OTHER; it is added if it is missing"},
    {0},
};

const struct option_group manifest_options = {"How it is initialized", RULES};

const char *manifest_options_given(const struct options *options)
{
    for (const struct option_rule *rule = RULES; rule->name != NULL; rule++) {
        if (strcmp(rule->name, "init") != 0 && options_value(options, rule->name) != NULL) {
            return rule->name;
        }
    }
    return NULL;
}

/* The texts become JSON, which must be UTF-8. */
static enum sow_exit check_texts(const struct options *options)
{
    const char *text;
    for (const struct option_rule *rule = RULES; rule->name != NULL; rule++) {
        for (size_t n = 0; (text = options_nth(options, rule->name, n)) != NULL; n++) {
            if (!sower_utf8_check(text, strlen(text))) {
                return options_error(options, "--%s must be valid UTF-8.", rule->name);
            }
        }
    }
    return SOW_DONE;
}

static enum sow_exit set_layers(const struct options *options, json_t **manifest)
{
    const char *layers = options_value(options, "layers");
    int64_t number;
    if (layers == NULL) {
        return SOW_DONE;
    }
    if (!sower_text_integer(layers, strlen(layers), &number)) {
        return options_error(options, "--layers takes a whole number, for example 12.");
    }
    sower_json_set(manifest, "layers", json_integer(number));
    return SOW_DONE;
}

/* Replaces the lists of blocks. */
static void set_blocks(const struct options *options, json_t **manifest)
{
    const char *path;
    if (options_value(options, "blocks") == NULL) {
        return;
    }
    json_t *blocks = json_array();
    for (size_t n = 0; (path = options_nth(options, "blocks", n)) != NULL; n++) {
        sower_json_append(&blocks, json_string(path));
    }
    sower_json_set(manifest, "blocks", blocks);
}

/* A member of the manifest, to add to; an empty one if the manifest has none. NULL with a report. */
static json_t *member(const struct options *options, json_t **manifest, const char *name, json_t *empty)
{
    json_t *given = json_object_get(*manifest, name);
    if (given == NULL) {
        sower_json_set(manifest, name, empty);
        given = json_object_get(*manifest, name);
        empty = NULL;
    }
    json_decref(empty);
    if (given == NULL) {
        report_memory(options);
    }
    return given;
}

static enum sow_exit add_left_out(const struct options *options, json_t **manifest)
{
    const char *glob;
    for (size_t n = 0; (glob = options_nth(options, "leave-out", n)) != NULL; n++) {
        json_t *globs = member(options, manifest, "leave_out", json_array());
        if (globs == NULL) {
            return SOW_TRANSPORT;
        }
        /* A value of another type stays as it is. Reading the manifest refuses it. */
        if (json_is_array(globs) && json_array_append_new(globs, json_string(glob)) != 0) {
            return report_memory(options);
        }
    }
    return SOW_DONE;
}

static json_t *number_json(const char *text)
{
    int64_t whole;
    double real;
    if (sower_text_integer(text, strlen(text), &whole)) {
        return json_integer(whole);
    }
    return sower_text_real(text, strlen(text), &real) ? json_real(real) : json_null();
}

/* Sets one constant, as in "initializer_range=0.006". */
static enum sow_exit set_constant(const struct options *options, json_t **manifest, const char *pair)
{
    const char *equals = strchr(pair, '=');
    json_t *number = equals != NULL && equals != pair ? number_json(equals + 1) : json_null();
    enum sow_exit result = SOW_DONE;
    if (json_is_null(number)) {
        result = options_error(options, "--constant takes NAME=NUMBER, for example initializer_range=0.006.");
        goto out;
    }
    json_t *constants = member(options, manifest, "constants", json_object());
    if (constants == NULL || number == NULL) {
        result = constants != NULL ? report_memory(options) : SOW_TRANSPORT;
    } else if (json_is_object(constants) &&
               json_object_setn(constants, pair, (size_t)(equals - pair), number) != 0) {
        result = report_memory(options);
    }
out:
    json_decref(number);
    return result;
}

static enum sow_exit set_constants(const struct options *options, json_t **manifest)
{
    const char *pair;
    enum sow_exit result = SOW_DONE;
    for (size_t n = 0; result == SOW_DONE && (pair = options_nth(options, "constant", n)) != NULL; n++) {
        result = set_constant(options, manifest, pair);
    }
    return result;
}

static void set_init(json_t **manifest, const char *init)
{
    const json_t *given = json_object_get(*manifest, "defaults");
    json_t *defaults = json_is_object(given) ? sower_json_copy(given) : json_object();
    json_object_del(defaults, "same_as"); /* which is in place of init */
    sower_json_set(&defaults, "init", json_string(init));
    sower_json_set(manifest, "defaults", defaults);
}

/* The tensor with this name in the manifest; NULL if there is none. */
static json_t *find_tensor(const json_t *manifest, const char *name, size_t length)
{
    size_t i;
    json_t *tensor;
    json_array_foreach(json_object_get(manifest, "tensors"), i, tensor)
    {
        const json_t *own = json_object_get(tensor, "name");
        if (json_string_length(own) == length && strncmp(json_string_value(own), name, length) == 0) {
            return tensor;
        }
    }
    return NULL;
}

/* Adds a tensor with the shape of the other one. */
static enum sow_exit add_tied(const struct options *options, json_t *manifest, const char *name,
                              size_t length, const char *other)
{
    const json_t *model = find_tensor(manifest, other, strlen(other));
    struct sower_problem problem;
    if (model == NULL) {
        sower_problem_set(&problem, SOWER_PROBLEM_UNPROCESSABLE, "same_as",
                          "The model has no tensor \"%.200s\", and so no tensor can be the same.", other);
        return report_problem(options, &problem);
    }
    json_t *tied = json_object();
    sower_json_set(&tied, "name", json_stringn(name, length));
    sower_json_set(&tied, "same_as", json_string(other));
    json_t *shape = json_object_get(model, "shape");
    sower_json_set(&tied, "shape", shape != NULL ? json_incref(shape) : json_null());
    return tied != NULL && json_array_append_new(json_object_get(manifest, "tensors"), tied) == 0
               ? SOW_DONE
               : report_memory(options);
}

/* Makes one tensor the same as another one, as in "lm_head.weight=wte.weight". */
static enum sow_exit tie(const struct options *options, json_t *manifest, const char *pair)
{
    static const char *const of_draws[] = {"init", "zero_rows", "zero_columns"};
    const char *equals = strchr(pair, '=');
    if (equals == NULL || equals == pair || equals[1] == '\0') {
        return options_error(options, "--same-as takes NAME=OTHER, for example lm_head.weight=wte.weight.");
    }
    json_t *tensor = find_tensor(manifest, pair, (size_t)(equals - pair));
    if (tensor == NULL) {
        return add_tied(options, manifest, pair, (size_t)(equals - pair), equals + 1);
    }
    for (size_t i = 0; i < sizeof of_draws / sizeof of_draws[0]; i++) {
        json_object_del(tensor, of_draws[i]);
    }
    return json_object_set_new(tensor, "same_as", json_string(equals + 1)) == 0 ? SOW_DONE
                                                                                : report_memory(options);
}

static enum sow_exit tie_all(const struct options *options, json_t *manifest)
{
    const char *pair;
    enum sow_exit result = SOW_DONE;
    for (size_t n = 0; result == SOW_DONE && (pair = options_nth(options, "same-as", n)) != NULL; n++) {
        result = tie(options, manifest, pair);
    }
    return result;
}

enum sow_exit manifest_options_apply(const struct options *options, json_t **manifest)
{
    const char *recipe = options_value(options, "recipe"), *init = options_value(options, "init");
    enum sow_exit result = check_texts(options);
    result = result == SOW_DONE ? set_layers(options, manifest) : result;
    if (result == SOW_DONE && recipe != NULL) {
        sower_json_set(manifest, "recipe", json_string(recipe));
    }
    if (result == SOW_DONE && init != NULL) {
        set_init(manifest, init);
    }
    if (result == SOW_DONE) {
        set_blocks(options, manifest);
    }
    result = result == SOW_DONE ? add_left_out(options, manifest) : result;
    result = result == SOW_DONE ? set_constants(options, manifest) : result;
    return result == SOW_DONE ? tie_all(options, *manifest) : result;
}
