#include "proto/rules.h"

#include <string.h>

#include "core/shape.h"
#include "proto/glob.h"
#include "proto/json.h"
#include "proto/text.h"

static const char *const FIELDS[] = {"init",         "same_as",    "dtype",  "layout",  "in_axis",
                                     "out_axis",     "batch_axis", "fan_in", "fan_out", "zero_rows",
                                     "zero_columns", "leave_out",  "refuse"};

/* Only rules may have the last two. */
enum { FIELD_COUNT = sizeof FIELDS / sizeof FIELDS[0], OWN_FIELD_COUNT = FIELD_COUNT - 2 };

static const char *const ORIGINS[] = {"init", "same_as", "leave_out", "refuse"};

enum { ORIGIN_COUNT = sizeof ORIGINS / sizeof ORIGINS[0] };

static bool refuse(size_t number, struct sower_problem *problem, const char *sentence)
{
    return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "rules", "Rule %zu: %s", number, sentence);
}

static bool is_origin(const char *key)
{
    bool found = false;
    for (size_t i = 0; i < ORIGIN_COUNT; i++) {
        found = found || strcmp(ORIGINS[i], key) == 0;
    }
    return found;
}

const char *sower_rules_origin(const json_t *fields)
{
    for (size_t i = 0; i < ORIGIN_COUNT; i++) {
        if (json_object_get(fields, ORIGINS[i]) != NULL) {
            return ORIGINS[i];
        }
    }
    return NULL;
}

/* A tensor without a draw of its own may have no field that is part of a draw. */
static bool check_origin(const json_t *fields, const char *what, struct sower_problem *problem)
{
    static const char *const of_draws[] = {"init",   "same_as",   "leave_out",
                                           "refuse", "zero_rows", "zero_columns"};
    const char *origin = sower_rules_origin(fields);
    for (size_t i = 0; origin != NULL && i < sizeof of_draws / sizeof of_draws[0]; i++) {
        const bool fits = strcmp(origin, "init") == 0 && strncmp(of_draws[i], "zero_", 5) == 0;
        if (!fits && strcmp(of_draws[i], origin) != 0 && json_object_get(fields, of_draws[i]) != NULL) {
            return sower_problem_set(problem, SOWER_PROBLEM_INVALID, what,
                                     "Both %s and %s are given in one place; give one of them.", origin,
                                     of_draws[i]);
        }
    }
    const json_t *value = origin == NULL ? NULL : json_object_get(fields, origin);
    const char *fault = value == NULL ? NULL
                        : strcmp(origin, "same_as") == 0 && !json_is_string(value)
                            ? "same_as must be the name of another tensor, for example \"wte.weight\"."
                        : strcmp(origin, "leave_out") == 0 && !json_is_true(value) ? "leave_out must be true."
                        : strcmp(origin, "refuse") == 0 && json_string_length(value) == 0
                            ? "refuse must be a sentence that says which rule to add."
                            : NULL;
    return fault == NULL || sower_problem_set(problem, SOWER_PROBLEM_INVALID, what, "%s", fault);
}

bool sower_rules_check_fields(const json_t *fields, const char *what, struct sower_problem *problem)
{
    const char *key;
    json_t *value;
    const bool of_rules = strcmp(what, "rules") == 0;
    json_object_foreach((json_t *)fields, key, value)
    {
        bool known = false;
        for (size_t i = 0; i < (of_rules ? FIELD_COUNT : OWN_FIELD_COUNT); i++) {
            known = known || strcmp(FIELDS[i], key) == 0;
        }
        if (!known) {
            char quote[SOWER_QUOTE_SIZE];
            sower_text_quote(key, strlen(key), quote);
            return sower_problem_set(
                problem, SOWER_PROBLEM_INVALID, what,
                "%s has no field %s; the fields are init, same_as, dtype, layout, in_axis, out_axis, "
                "batch_axis, fan_in, fan_out, zero_rows%s.",
                what, quote, of_rules ? ", zero_columns, leave_out and refuse" : " and zero_columns");
        }
    }
    return check_origin(fields, what, problem);
}

bool sower_rules_adds(const json_t *all, const json_t *fields)
{
    const char *key;
    json_t *value;
    const bool has_origin = sower_rules_origin(all) != NULL;
    json_object_foreach((json_t *)fields, key, value)
    {
        if (is_origin(key) ? !has_origin : json_object_get(all, key) == NULL) {
            return true;
        }
    }
    return false;
}

