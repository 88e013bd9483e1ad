#include "proto/manifest_reading.h"

#include <string.h>

#include "proto/formula.h"
#include "proto/glob.h"
#include "proto/json.h"
#include "proto/json_walker.h"
#include "proto/request.h"
#include "proto/tensor_names.h"

/* The current tensor, for the callbacks of rules and formulas. */
struct current {
    struct sower_manifest_reading *reading;
    size_t tensor;
};

static bool refuse(struct sower_manifest_reading *reading, const char *field, const char *sentence)
{
    return sower_problem_set(reading->problem, SOWER_PROBLEM_INVALID, field, "%s", sentence);
}

/* Puts the tensor's name before the sentence of the problem. Zero rows and columns may come from a rule or from
 * the defaults, so the fault is that they do not fit this tensor. */
static bool name_tensor(struct sower_manifest_reading *reading, const char *name)
{
    struct sower_problem inner = *reading->problem;
    bool of_zeros = strcmp(inner.field, "zero_rows") == 0 || strcmp(inner.field, "zero_columns") == 0;
    return inner.code == SOWER_PROBLEM_UNAVAILABLE || inner.code == SOWER_PROBLEM_MEMORY
               ? false
               : sower_problem_set(reading->problem, of_zeros ? SOWER_PROBLEM_UNPROCESSABLE : inner.code,
                                   "tensors", "\"%.*s\": %s", SOWER_TENSOR_NAME_SHOWN, name, inner.sentence);
}

static bool find_beside(const struct current *current, const char *last, size_t length, size_t *found)
{
    return sower_tensor_names_beside(current->reading->manifest, current->reading->by_name, current->tensor,
                                     last, length, found);
}

static const struct sower_shape *beside(void *context, const char *path)
{
    const struct current *current = context;
    size_t found;
    if (!find_beside(current, path, strlen(path), &found) || found == current->tensor) {
        return NULL;
    }
    return &current->reading->manifest->tensors[found].form->shape;
}

/* The number of the first own rule before `before` that gives this tensor a field that rule `before` has too. */
static uint32_t find_shadow(const struct sower_manifest_reading *reading, size_t before,
                            const struct sower_rule_tensor *view)
{
    const struct sower_rule *rules = reading->rules->list;
    size_t i = 0;
    while (i < before && !(sower_rule_matches(&rules[i], view) &&
                           sower_rules_overlap(rules[before].fields, rules[i].fields))) {
        i++;
    }
    return (uint32_t)i;
}

/* Notes that this rule matches the tensor, and whether it gives the tensor a field. An own rule that gives nothing, though the
 * tensor itself has none of its fields, is shadowed here by an earlier rule. */
static void judge(struct sower_manifest_reading *reading, size_t number, size_t rule_number,
                  const json_t *all, const json_t *own_fields, const struct sower_rule_tensor *view)
{
    struct sower_rule *rule = &reading->rules->list[rule_number];
    const bool first = rule->matches++ == 0;
    if (rule->useful || sower_rules_adds(all, rule->fields) ||
        sower_rules_overlap(own_fields, rule->fields) || json_object_size(rule->fields) == 0) {
        rule->useful = true;
    } else if (first && rule_number < reading->own_rules) {
        rule->shadowed_for = (uint32_t)number;
        rule->shadowed_by = find_shadow(reading, rule_number, view);
    }
}

/* Gives the tensor the fields of the rules that match it, and then of the defaults, as far as it has none. Judges the rules
 * unless the tensor is only a neighbour of the tensor that is resolved. */
static void give_all(struct sower_manifest_reading *reading, size_t number, bool is_neighbour,
                     const json_t *own_fields, json_t **all)
{
    const struct sower_manifest_tensor *tensor = &reading->manifest->tensors[number];
    struct current current = {reading, number};
    const struct sower_rule_tensor view = {
        tensor->name, &tensor->form->shape, reading->notes[number].dtype, beside,
        &current,     &reading->glob_steps};
    for (size_t i = 0; i < reading->rules->count && *all != NULL; i++) {
        if (!sower_rule_matches(&reading->rules->list[i], &view)) {
            continue;
        }
        if (!is_neighbour) {
            judge(reading, number, i, *all, own_fields, &view);
        }
        sower_rules_give(all, reading->rules->list[i].fields);
    }
    sower_rules_give(all, reading->defaults);
}

