#include "proto/manifest_read.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/edit_distance.h"
#include "proto/glob.h"
#include "proto/json.h"
#include "proto/json_walker.h"
#include "proto/manifest_reading.h"
#include "proto/recipes.h"
#include "proto/safetensors.h"
#include "proto/tensor_names.h"
#include "proto/ties.h"

enum { CONSTANTS_MAX = 64 };

static bool refuse(struct sower_manifest_reading *reading, const char *field, const char *sentence)
{
    return sower_problem_set(reading->problem, SOWER_PROBLEM_INVALID, field, "%s", sentence);
}

static bool read_member(struct sower_manifest_reading *reading, struct sower_json_walker *walker, json_t *key)
{
    static const char *const known[] = {"experiment", "trial",     "spec",  "recipe",   "layers", "blocks",
                                        "constants",  "leave_out", "rules", "defaults", "slices"};
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
    if (strcmp(name, "slices") == 0 && !reading->takes_slices) {
        return refuse(
            reading, "slices",
            "slices belong to one request for bytes: POST /v1/model takes them, and no other request.");
    }
    if (!is_known) {
        return sower_problem_set(reading->problem, SOWER_PROBLEM_INVALID, name,
                                 "A manifest has no field \"%s\"; it has tensors, recipe, layers, blocks, "
                                 "constants, leave_out, rules, defaults, experiment, trial and spec.",
                                 name);
    }
    if (json_object_get(reading->top, name) != NULL) {
        return refuse(reading, name, "A field is given twice; give it once.");
    }
    json_t *value = sower_json_walker_load(walker, reading->problem);
    return value != NULL &&
           (json_object_set_new(reading->top, name, value) == 0 || sower_problem_memory(reading->problem));
}

static bool read_top(struct sower_manifest_reading *reading)
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

/* Goes through the members as through the elements of an array: each begins with its key. */
bool sower_manifest_is(const char *text, size_t length)
{
    static const char key[] = "\"tensors\"";
    struct sower_json_walker walker;
    struct sower_problem unused;
    bool more, found = false, read = sower_json_walker_open(&walker, text, length, 0, '{', &unused);
    while (read && !found) {
        read = sower_json_walker_next(&walker, &more, NULL, &unused) && more;
        found = read && length - walker.at >= sizeof key - 1 &&
                memcmp(text + walker.at, key, sizeof key - 1) == 0;
        sower_json_walker_skip(&walker);
    }
    return found;
}

static bool read_recipe(struct sower_manifest_reading *reading)
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
    reading->recipe = sower_recipe_manifest(recipe);
    return reading->recipe == NULL
               ? sower_problem_memory(reading->problem)
               : sower_rules_add(reading->rules, json_object_get(reading->recipe, "rules"), reading->problem);
}

static bool read_blocks(struct sower_manifest_reading *reading)
{
    const json_t *lists = json_object_get(reading->top, "blocks");
    return lists == NULL || sower_towers_check(lists, reading->problem);
}

/* Whether this can be the name of a constant: a word of formulas that has no other meaning there. */
static bool is_constant_name(const char *name)
{
    static const char *const taken[] = {"layers", "block", "sqrt", "inf", "true", "false"};
    bool good = name[0] >= 'a' && name[0] <= 'z' &&
                strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(name);
    for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++) {
        good = good && strcmp(name, taken[i]) != 0;
    }
    return good;
}

static bool check_constant(const struct sower_manifest_reading *reading, const char *name,
                           const json_t *value)
{
    const json_t *declared = json_object_get(reading->recipe, "constants");
    if (!json_is_number(value)) {
        return sower_problem_set(reading->problem, SOWER_PROBLEM_INVALID, "constants",
                                 "The constant \"%.60s\" must be a number.", name);
    }
    if (!is_constant_name(name)) {
        return sower_problem_set(
            reading->problem, SOWER_PROBLEM_INVALID, "constants",
            "A constant cannot be called \"%.60s\": a name has lower-case letters, digits and "
            "underscores, begins with a letter, and is not a word of formulas.",
            name);
    }
    if (reading->recipe == NULL || json_object_get(declared, name) != NULL) {
        return true;
    }
    char known[200] = "no constants";
    const char *key;
    json_t *unused;
    size_t length = 0;
    json_object_foreach((json_t *)declared, key, unused)
    {
        if (length < sizeof known) {
            length +=
                (size_t)snprintf(known + length, sizeof known - length, "%s%s", length == 0 ? "" : ", ", key);
        }
    }
    return sower_problem_set(reading->problem, SOWER_PROBLEM_UNPROCESSABLE, "constants",
                             "The recipe has no constant \"%.60s\"; it has %s.", name, known);
}

