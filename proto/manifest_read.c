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

enum { NAME_SHOWN = 200 }; /* bytes of a tensor's name in a sentence */

/* What is known of a tensor before it is resolved. */
struct note {
    uint32_t place;         /* of its JSON in the text */
    enum sower_dtype dtype; /* that rules see */
};

/* A manifest while it is being read. The JSON of a tensor is not kept: it is loaded again from its place in
 * the text, one at a time. */
struct reading {
    const char *text;
    size_t length;
    struct sower_manifest *manifest;
    struct sower_rules *rules;
    size_t own_rules; /* those of the manifest itself; the recipe's come behind */
    json_t *top;      /* the outermost fields but for tensors */
    json_t *defaults; /* an object, perhaps empty */
    enum sower_dtype default_dtype;
    size_t tensors_at;
    bool has_tensors;
    struct note *notes; /* one for each tensor */
    uint32_t *by_name;  /* the tensors' numbers, sorted by their names */
    size_t capacity, names_length;
    struct sower_problem *problem;
};

/* The tensor at hand, for rules and formulas. */
struct asking {
    struct reading *reading;
    size_t tensor;
};

static bool refuse(struct reading *reading, const char *field, const char *sentence)
{
    return sower_problem_set(reading->problem, SOWER_PROBLEM_INVALID, field, "%s", sentence);
}

/* Puts the tensor's name before what is wrong with it. */
static bool blame(struct reading *reading, const char *name)
{
    struct sower_problem inner = *reading->problem;
    return inner.code == SOWER_PROBLEM_UNAVAILABLE || inner.code == SOWER_PROBLEM_MEMORY
               ? false
               : sower_problem_set(reading->problem, inner.code, "tensors", "\"%.*s\": %s", NAME_SHOWN, name,
                                   inner.sentence);
}

static bool read_member(struct reading *reading, struct sower_json_walker *parts, json_t *key)
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
        reading->tensors_at = parts->at;
        sower_json_walker_skip(parts);
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
    json_t *value = sower_json_walker_load(parts, reading->problem);
    return value != NULL &&
           (json_object_set_new(reading->top, name, value) == 0 || sower_problem_memory(reading->problem));
}

