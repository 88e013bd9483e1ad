#include "proto/manifest_read.h"

#include <stdlib.h>
#include <string.h>

#include "core/edit_distance.h"
#include "proto/formula.h"
#include "proto/json.h"
#include "proto/json_walker.h"
#include "proto/recipes.h"
#include "proto/request.h"
#include "proto/rules.h"
#include "proto/safetensors.h"
#include "proto/tensor_names.h"
#include "proto/ties.h"

/* What is known about a tensor before it is resolved. */
struct note {
    uint32_t place;         /* where its JSON begins in the text */
    enum sower_dtype dtype; /* the dtype for the rules' conditions */
    bool has_dtype;         /* the tensor itself gives a dtype */
};

/* The state of reading a manifest. The JSON of a tensor is not kept: it is loaded again from its place in the
 * text, one tensor at a time. */
struct reading {
    const char *text;
    size_t length;
    struct sower_manifest *manifest;
    struct sower_rules *rules;
    size_t own_rules; /* how many are the manifest's own; the recipe's come after them */
    json_t *top;      /* the outermost fields except tensors */
    json_t *defaults; /* an object, may be empty */
    enum sower_dtype default_dtype;
    size_t tensors_at;
    bool has_tensors;
    struct note *notes; /* one for each tensor */
    uint32_t *by_name;  /* the tensors' indices, sorted by their names */
    size_t capacity, names_length;
    struct sower_problem *problem;
};

/* The current tensor, for the callbacks of rules and formulas. */
struct current {
    struct reading *reading;
    size_t tensor;
};

static bool refuse(struct reading *reading, const char *field, const char *sentence)
{
    return sower_problem_set(reading->problem, SOWER_PROBLEM_INVALID, field, "%s", sentence);
}

/* Puts the tensor's name before the sentence of the problem. Zero rows and columns may come from a rule or from
 * the defaults, so the fault is that they do not fit this tensor. */
static bool name_tensor(struct reading *reading, const char *name)
{
    struct sower_problem inner = *reading->problem;
    bool of_zeros = strcmp(inner.field, "zero_rows") == 0 || strcmp(inner.field, "zero_columns") == 0;
    return inner.code == SOWER_PROBLEM_UNAVAILABLE || inner.code == SOWER_PROBLEM_MEMORY
               ? false
               : sower_problem_set(reading->problem, of_zeros ? SOWER_PROBLEM_UNPROCESSABLE : inner.code,
                                   "tensors", "\"%.*s\": %s", SOWER_TENSOR_NAME_SHOWN, name, inner.sentence);
}

static bool read_member(struct reading *reading, struct sower_json_walker *walker, json_t *key)
{
    static const char *const known[] = {"experiment", "trial", "spec",    "recipe",
                                        "layers",     "rules", "defaults"};
    const char *name = json_string_value(key);
    bool is_known = false;
    if (strcmp(name, "tensors") == 0) {
        if (reading->has_tensors) {
            return refuse(reading, "tensors", "tensors is given twice; give it once.");
        }
        reading->has_tensors = true;
        reading->tensors_at = walker->at;
        sower_json_walker_skip(walker);
        return true;
    }
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        is_known = is_known || strcmp(known[i], name) == 0;
    }
    if (!is_known) {
        return sower_problem_set(reading->problem, SOWER_PROBLEM_INVALID, name,
                                 "A manifest has no field \"%s\"; it has tensors, recipe, layers, rules, "
                                 "defaults, experiment, trial and spec.",
                                 name);
    }
    if (json_object_get(reading->top, name) != NULL) {
        return refuse(reading, name, "A field is given twice; give it once.");
    }
    json_t *value = sower_json_walker_load(walker, reading->problem);
    return value != NULL &&
           (json_object_set_new(reading->top, name, value) == 0 || sower_problem_memory(reading->problem));
}

static bool read_top(struct reading *reading)
{
    struct sower_json_walker walker;
    bool more = true, read = true;
    if (!sower_json_walker_open(&walker, reading->text, reading->length, 0, '{', reading->problem)) {
        return false;
    }
    while (read && more) {
        json_t *key = NULL;
        read = sower_json_walker_next(&walker, &more, &key, reading->problem) &&
               (!more || read_member(reading, &walker, key));
        json_decref(key);
    }
    if (!read) {
        return false;
    }
    if (!sower_json_walker_at_end(&walker)) {
        return refuse(reading, "", "There is text after the JSON object of the manifest.");
    }
    return reading->has_tensors ||
           refuse(reading, "tensors",
                  "A manifest needs tensors, as in {\"tensors\":[{\"name\":\"w\",\"shape\":[32,16],"
                  "\"init\":\"he_normal\"}]}.");
}