/* All fields of a tensor, from itself, the rules and the defaults, as the fields of a request. NULL with a problem. */
static json_t *gather(struct sower_manifest_reading *reading, size_t number, bool is_neighbour)
{
    struct sower_json_walker walker = {
        .text = reading->text, .length = reading->length, .at = reading->notes[number].place};
    json_t *all = sower_json_walker_load(&walker, reading->problem);
    if (all == NULL) {
        return NULL;
    }
    json_t *own_fields = sower_json_copy(all);
    bool good = own_fields != NULL || sower_problem_memory(reading->problem);
    json_object_del(own_fields, "name");
    json_object_del(own_fields, "shape");
    if (good && sower_rules_check_fields(own_fields, "tensors", reading->problem)) {
        give_all(reading, number, is_neighbour, own_fields, &all);
        good = all != NULL || sower_problem_memory(reading->problem);
    } else {
        good = false;
    }
    json_decref(own_fields);
    if (!good) {
        json_decref(all);
        return NULL;
    }
    return all;
}

/* Reads the fields as those of a request for this tensor. The experiment is not known here; a manifest does not
 * depend on it. */
static bool parse(struct sower_manifest_reading *reading, json_t *fields, struct sower_request *request)
{
    if (json_object_set_new(fields, "experiment", json_string("-")) != 0) {
        return sower_problem_memory(reading->problem);
    }
    return sower_request_parse(fields, false, NULL, request, reading->problem);
}

/* Reads the fields with the initializer zeros, for what does not depend on the initializer: shape, dtype, fans. */
static bool parse_without_init(struct sower_manifest_reading *reading, json_t *fields,
                               struct sower_request *request)
{
    static const char *const draw_only[] = {"same_as", "leave_out", "refuse", "zero_rows", "zero_columns"};
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
        const bool sum = memchr(name, '+', length) != NULL || memchr(name, '-', length) != NULL;
        return sower_problem_set(
            problem, SOWER_PROBLEM_INVALID, "init",
            "its initializer needs the fan of \"%.*s\" beside it, which does not exist.%s",
            (int)(length < 80 ? length : 80), name,
            sum ? " If that is a sum, put parentheses around it." : "");
    }
    json_t *fields = gather(current->reading, found, true);
    bool parsed = fields != NULL && parse_without_init(current->reading, fields, &request);
    json_decref(fields);
    if (parsed) {
        *fan = out ? request.plan.fans.out : request.plan.fans.in;
        *fan = *fan > 0 ? *fan : 1;
    }
    return parsed;
}

/* The terms for the formulas of a tensor. */
static struct sower_formula_terms terms_of(struct current *current)
{
    const struct sower_manifest_reading *reading = current->reading;
    const struct sower_towers *towers = &reading->towers;
    struct sower_formula_terms terms = {.layers = reading->manifest->layers,
                                        .block = -1,
                                        .constants = reading->constants,
                                        .fan = fan_beside,
                                        .context = current};
    if (towers->places != NULL && towers->places[current->tensor].tower != SOWER_TOWER_NONE) {
        const struct sower_tower_place *place = &towers->places[current->tensor];
        terms.block = place->block;
        terms.layers = terms.layers > 0 ? terms.layers : towers->towers[place->tower].layers;
    }
    return terms;
}