/* The recipe's constants, with the manifest's numbers where it gives some. */
static bool read_constants(struct sower_manifest_reading *reading)
{
    json_t *own = json_object_get(reading->top, "constants"), *value;
    const json_t *of_recipe = json_object_get(reading->recipe, "constants");
    const char *name;
    reading->constants = of_recipe != NULL ? sower_json_copy(of_recipe) : json_object();
    if (own != NULL && (!json_is_object(own) || json_object_size(own) > CONSTANTS_MAX)) {
        return refuse(
            reading, "constants",
            "constants must be an object of at most 64 numbers, as in {\"initializer_range\":0.02}.");
    }
    json_object_foreach(own, name, value)
    {
        if (!check_constant(reading, name, value)) {
            return false;
        }
        sower_json_set(&reading->constants, name, json_incref(value));
    }
    return reading->constants != NULL || sower_problem_memory(reading->problem);
}

static bool read_leave_out(struct sower_manifest_reading *reading)
{
    json_t *globs = json_object_get(reading->top, "leave_out"), *glob;
    size_t i;
    if (globs != NULL && (!json_is_array(globs) || json_array_size(globs) > SOWER_LEAVE_OUT_MAX)) {
        return refuse(reading, "leave_out",
                      "leave_out must be an array of at most 256 patterns, as in [\"*.attn.masked_bias\"].");
    }
    json_array_foreach(globs, i, glob)
    {
        const char *text = json_string_value(glob);
        if (text == NULL || text[0] == '\0' || !sower_glob_check(text)) {
            return refuse(
                reading, "leave_out",
                "Each pattern of leave_out must be a text. It has no \"[\" without a \"]\", and does not "
                "end in a \"\\\".");
        }
        reading->unused_globs[i / 64] |= UINT64_C(1) << i % 64;
    }
    reading->leave_out = globs;
    return true;
}

static bool read_defaults(struct sower_manifest_reading *reading)
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

static bool read_layers(struct sower_manifest_reading *reading)
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

static bool read_asked(struct sower_manifest_reading *reading)
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

static bool read_rules(struct sower_manifest_reading *reading)
{
    const json_t *own = json_object_get(reading->top, "rules");
    if (own != NULL && !sower_rules_add(reading->rules, own, reading->problem)) {
        return false;
    }
    reading->own_rules = reading->rules->count;
    return read_recipe(reading) && read_defaults(reading) && read_layers(reading) && read_blocks(reading) &&
           read_constants(reading) && read_leave_out(reading) && read_asked(reading);
}

static bool grow(struct sower_manifest_reading *reading)
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
    struct sower_manifest_note *notes = realloc(reading->notes, capacity * sizeof *notes);
    reading->notes = notes != NULL ? notes : reading->notes;
    if (tensors == NULL || notes == NULL) {
        return sower_problem_memory(reading->problem);
    }
    reading->capacity = capacity;
    return true;
}

/* A form with what rules may ask about a shape; NULL with a problem. A shape that is not valid is refused when the tensor is
 * resolved. */
static const struct sower_form *note_shape(struct sower_manifest_reading *reading, const json_t *json)
{
    struct sower_form form = {.shape.rank = json_array_size(json)};
    form.shape.rank = form.shape.rank <= SOWER_RANK_MAX ? form.shape.rank : SOWER_RANK_MAX;
    for (size_t i = 0; i < form.shape.rank; i++) {
        form.shape.sizes[i] = (uint64_t)json_integer_value(json_array_get(json, i));
    }
    return sower_forms_find(&reading->noted, &form, reading->problem);
}

/* Stores name, shape and dtype of one tensor. The other fields are checked when the tensor is resolved. */
static bool note_tensor(struct sower_manifest_reading *reading, const json_t *json, size_t place)
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
    char *copy = manifest->names + manifest->names_size;
    memcpy(copy, json_string_value(name), length + 1);
    manifest->names_size += length + 1;
    *tensor = (struct sower_manifest_tensor){.name = copy, .form = note_shape(reading, shape)};
    struct sower_manifest_note *note = &reading->notes[manifest->count++];
    *note = (struct sower_manifest_note){.place = (uint32_t)place,
                                         .dtype = reading->default_dtype,
                                         .has_dtype = json_object_get(json, "dtype") != NULL};
    enum sower_dtype own_dtype;
    if (dtype != NULL && sower_dtype_parse(dtype, &own_dtype)) {
        note->dtype = own_dtype;
    }
    return tensor->form != NULL;
}