static bool read_top(struct reading *reading)
{
    struct sower_json_walker parts;
    bool more = true, read = true;
    if (!sower_json_walker_open(&parts, reading->text, reading->length, 0, '{', reading->problem)) {
        return false;
    }
    while (read && more) {
        json_t *key = NULL;
        read = sower_json_walker_next(&parts, &more, &key, reading->problem) &&
               (!more || read_member(reading, &parts, key));
        json_decref(key);
    }
    if (!read) {
        return false;
    }
    if (!sower_json_walker_at_end(&parts)) {
        return refuse(reading, "", "Something follows the JSON object of the manifest.");
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
    return sower_rules_check_gives(reading->defaults, "defaults", reading->problem);
}

static bool read_layers(struct reading *reading)
{
    const json_t *value = json_object_get(reading->top, "layers");
    json_int_t layers = json_integer_value(value);
    /* Formulas are worked out in double, which holds every whole number up to 2^53. */
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
                                 "There are more than %d tensors; a manifest may have so many.",
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

/* Notes name, rank and dtype of one tensor; everything else is judged when it is resolved. */
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
        return refuse(reading, "tensors",
                      "No tensor can be called \"__metadata__\": safetensors files keep that name for "
                      "themselves.");
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
    *note = (struct note){(uint32_t)place, reading->default_dtype};
    enum sower_dtype own_dtype;
    if (dtype != NULL && sower_dtype_parse(dtype, &own_dtype)) {
        note->dtype = own_dtype;
    }
    return true;
}

static bool note_tensors(struct reading *reading)
{
    struct sower_json_walker parts;
    bool more = true;
    /* A name takes at least two bytes less than its JSON, so all of them fit. */
    reading->manifest->names = malloc(reading->length + 1);
    if (reading->manifest->names == NULL) {
        return sower_problem_memory(reading->problem);
    }
    if (!sower_json_walker_open(&parts, reading->text, reading->length, reading->tensors_at, '[',
                                reading->problem)) {
        return refuse(reading, "tensors", "tensors must be an array of objects, each with name and shape.");
    }
    while (sower_json_walker_next(&parts, &more, NULL, reading->problem) && more) {
        size_t place = parts.at;
        json_t *json = sower_json_walker_load(&parts, reading->problem);
        bool noted = json != NULL && note_tensor(reading, json, place);
        json_decref(json);
        if (!noted) {
            return false;
        }
    }
    return !more && (reading->manifest->count > 0 || refuse(reading, "tensors", "There are no tensors."));
}

static int compare_names(const void *left, const void *right, void *context)
{
    const struct sower_manifest_tensor *tensors = context;
    return strcmp(tensors[*(const uint32_t *)left].name, tensors[*(const uint32_t *)right].name);
}

static bool sort_names(struct reading *reading)
{
    const struct sower_manifest *manifest = reading->manifest;
    reading->by_name = malloc(manifest->count * sizeof *reading->by_name);
    if (reading->by_name == NULL) {
        return sower_problem_memory(reading->problem);
    }
    for (size_t i = 0; i < manifest->count; i++) {
        reading->by_name[i] = (uint32_t)i;
    }
    qsort_r(reading->by_name, manifest->count, sizeof *reading->by_name, compare_names, manifest->tensors);
    for (size_t i = 1; i < manifest->count; i++) {
        const char *name = manifest->tensors[reading->by_name[i]].name;
        if (strcmp(name, manifest->tensors[reading->by_name[i - 1]].name) == 0) {
            return sower_problem_set(reading->problem, SOWER_PROBLEM_INVALID, "tensors",
                                     "There are two tensors \"%.*s\"; names are given once.", NAME_SHOWN,
                                     name);
        }
    }
    return true;
}

/* The first part of a name that is all digits, or -1. */
static int64_t block_number(const char *name)
{
    while (*name != '\0') {
        size_t digits = strspn(name, "0123456789"), length = strcspn(name, "./");
        if (digits > 0 && digits == length && digits <= 9) {
            return strtol(name, NULL, 10);
        }
        name += length + (name[length] != '\0');
    }
    return -1;
}

static void count_layers(struct sower_manifest *manifest)
{
    for (size_t i = 0; i < manifest->count; i++) {
        int64_t number = block_number(manifest->tensors[i].name);
        if (number >= 0 && (uint64_t)number + 1 > manifest->layers) {
            manifest->layers = (uint64_t)number + 1;
        }
    }
}

/* The number of the tensor, perhaps this one, whose name has `part` in place of this one's last part; false
 * when there is none. */
static bool find_beside(const struct asking *asking, const char *part, size_t length, size_t *found)
{
    const struct reading *reading = asking->reading;
    const struct sower_manifest_tensor *tensors = reading->manifest->tensors;
    char wanted[2 * SOWER_NAME_MAX + 1];
    const char *name = tensors[asking->tensor].name;
    size_t head = strlen(name);
    while (head > 0 && name[head - 1] != '.' && name[head - 1] != '/') {
        head--;
    }
    if (length > SOWER_NAME_MAX) {
        return false;
    }
    memcpy(wanted, name, head);
    memcpy(wanted + head, part, length);
    wanted[head + length] = '\0';
    for (size_t low = 0, high = reading->manifest->count; low < high;) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(wanted, tensors[reading->by_name[middle]].name);
        if (order == 0) {
            *found = reading->by_name[middle];
            return true;
        }
        *(order < 0 ? &high : &low) = order < 0 ? middle : middle + 1;
    }
    return false;
}

static bool beside(void *context, const char *name, size_t *rank)
{
    const struct asking *asking = context;
    size_t found;
    if (!find_beside(asking, name, strlen(name), &found) || found == asking->tensor) {
        return false;
    }
    *rank = asking->reading->manifest->tensors[found].shape.rank;
    return true;
}

/* Everything that is said of a tensor, by itself and for it: the fields of a request. NULL with a problem. */
static json_t *gather(struct reading *reading, size_t number)
{
    const struct sower_manifest_tensor *tensor = &reading->manifest->tensors[number];
    struct asking asking = {reading, number};
    const struct note *note = &reading->notes[number];
    const struct sower_rule_tensor view = {tensor->name, tensor->shape.rank, note->dtype, beside, &asking};
    struct sower_json_walker parts = {.text = reading->text, .length = reading->length, .at = note->place};
    json_t *own = sower_json_walker_load(&parts, reading->problem);
    if (own == NULL) {
        return NULL;
    }
    json_t *gives = sower_json_copy(own);
    if (gives == NULL) {
        sower_problem_memory(reading->problem);
        goto failed;
    }
    json_object_del(gives, "name");
    json_object_del(gives, "shape");
    if (!sower_rules_check_gives(gives, "tensors", reading->problem)) {
        goto failed;
    }
    for (size_t i = 0; i < reading->rules->count; i++) {
        struct sower_rule *rule = &reading->rules->list[i];
        if (sower_rule_matches(rule, &view)) {
            rule->matched = true;
            sower_json_set_missing(&own, rule->gives);
        }
    }
    sower_json_set_missing(&own, reading->defaults);
    json_decref(gives);
    if (own == NULL) {
        sower_problem_memory(reading->problem);
    }
    return own;
failed:
    json_decref(gives);
    json_decref(own);
    return NULL;
}