/* Replaces an expression with formulas by the plain expression. */
static bool expand_init(struct sower_manifest_reading *reading, size_t number, json_t *fields)
{
    const json_t *init = json_object_get(fields, "init");
    struct current current = {reading, number};
    const struct sower_formula_terms terms = terms_of(&current);
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

/* The form of a request's tensor; NULL with a problem. */
static const struct sower_form *form_of(struct sower_manifest_reading *reading,
                                        const struct sower_request *request)
{
    const struct sower_form form = {.shape = request->draw.shape,
                                    .initializer = request->draw.initializer,
                                    .layout = request->draw.layout,
                                    .structured = request->plan.structure != NULL};
    return sower_forms_find(&reading->manifest->forms, &form, reading->problem);
}

/* Sets shape, dtype and same_as of a tied tensor. ties.h does the rest when all tensors are resolved. */
static bool resolve_tied(struct sower_manifest_reading *reading, size_t number, json_t *fields)
{
    struct sower_manifest_tensor *tensor = &reading->manifest->tensors[number];
    const struct sower_manifest_note *note = &reading->notes[number];
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
    tensor->form = form_of(reading, &request);
    tensor->dtype = note->has_dtype ? note->dtype : SOWER_DTYPE_COUNT;
    tensor->tied = true;
    tensor->same_as = (uint32_t)found;
    return tensor->form != NULL;
}

/* Whether the law changes with the fans. */
static bool depends_on_fans(const struct sower_draw *draw, const struct sower_plan *plan)
{
    struct sower_layout layout = draw->layout;
    struct sower_plan other;
    struct sower_problem unused;
    layout.fan_in = 2 * (plan->fans.in > 0 ? plan->fans.in : 1);
    layout.fan_out = 2 * (plan->fans.out > 0 ? plan->fans.out : 1);
    return sower_plan_make(&draw->initializer, &draw->shape, draw->dtype, &layout, &other, &unused) &&
           plan->std_expected != other.std_expected;
}

/* Whether a tensor with the fans of a convolution may be the stacked weights of experts or layers: it has three axes, or its
 * kernel would have the sizes of layers of neurons. Real kernels of two and more axes are small (7x7, a patch of 16x16), or long
 * in one axis with 1 in the others. In `io` the kernel's axes come first, and a stack has few entries, so one long axis is
 * enough there: (layers, in, heads, size of a head). */
static bool may_be_stacked(const struct sower_shape *shape, enum sower_layout_order order)
{
    enum { LONG = 64 };
    const size_t first = order == SOWER_LAYOUT_OI ? 2 : 0, kernel = shape->rank - 2;
    size_t longs = 0, singles = 0;
    for (size_t i = first; i < first + kernel; i++) {
        longs += shape->sizes[i] >= LONG;
        singles += shape->sizes[i] <= 1;
    }
    return kernel == 1 || (order == SOWER_LAYOUT_OI ? longs == kernel : longs > 0 && singles == 0);
}

/* Counts a tensor that gets the fans of a convolution only because of the number of its axes, and may be no convolution. */
static void note_suspicious_fans(struct sower_manifest_reading *reading, size_t number,
                                 const struct sower_draw *draw, const struct sower_plan *plan)
{
    const struct sower_layout *layout = &draw->layout;
    const bool chosen = layout->has_in_axes || layout->has_out_axes || layout->batch_axes != 0 ||
                        (layout->fan_in > 0 && layout->fan_out > 0);
    if (draw->shape.rank < 3 || chosen || !may_be_stacked(&draw->shape, layout->order) ||
        strcasestr(reading->manifest->tensors[number].name, "conv") != NULL || !depends_on_fans(draw, plan)) {
        return;
    }
    if (reading->suspicious.count++ == 0) {
        reading->suspicious.first = (uint32_t)number;
    }
}

/* Sets the fields of a tensor that is not tied. */
static bool resolve_drawn(struct sower_manifest_reading *reading, size_t number, json_t *fields)
{
    struct sower_manifest_tensor *tensor = &reading->manifest->tensors[number];
    struct sower_request request;
    if (!expand_init(reading, number, fields) || !parse(reading, fields, &request)) {
        return false;
    }
    note_suspicious_fans(reading, number, &request.draw, &request.plan);
    tensor->form = form_of(reading, &request);
    tensor->dtype = request.draw.dtype;
    if (tensor->form == NULL) {
        return false;
    }
    reading->manifest->size += sower_manifest_tensor_size(tensor); /* at most 2^38 each: no overflow */
    return true;
}

/* Whether a pattern of the manifest's leave_out matches the name. */
static bool is_left_out(struct sower_manifest_reading *reading, const char *name)
{
    size_t i;
    json_t *glob;
    bool found = false;
    json_array_foreach(reading->leave_out, i, glob)
    {
        if (sower_glob_match(json_string_value(glob), name, &reading->glob_steps)) {
            reading->unused_globs[i / 64] &= ~(UINT64_C(1) << i % 64);
            found = true;
        }
    }
    return found;
}

/* Resolves by the one of init, same_as, leave_out and refuse that the tensor got. */
static bool resolve_by_origin(struct sower_manifest_reading *reading, size_t number, json_t *fields)
{
    const char *origin = sower_rules_origin(fields);
    if (origin != NULL && strcmp(origin, "refuse") == 0) {
        return sower_problem_set(reading->problem, SOWER_PROBLEM_UNPROCESSABLE, "init", "%s",
                                 json_string_value(json_object_get(fields, "refuse")));
    }
    if (origin != NULL && strcmp(origin, "leave_out") == 0) {
        reading->notes[number].left_out = true;
        return true;
    }
    return origin != NULL && strcmp(origin, "same_as") == 0 ? resolve_tied(reading, number, fields)
                                                            : resolve_drawn(reading, number, fields);
}

bool sower_manifest_resolve(struct sower_manifest_reading *reading, size_t number)
{
    struct sower_manifest *manifest = reading->manifest;
    const char *name = manifest->tensors[number].name;
    if (is_left_out(reading, name)) {
        reading->notes[number].left_out = true;
        return true;
    }
    json_t *fields = gather(reading, number, false);
    bool resolved = fields != NULL && resolve_by_origin(reading, number, fields);
    json_decref(fields);
    if (reading->glob_steps == 0) {
        return sower_problem_set(
            reading->problem, SOWER_PROBLEM_TOO_LARGE, "rules",
            "The patterns of rules and leave_out take too long to match the names; use fewer "
            "stars and shorter sets.");
    }
    if (!resolved) {
        return name_tensor(reading, name);
    }
    return manifest->size <= SOWER_MODEL_SIZE_MAX ||
           sower_problem_set(
               reading->problem, SOWER_PROBLEM_TOO_LARGE, "tensors",
               "With \"%.*s\" the tensors have more than 16 TiB, the most that a model may have.",
               SOWER_TENSOR_NAME_SHOWN, name);
}