static bool note_tensors(struct sower_manifest_reading *reading)
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

static bool resolve_all(struct sower_manifest_reading *reading)
{
    const json_t *lists = json_object_get(reading->top, "blocks");
    lists = lists != NULL ? lists : json_object_get(reading->recipe, "blocks");
    bool good = sower_towers_find(&reading->towers, reading->manifest, lists, reading->problem);
    for (size_t i = 0; i < reading->manifest->count && good; i++) {
        good = sower_manifest_resolve(reading, i);
    }
    return good;
}

/* Refuses a tensor that is the same as one that is left out. */
static bool check_tied(const struct sower_manifest_reading *reading)
{
    const struct sower_manifest *manifest = reading->manifest;
    for (size_t i = 0; i < manifest->count; i++) {
        const struct sower_manifest_tensor *tensor = &manifest->tensors[i];
        if (!reading->notes[i].left_out && tensor->tied && reading->notes[tensor->same_as].left_out) {
            return sower_problem_set(reading->problem, SOWER_PROBLEM_UNPROCESSABLE, "tensors",
                                     "\"%.120s\" cannot be the same as \"%.120s\", which is left out.",
                                     tensor->name, manifest->tensors[tensor->same_as].name);
        }
    }
    return true;
}

/* Removes the tensors that are left out. by_name is not needed any more, so its memory is for their new numbers. */
static bool remove_left_out(struct sower_manifest_reading *reading)
{
    struct sower_manifest *manifest = reading->manifest;
    uint32_t *moved = reading->by_name;
    uint32_t kept = 0;
    manifest->left_out = json_array();
    for (size_t i = 0; i < manifest->count; i++) {
        moved[i] = kept;
        if (!reading->notes[i].left_out) {
            manifest->tensors[kept++] = manifest->tensors[i];
        } else if (manifest->left_out_count++ < SOWER_LEFT_OUT_SHOWN) {
            sower_json_append(&manifest->left_out, json_string(manifest->tensors[i].name));
        }
    }
    for (size_t i = 0; i < kept; i++) {
        manifest->tensors[i].same_as = manifest->tensors[i].tied ? moved[manifest->tensors[i].same_as] : 0;
    }
    manifest->count = kept;
    if (manifest->left_out == NULL) {
        return sower_problem_memory(reading->problem);
    }
    return kept > 0 || sower_problem_set(reading->problem, SOWER_PROBLEM_UNPROCESSABLE, "tensors",
                                         "All tensors are left out; a manifest needs at least one.");
}

bool sower_manifest_read(const char *text, size_t length, struct sower_manifest *manifest,
                         struct sower_problem *problem)
{
    return sower_manifest_read_sliced(text, length, manifest, NULL, problem);
}

bool sower_manifest_read_sliced(const char *text, size_t length, struct sower_manifest *manifest,
                                json_t **slices, struct sower_problem *problem)
{
    struct sower_manifest_reading reading = {.text = text,
                                             .length = length,
                                             .manifest = manifest,
                                             .takes_slices = slices != NULL,
                                             .glob_steps = SOWER_GLOB_STEPS_MAX,
                                             .problem = problem};
    *manifest = (struct sower_manifest){0};
    if (slices != NULL) {
        *slices = NULL;
    }
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
    read = read && note_tensors(&reading) && sower_tensor_names_sort(manifest, &reading.by_name, problem) &&
           resolve_all(&reading) && sower_manifest_check_rules(&reading) && sower_manifest_notice(&reading) &&
           check_tied(&reading) && remove_left_out(&reading) && sower_ties_resolve(manifest, problem) &&
           sower_manifest_hash(manifest, problem);
    if (reading.rules != NULL) {
        sower_rules_free(reading.rules);
    }
    free(reading.rules);
    free(reading.notes);
    free(reading.by_name);
    sower_towers_free(&reading.towers);
    sower_forms_free(&reading.noted);
    if (slices != NULL) {
        *slices = json_incref(json_object_get(reading.top, "slices"));
    }
    json_decref(reading.defaults);
    json_decref(reading.constants);
    json_decref(reading.recipe);
    json_decref(reading.top);
    return read;
}