void sower_rules_give(json_t **all, const json_t *fields)
{
    const char *key;
    json_t *value;
    const bool has_origin = sower_rules_origin(*all) != NULL;
    json_object_foreach((json_t *)fields, key, value)
    {
        if (is_origin(key) ? !has_origin : json_object_get(*all, key) == NULL) {
            sower_json_set(all, key, json_incref(value));
        }
    }
}

bool sower_rules_overlap(const json_t *left, const json_t *right)
{
    const char *key;
    json_t *value;
    const bool has_origin = sower_rules_origin(left) != NULL;
    json_object_foreach((json_t *)right, key, value)
    {
        if (is_origin(key) ? has_origin : json_object_get(left, key) != NULL) {
            return true;
        }
    }
    return false;
}

/* A rank or [least, greatest]. */
static bool read_rank(const json_t *value, size_t rank[2])
{
    const json_t *ends[2] = {value, value};
    if (json_is_array(value) && json_array_size(value) == 2) {
        ends[0] = json_array_get(value, 0);
        ends[1] = json_array_get(value, 1);
    }
    for (size_t i = 0; i < 2; i++) {
        json_int_t number = json_integer_value(ends[i]);
        if (!json_is_integer(ends[i]) || number < 0 || number > SOWER_RANK_MAX) {
            return false;
        }
        rank[i] = (size_t)number;
    }
    return rank[0] <= rank[1];
}

static bool read_glob(struct sower_rule *rule, const json_t *value, size_t number,
                      struct sower_problem *problem)
{
    rule->glob = json_string_value(value);
    if (rule->glob == NULL || rule->glob[0] == '\0') {
        return refuse(number, problem, "the name to match must be text, for example \"*.bias\".");
    }
    return sower_glob_check(rule->glob) ||
           refuse(number, problem, "the pattern has a \"[\" without a \"]\", or ends in a \"\\\".");
}

/* An array of sizes, "*" and letters. */
static bool read_shape(const json_t *value, struct sower_shape_condition *condition)
{
    condition->given = true;
    condition->rank = json_array_size(value);
    for (size_t i = 0; i < condition->rank && i < SOWER_RANK_MAX; i++) {
        const json_t *size = json_array_get(value, i);
        const char *text = json_string_value(size);
        const bool letter = text != NULL && text[0] != '\0' && text[1] == '\0' &&
                            (text[0] == '*' || (text[0] >= 'a' && text[0] <= 'z'));
        if (!letter && !(json_is_integer(size) && json_integer_value(size) >= 0)) {
            return false;
        }
        condition->axes[i] =
            (struct sower_size_condition){letter ? text[0] : '=', (uint64_t)json_integer_value(size)};
    }
    return json_is_array(value) && condition->rank <= SOWER_RANK_MAX;
}

static bool read_beside(struct sower_rule *rule, const json_t *value, size_t number,
                        struct sower_problem *problem)
{
    const char *path = json_string_value(value);
    rule->beside = path;
    while (path != NULL && strncmp(path, "../", 3) == 0) {
        path += 3;
    }
    return (path != NULL && path[0] != '\0') || refuse(number, problem,
                                                       "beside must be the last component of a name, for "
                                                       "example \"weight\" or \"../in_proj_weight\".");
}

static bool read_condition(struct sower_rule *rule, const char *key, const json_t *value, size_t number,
                           struct sower_problem *problem)
{
    const char *text = json_string_value(value);
    if (strcmp(key, "name") == 0) {
        return read_glob(rule, value, number, problem);
    }
    if (strcmp(key, "dtype") == 0) {
        rule->has_dtype = true;
        return (text != NULL && sower_dtype_parse(text, &rule->dtype)) ||
               refuse(number, problem,
                      "the dtype to match must be one of f64, f32, f16, bf16, f8_e4m3, f8_e5m2.");
    }
    if (strcmp(key, "beside") == 0) {
        return read_beside(rule, value, number, problem);
    }
    const bool own = strncmp(key, "beside_", 7) != 0;
    const char *property = own ? key : key + 7;
    if (strcmp(property, "shape") == 0) {
        return read_shape(value, own ? &rule->shape : &rule->beside_shape) ||
               refuse(number, problem,
                      "a shape to match must be an array of at most 8 sizes, \"*\" and lower-case letters, "
                      "as in "
                      "[\"n\",3,\"*\"].");
    }
    if (strcmp(property, "rank") != 0) {
        return refuse(number, problem,
                      "match may have name, rank, shape, dtype, beside, beside_rank and beside_shape.");
    }
    return read_rank(value, own ? rule->rank : rule->beside_rank) ||
           refuse(number, problem,
                  "a rank to match must be a number from 0 to 8, or two: [least, greatest].");
}