static bool read_recipe(struct reading *reading)
{
    const json_t *value = json_object_get(reading->top, "recipe");
    const char *name = json_string_value(value);
    const struct sower_recipe *recipe = name == NULL ? NULL : sower_recipe_find(name);
    if (value == NULL) {
        return true;
    }
    if (recipe == NULL) {
        char suggestion[SOWER_SUGGESTION_SIZE];
        sower_nearest_suggestion(sower_recipe_nearest(name == NULL ? "" : name), "\"", "\"", suggestion);
        return sower_problem_set(reading->problem, SOWER_PROBLEM_INVALID, "recipe",
                                 "There is no recipe \"%.60s\"%s /v1/recipes lists them.",
                                 name == NULL ? "" : name, suggestion);
    }
    json_t *rules = sower_recipe_rules(recipe);
    bool added = rules == NULL ? sower_problem_memory(reading->problem)
                               : sower_rules_add(reading->rules, rules, reading->problem);
    json_decref(rules);
    return added;
}

static bool read_defaults(struct reading *reading)
{
    json_t *given = json_object_get(reading->top, "defaults");
    reading->defaults = given != NULL ? json_incref(given) : json_object();
    reading->default_dtype = SOWER_F32;
    if (!json_is_object(reading->defaults)) {
        return given == NULL ? sower_problem_memory(reading->problem)
                             : refuse(reading, "defaults",
                                      "defaults must be an object, as in {\"init\":\"normal(std=0.02)\"}.");
    }
    const json_t *dtype = json_object_get(reading->defaults, "dtype");
    if (dtype != NULL &&
        (!json_is_string(dtype) || !sower_dtype_parse(json_string_value(dtype), &reading->default_dtype))) {
        return refuse(reading, "defaults",
                      "The default dtype must be one of f64, f32, f16, bf16, f8_e4m3, f8_e5m2.");
    }
    return sower_rules_check_fields(reading->defaults, "defaults", reading->problem);
}

static bool read_layers(struct reading *reading)
{
    const json_t *value = json_object_get(reading->top, "layers");
    json_int_t layers = json_integer_value(value);
    /* Formulas are evaluated in double, which can represent every whole number up to 2^53. */
    if (value != NULL && (!json_is_integer(value) || layers < 1 || layers > INT64_C(1) << 53)) {
        return refuse(reading, "layers",
                      "layers must be a whole number from 1 to 9007199254740992, for example \"layers\":12.");
    }
    reading->manifest->layers = (uint64_t)layers;
    return true;
}

static bool read_asked(struct reading *reading)
{
    static const char *const fields[] = {"experiment", "trial", "spec"};
    reading->manifest->asked = json_object();
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        json_t *value = json_object_get(reading->top, fields[i]);
        if (value != NULL && json_object_set(reading->manifest->asked, fields[i], value) != 0) {
            return sower_problem_memory(reading->problem);
        }
    }
    return reading->manifest->asked != NULL || sower_problem_memory(reading->problem);
}

static bool read_rules(struct reading *reading)
{
    const json_t *own = json_object_get(reading->top, "rules");
    if (own != NULL && !sower_rules_add(reading->rules, own, reading->problem)) {
        return false;
    }
    reading->own_rules = reading->rules->count;
    return read_recipe(reading) && read_defaults(reading) && read_layers(reading) && read_asked(reading);
}

static bool grow(struct reading *reading)
{
    struct sower_manifest *manifest = reading->manifest;
    if (manifest->count < reading->capacity) {
        return true;
    }
    if (manifest->count == SOWER_MANIFEST_TENSORS_MAX) {
        return sower_problem_set(reading->problem, SOWER_PROBLEM_TOO_LARGE, "tensors",
                                 "There are more than %d tensors, the most that a manifest may have.",
                                 SOWER_MANIFEST_TENSORS_MAX);
    }
    size_t capacity = reading->capacity == 0 ? 64 : reading->capacity + reading->capacity / 2;
    capacity = capacity < SOWER_MANIFEST_TENSORS_MAX ? capacity : SOWER_MANIFEST_TENSORS_MAX;
    struct sower_manifest_tensor *tensors = realloc(manifest->tensors, capacity * sizeof *tensors);
    manifest->tensors = tensors != NULL ? tensors : manifest->tensors;
    struct note *notes = realloc(reading->notes, capacity * sizeof *notes);
    reading->notes = notes != NULL ? notes : reading->notes;
    if (tensors == NULL || notes == NULL) {
        return sower_problem_memory(reading->problem);
    }
    reading->capacity = capacity;
    return true;
}

