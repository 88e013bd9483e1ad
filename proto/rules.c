#include "proto/rules.h"

#include <string.h>

#include "core/shape.h"
#include "proto/glob.h"
#include "proto/json.h"
#include "proto/text.h"

static const char *const FIELDS[] = {"init",    "same_as",   "dtype",       "layout",
                                     "in_axis", "out_axis",  "batch_axis",  "fan_in",
                                     "fan_out", "zero_rows", "zero_columns"};

enum { FIELD_COUNT = sizeof FIELDS / sizeof FIELDS[0] };

static bool refuse(size_t number, struct sower_problem *problem, const char *sentence)
{
    return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "rules", "Rule %zu: %s", number, sentence);
}

/* A tied tensor has the draw of another tensor, so no field that is part of a draw may be beside same_as. */
static bool check_same_as(const json_t *fields, const char *what, struct sower_problem *problem)
{
    static const char *const of_draws[] = {"init", "zero_rows", "zero_columns"};
    const json_t *same_as = json_object_get(fields, "same_as");
    if (same_as == NULL) {
        return true;
    }
    for (size_t i = 0; i < sizeof of_draws / sizeof of_draws[0]; i++) {
        if (json_object_get(fields, of_draws[i]) != NULL) {
            return sower_problem_set(
                problem, SOWER_PROBLEM_INVALID, what,
                "Both same_as and %s are given; with same_as, the other tensor gives %s.", of_draws[i],
                of_draws[i]);
        }
    }
    return json_is_string(same_as) ||
           sower_problem_set(problem, SOWER_PROBLEM_INVALID, what,
                             "same_as must be the name of another tensor, for example \"wte.weight\".");
}

bool sower_rules_check_fields(const json_t *fields, const char *what, struct sower_problem *problem)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)fields, key, value)
    {
        bool known = false;
        for (size_t i = 0; i < FIELD_COUNT; i++) {
            known = known || strcmp(FIELDS[i], key) == 0;
        }
        if (!known) {
            char quote[SOWER_QUOTE_SIZE];
            sower_text_quote(key, strlen(key), quote);
            return sower_problem_set(
                problem, SOWER_PROBLEM_INVALID, what,
                "%s has no field %s; the fields are init, same_as, dtype, layout, in_axis, out_axis, "
                "batch_axis, fan_in, fan_out, zero_rows and zero_columns.",
                what, quote);
        }
    }
    return check_same_as(fields, what, problem);
}

void sower_rules_give(json_t **all, const json_t *fields)
{
    const char *key;
    json_t *value;
    const bool has_draw = json_object_get(*all, "init") != NULL || json_object_get(*all, "same_as") != NULL;
    json_object_foreach((json_t *)fields, key, value)
    {
        const bool is_draw = strcmp(key, "init") == 0 || strcmp(key, "same_as") == 0;
        if (is_draw ? !has_draw : json_object_get(*all, key) == NULL) {
            sower_json_set(all, key, json_incref(value));
        }
    }
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
        rule->beside = text;
        return (text != NULL && text[0] != '\0') ||
               refuse(number, problem,
                      "beside must be the last component of a name, for example \"weight\".");
    }
    bool own = strcmp(key, "rank") == 0;
    if (!own && strcmp(key, "beside_rank") != 0) {
        return refuse(number, problem, "match may have name, rank, dtype, beside and beside_rank.");
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
    bool ranked = json_object_get(match, "beside_rank") != NULL;
    if (ranked && json_object_get(match, "beside") == NULL) {
        return refuse(number, problem, "beside_rank needs beside.");
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

bool sower_rule_matches(const struct sower_rule *rule, const struct sower_rule_tensor *tensor)
{
    size_t rank = 0;
    return within(rule->rank, tensor->rank) && (!rule->has_dtype || rule->dtype == tensor->dtype) &&
           (rule->glob == NULL || sower_glob_match(rule->glob, tensor->name)) &&
           (rule->beside == NULL ||
            (tensor->beside(tensor->context, rule->beside, &rank) && within(rule->beside_rank, rank)));
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