/* Reads the fields as those of a request for this tensor. Experiment and trial are not known here; they
 * decide nothing of what a manifest holds. */
static bool parse(struct reading *reading, json_t *fields, struct sower_request *request)
{
    struct sower_seed root = {0};
    if (json_object_set_new(fields, "experiment", json_string("-")) != 0) {
        return sower_problem_memory(reading->problem);
    }
    return sower_request_parse(fields, false, &root, request, reading->problem);
}

/* The fans of the tensor beside the one at hand: its shape and layout decide, not its initializer. */
static bool fan_beside(void *context, const char *name, size_t length, bool out, uint64_t *fan,
                       struct sower_problem *problem)
{
    const struct asking *asking = context;
    struct sower_request request;
    size_t found;
    if (!find_beside(asking, name, length, &found)) {
        return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "init",
                                 "its initializer needs the fan of \"%.*s\" beside it, and there is none.",
                                 (int)(length < 80 ? length : 80), name);
    }
    json_t *fields = gather(asking->reading, found);
    bool parsed = fields != NULL &&
                  (json_object_set_new(fields, "init", json_string("zeros")) == 0 ||
                   sower_problem_memory(asking->reading->problem)) &&
                  parse(asking->reading, fields, &request);
    json_decref(fields);
    if (parsed) {
        *fan = out ? request.plan.fans.out : request.plan.fans.in;
        *fan = *fan > 0 ? *fan : 1;
    }
    return parsed;
}

/* Puts the plain expression in place of one with formulas. */
static bool expand_init(struct reading *reading, size_t number, json_t *fields)
{
    const json_t *init = json_object_get(fields, "init");
    struct asking asking = {reading, number};
    const struct sower_formula_terms terms = {reading->manifest->layers, fan_beside, &asking};
    char plain[SOWER_EXPRESSION_MAX + 1];
    if (init == NULL) {
        return refuse(reading, "init",
                      "nothing says how it is initialized; give it an init, a rule that matches it, or a "
                      "default.");
    }
    if (!json_is_string(init)) {
        return true;
    }
    return sower_formula_expand(json_string_value(init), json_string_length(init), &terms, plain,
                                reading->problem) &&
           (json_object_set_new(fields, "init", json_string(plain)) == 0 ||
            sower_problem_memory(reading->problem));
}

static bool resolve(struct reading *reading, size_t number)
{
    struct sower_manifest *manifest = reading->manifest;
    struct sower_manifest_tensor *tensor = &manifest->tensors[number];
    struct sower_request request;
    json_t *fields = gather(reading, number);
    bool parsed = fields != NULL && expand_init(reading, number, fields) && parse(reading, fields, &request);
    json_decref(fields);
    if (!parsed) {
        return blame(reading, tensor->name);
    }
    tensor->shape = request.draw.shape;
    tensor->dtype = request.draw.dtype;
    tensor->initializer = request.draw.initializer;
    tensor->layout = request.draw.layout;
    tensor->structured = request.plan.structure != NULL;
    manifest->size += sower_manifest_tensor_size(tensor); /* at most 2^38 each: no overflow */
    return manifest->size <= SOWER_MODEL_SIZE_MAX ||
           sower_problem_set(reading->problem, SOWER_PROBLEM_TOO_LARGE, "tensors",
                             "Up to \"%.*s\" the tensors take more than 16 TiB; a model may not.", NAME_SHOWN,
                             tensor->name);
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
        return sower_problem_set(
            problem, SOWER_PROBLEM_TOO_LARGE, "",
            "The manifest has more than %d bytes; what its tensors have in common can be "
            "said in rules and defaults.",
            SOWER_MANIFEST_TEXT_MAX);
    }
    reading.rules = calloc(1, sizeof *reading.rules);
    reading.top = json_object();
    bool read = reading.rules != NULL && reading.top != NULL ? read_top(&reading) && read_rules(&reading)
                                                             : sower_problem_memory(problem);
    if (read && note_tensors(&reading) && sort_names(&reading)) {
        if (manifest->layers == 0) {
            count_layers(manifest);
        }
        for (size_t i = 0; i < manifest->count && read; i++) {
            read = resolve(&reading, i);
        }
        read = read && warn(&reading) && sower_manifest_hash(manifest, problem);
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