/* Stores name, rank and dtype of one tensor. The other fields are checked when the tensor is resolved. */
static bool note_tensor(struct reading *reading, const json_t *json, size_t place)
{
    struct sower_manifest *manifest = reading->manifest;
    const json_t *name = json_object_get(json, "name"), *shape = json_object_get(json, "shape");
    const char *dtype = json_string_value(json_object_get(json, "dtype"));
    size_t length = json_string_length(name);
    if (!json_is_string(name) || length == 0 || length > SOWER_NAME_MAX) {
        return sower_problem_set(reading->problem, SOWER_PROBLEM_INVALID, "tensors",
                                 "Tensor %zu has no name of 1 to %d bytes; each is an object as in "
                                 "{\"name\":\"a.weight\",\"shape\":[32,16]}.",
                                 manifest->count + 1, SOWER_NAME_MAX);
    }
    if (strcmp(json_string_value(name), SOWER_SAFETENSORS_METADATA) == 0) {
        return refuse(
            reading, "tensors",
            "A tensor cannot be called \"__metadata__\": the safetensors format reserves that name.");
    }
    if (!grow(reading)) {
        return false;
    }
    struct sower_manifest_tensor *tensor = &manifest->tensors[manifest->count];
    char *copy = manifest->names + reading->names_length;
    memcpy(copy, json_string_value(name), length + 1);
    reading->names_length += length + 1;
    *tensor = (struct sower_manifest_tensor){.name = copy};
    tensor->shape.rank = json_array_size(shape);
    struct note *note = &reading->notes[manifest->count++];
    *note = (struct note){(uint32_t)place, reading->default_dtype, json_object_get(json, "dtype") != NULL};
    enum sower_dtype own_dtype;
    if (dtype != NULL && sower_dtype_parse(dtype, &own_dtype)) {
        note->dtype = own_dtype;
    }
    return true;
}

static bool note_tensors(struct reading *reading)
{
    struct sower_json_walker walker;
    bool more = true;
    /* A name has at least two bytes less than its JSON, so all names fit. */
    reading->manifest->names = malloc(reading->length + 1);
    if (reading->manifest->names == NULL) {
        return sower_problem_memory(reading->problem);
    }
    if (!sower_json_walker_open(&walker, reading->text, reading->length, reading->tensors_at, '[',
                                reading->problem)) {
        return refuse(reading, "tensors", "tensors must be an array of objects, each with name and shape.");
    }
    while (sower_json_walker_next(&walker, &more, NULL, reading->problem) && more) {
        size_t place = walker.at;
        json_t *json = sower_json_walker_load(&walker, reading->problem);
        bool noted = json != NULL && note_tensor(reading, json, place);
        json_decref(json);
        if (!noted) {
            return false;
        }
    }
    return !more && (reading->manifest->count > 0 ||
                     refuse(reading, "tensors", "tensors is empty; a manifest needs at least one tensor."));
}

static bool find_beside(const struct current *current, const char *last, size_t length, size_t *found)
{
    return sower_tensor_names_beside(current->reading->manifest, current->reading->by_name, current->tensor,
                                     last, length, found);
}

static bool beside(void *context, const char *name, size_t *rank)
{
    const struct current *current = context;
    size_t found;
    if (!find_beside(current, name, strlen(name), &found) || found == current->tensor) {
        return false;
    }
    *rank = current->reading->manifest->tensors[found].shape.rank;
    return true;
}