static bool read_match(struct sower_rule *rule, const json_t *match, size_t number,
                       struct sower_problem *problem)
{
    const char *key;
    json_t *value;
    if (!json_is_object(match)) {
        return read_glob(rule, match, number, problem);
    }
    const bool of_other =
        json_object_get(match, "beside_rank") != NULL || json_object_get(match, "beside_shape") != NULL;
    if (of_other && json_object_get(match, "beside") == NULL) {
        return refuse(number, problem, "beside_rank and beside_shape need beside.");
    }
    json_object_foreach((json_t *)match, key, value)
    {
        if (!read_condition(rule, key, value, number, problem)) {
            return false;
        }
    }
    return true;
}

static bool add_rule(struct sower_rules *rules, json_t *source, struct sower_problem *problem)
{
    size_t number = rules->count + 1;
    if (rules->count == SOWER_RULES_MAX) {
        return sower_problem_set(problem, SOWER_PROBLEM_TOO_LARGE, "rules", "There are more than %d rules.",
                                 SOWER_RULES_MAX);
    }
    struct sower_rule *rule = &rules->list[rules->count];
    *rule = (struct sower_rule){.rank = {0, SOWER_RANK_MAX}, .beside_rank = {0, SOWER_RANK_MAX}};
    const json_t *match = json_object_get(source, "match");
    if (match == NULL) {
        return refuse(number, problem,
                      "a rule needs match, as in {\"match\":\"*.bias\",\"init\":\"zeros\"}.");
    }
    if (!read_match(rule, match, number, problem)) {
        return false;
    }
    rule->fields = sower_json_copy(source);
    if (rule->fields == NULL) {
        return sower_problem_memory(problem);
    }
    rule->source = json_incref(source);
    rules->count++; /* from here on sower_rules_free releases it */
    json_object_del(rule->fields, "match");
    return sower_rules_check_fields(rule->fields, "rules", problem);
}

bool sower_rules_add(struct sower_rules *rules, const json_t *array, struct sower_problem *problem)
{
    size_t i;
    json_t *source;
    if (!json_is_array(array)) {
        return sower_problem_set(
            problem, SOWER_PROBLEM_INVALID, "rules",
            "rules must be an array, as in [{\"match\":\"*.bias\",\"init\":\"zeros\"}].");
    }
    json_array_foreach(array, i, source)
    {
        if (!add_rule(rules, source, problem)) {
            return false;
        }
    }
    return true;
}

static bool within(const size_t range[2], size_t rank)
{
    return range[0] <= rank && rank <= range[1];
}

/* The sizes that the letters of a rule stand for; `known` has a bit for each letter. */
struct letters {
    uint32_t known;
    uint64_t sizes[26];
};

static bool shape_holds(const struct sower_shape_condition *condition, const struct sower_shape *shape,
                        struct letters *letters)
{
    bool holds = condition->rank == shape->rank;
    for (size_t i = 0; condition->given && holds && i < shape->rank; i++) {
        const struct sower_size_condition *axis = &condition->axes[i];
        if (axis->letter == '=') {
            holds = axis->size == shape->sizes[i];
        } else if (axis->letter != '*') {
            const unsigned letter = (unsigned)(axis->letter - 'a');
            holds = (letters->known >> letter & 1) == 0 || letters->sizes[letter] == shape->sizes[i];
            letters->known |= UINT32_C(1) << letter;
            letters->sizes[letter] = shape->sizes[i];
        }
    }
    return !condition->given || holds;
}

bool sower_rule_matches(const struct sower_rule *rule, const struct sower_rule_tensor *tensor)
{
    struct letters letters = {.known = 0};
    if (!within(rule->rank, tensor->shape->rank) || (rule->has_dtype && rule->dtype != tensor->dtype) ||
        (rule->glob != NULL && !sower_glob_match(rule->glob, tensor->name, tensor->glob_steps)) ||
        !shape_holds(&rule->shape, tensor->shape, &letters)) {
        return false;
    }
    if (rule->beside == NULL) {
        return true;
    }
    const struct sower_shape *other = tensor->beside(tensor->context, rule->beside);
    return other != NULL && within(rule->beside_rank, other->rank) &&
           shape_holds(&rule->beside_shape, other, &letters);
}

const char *sower_rule_pattern(const struct sower_rule *rule)
{
    return rule->glob != NULL ? rule->glob : "*";
}

void sower_rules_free(struct sower_rules *rules)
{
    for (size_t i = 0; i < rules->count; i++) {
        json_decref(rules->list[i].fields);
        json_decref(rules->list[i].source);
    }
    rules->count = 0;
}