/* All fields of a tensor, from itself, the rules and the defaults, as the fields of a request. NULL with a problem. */
static json_t *gather(struct reading *reading, size_t number)
{
    const struct sower_manifest_tensor *tensor = &reading->manifest->tensors[number];
    struct current current = {reading, number};
    const struct note *note = &reading->notes[number];
    const struct sower_rule_tensor view = {tensor->name, tensor->shape.rank, note->dtype, beside, &current};
    struct sower_json_walker walker = {.text = reading->text, .length = reading->length, .at = note->place};
    json_t *all = sower_json_walker_load(&walker, reading->problem);
    if (all == NULL) {
        return NULL;
    }
    json_t *own_fields = sower_json_copy(all);
    if (own_fields == NULL) {
        sower_problem_memory(reading->problem);
        goto failed;
    }
    json_object_del(own_fields, "name");
    json_object_del(own_fields, "shape");
    if (!sower_rules_check_fields(own_fields, "tensors", reading->problem)) {
        goto failed;
    }
    for (size_t i = 0; i < reading->rules->count; i++) {
        struct sower_rule *rule = &reading->rules->list[i];
        if (sower_rule_matches(rule, &view)) {
            rule->matched = true;
            sower_rules_give(&all, rule->fields);
        }
    }
    sower_rules_give(&all, reading->defaults);
    json_decref(own_fields);
    if (all == NULL) {
        sower_problem_memory(reading->problem);
    }
    return all;
failed:
    json_decref(own_fields);
    json_decref(all);
    return NULL;
}

/* Reads the fields as those of a request for this tensor. The experiment is not known here; a manifest does not
 * depend on it. */
static bool parse(struct reading *reading, json_t *fields, struct sower_request *request)
{
    struct sower_seed root = {0};
    if (json_object_set_new(fields, "experiment", json_string("-")) != 0) {
        return sower_problem_memory(reading->problem);
    }
    return sower_request_parse(fields, false, &root, request, reading->problem);
}

/* Reads the fields with the initializer zeros, for what does not depend on the initializer: shape, dtype, fans. */
static bool parse_without_init(struct reading *reading, json_t *fields, struct sower_request *request)
{
    static const char *const draw_only[] = {"same_as", "zero_rows", "zero_columns"};
    for (size_t i = 0; i < sizeof draw_only / sizeof draw_only[0]; i++) {
        json_object_del(fields, draw_only[i]);
    }
    return (json_object_set_new(fields, "init", json_string("zeros")) == 0 ||
            sower_problem_memory(reading->problem)) &&
           parse(reading, fields, request);
}

/* The fans of the tensor beside the current one. They depend on its shape and layout, not on its initializer. */
static bool fan_beside(void *context, const char *name, size_t length, bool out, uint64_t *fan,
                       struct sower_problem *problem)
{
    const struct current *current = context;
    struct sower_request request;
    size_t found;
    if (!find_beside(current, name, length, &found)) {
        return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "init",
                                 "its initializer needs the fan of \"%.*s\" beside it, which does not exist.",
                                 (int)(length < 80 ? length : 80), name);
    }
    json_t *fields = gather(current->reading, found);
    bool parsed = fields != NULL && parse_without_init(current->reading, fields, &request);
    json_decref(fields);
    if (parsed) {
        *fan = out ? request.plan.fans.out : request.plan.fans.in;
        *fan = *fan > 0 ? *fan : 1;
    }
    return parsed;
}

/* Replaces an expression with formulas by the plain expression. */
static bool expand_init(struct reading *reading, size_t number, json_t *fields)
{
    const json_t *init = json_object_get(fields, "init");
    struct current current = {reading, number};
    const struct sower_formula_terms terms = {reading->manifest->layers, fan_beside, &current};
    char plain[SOWER_EXPRESSION_MAX + 1];
    if (init == NULL) {
        return refuse(reading, "init",
                      "it has no init; give it one, or a rule that matches it, or a default.");
    }
    if (!json_is_string(init)) {
        return true;
    }
    return sower_formula_expand(json_string_value(init), json_string_length(init), &terms, plain,
                                reading->problem) &&
           (json_object_set_new(fields, "init", json_string(plain)) == 0 ||
            sower_problem_memory(reading->problem));
}

/* Sets shape, dtype and same_as of a tied tensor. ties.h does the rest when all tensors are resolved. */
static bool resolve_tied(struct reading *reading, size_t number, json_t *fields)
{
    struct sower_manifest_tensor *tensor = &reading->manifest->tensors[number];
    const struct note *note = &reading->notes[number];
    const char *other = json_string_value(json_object_get(fields, "same_as"));
    struct sower_request request;
    size_t found;
    if (!sower_tensor_names_find(reading->manifest, reading->by_name, other, &found)) {
        return sower_problem_set(reading->problem, SOWER_PROBLEM_UNPROCESSABLE, "same_as",
                                 "it cannot be the same as \"%.*s\", because there is no such tensor.",
                                 SOWER_TENSOR_NAME_SHOWN, other);
    }
    /* The dtype of the other tensor may be smaller than that of rules and defaults, so its limit of the size counts. */
    if (!note->has_dtype && json_object_set_new(fields, "dtype", json_string("f8_e4m3")) != 0) {
        return sower_problem_memory(reading->problem);
    }
    if (!parse_without_init(reading, fields, &request)) {
        return false;
    }
    tensor->shape = request.draw.shape;
    tensor->dtype = note->has_dtype ? note->dtype : SOWER_DTYPE_COUNT;
    tensor->tied = true;
    tensor->same_as = (uint32_t)found;
    return true;
}

/* Sets the fields of a tensor that is not tied. */
static bool resolve_drawn(struct reading *reading, size_t number, json_t *fields)
{
    struct sower_manifest_tensor *tensor = &reading->manifest->tensors[number];
    struct sower_request request;
    if (!expand_init(reading, number, fields) || !parse(reading, fields, &request)) {
        return false;
    }
    tensor->shape = request.draw.shape;
    tensor->dtype = request.draw.dtype;
    tensor->initializer = request.draw.initializer;
    tensor->layout = request.draw.layout;
    tensor->structured = request.plan.structure != NULL;
    reading->manifest->size += sower_manifest_tensor_size(tensor); /* at most 2^38 each: no overflow */
    return true;
}

static bool resolve(struct reading *reading, size_t number)
{
    struct sower_manifest *manifest = reading->manifest;
    struct sower_manifest_tensor *tensor = &manifest->tensors[number];
    json_t *fields = gather(reading, number);
    bool resolved = fields != NULL &&
                    (json_object_get(fields, "same_as") != NULL ? resolve_tied(reading, number, fields)
                                                                : resolve_drawn(reading, number, fields));
    json_decref(fields);
    if (!resolved) {
        return name_tensor(reading, tensor->name);
    }
    return manifest->size <= SOWER_MODEL_SIZE_MAX ||
           sower_problem_set(
               reading->problem, SOWER_PROBLEM_TOO_LARGE, "tensors",
               "With \"%.*s\" the tensors have more than 16 TiB, the most that a model may have.",
               SOWER_TENSOR_NAME_SHOWN, tensor->name);
}

static bool warn(struct reading *reading)
{
    struct sower_manifest *manifest = reading->manifest;
    manifest->warnings = json_array();
    for (size_t i = 0; i < reading->own_rules; i++) {
        const struct sower_rule *rule = &reading->rules->list[i];
        if (!rule->matched &&
            json_array_append_new(manifest->warnings, json_sprintf("Rule %d (%s) matches no tensor.",
                                                                   (int)i + 1, sower_rule_pattern(rule))) !=
                0) {
            return sower_problem_memory(reading->problem);
        }
    }
    return manifest->warnings != NULL || sower_problem_memory(reading->problem);
}

bool sower_manifest_read(const char *text, size_t length, struct sower_manifest *manifest,
                         struct sower_problem *problem)
{
    struct reading reading = {.text = text, .length = length, .manifest = manifest, .problem = problem};
    *manifest = (struct sower_manifest){0};
    if (length > SOWER_MANIFEST_TEXT_MAX) {
        return sower_problem_set(problem, SOWER_PROBLEM_TOO_LARGE, "",
                                 "The manifest has more than %d bytes; put what its tensors have in common "
                                 "into rules and defaults.",
                                 SOWER_MANIFEST_TEXT_MAX);
    }
    reading.rules = calloc(1, sizeof *reading.rules);
    reading.top = json_object();
    bool read = reading.rules != NULL && reading.top != NULL ? read_top(&reading) && read_rules(&reading)
                                                             : sower_problem_memory(problem);
    if (read && note_tensors(&reading) && sower_tensor_names_sort(manifest, &reading.by_name, problem)) {
        if (manifest->layers == 0) {
            manifest->layers = sower_tensor_names_layers(manifest);
        }
        for (size_t i = 0; i < manifest->count && read; i++) {
            read = resolve(&reading, i);
        }
        read = read && sower_ties_resolve(manifest, problem) && warn(&reading) &&
               sower_manifest_hash(manifest, problem);
    } else {
        read = false;
    }
    if (reading.rules != NULL) {
        sower_rules_free(reading.rules);
    }
    free(reading.rules);
    free(reading.notes);
    free(reading.by_name);
    json_decref(reading.defaults);
    json_decref(reading.top);
    return read;
}
