#include "proto/manifest_reading.h"

#include <inttypes.h>

#include "proto/json.h"
#include "proto/tensor_names.h"

/* Whether rule `later` has no effect by mistake: an earlier rule that matches more tensors, or has the same conditions, gave all
 * its fields. A general rule after special ones is no mistake, even if they match all tensors that there are. */
static bool is_shadowed(const struct sower_rule *rules, size_t later)
{
    const struct sower_rule *rule = &rules[later], *by = &rules[rule->shadowed_by];
    return rule->matches > 0 && !rule->useful &&
           (by->matches > rule->matches ||
            json_equal(json_object_get(by->source, "match"), json_object_get(rule->source, "match")));
}

bool sower_manifest_check_rules(struct sower_manifest_reading *reading)
{
    const struct sower_rule *rules = reading->rules->list;
    for (size_t i = 0; i < reading->own_rules; i++) {
        if (is_shadowed(rules, i)) {
            return sower_problem_set(
                reading->problem, SOWER_PROBLEM_UNPROCESSABLE, "rules",
                "Rule %zu (%.60s) has no effect: \"%.120s\" gets all of its fields from rule %u (%.60s), "
                "which comes "
                "before it. Put the more special rule first.",
                i + 1, sower_rule_pattern(&rules[i]), reading->manifest->tensors[rules[i].shadowed_for].name,
                (unsigned)rules[i].shadowed_by + 1, sower_rule_pattern(&rules[rules[i].shadowed_by]));
        }
    }
    return true;
}

/* Appends the sentence of a problem, which is printable and has complete characters, as a notice. */
static void append(json_t **warnings, const struct sower_problem *notice)
{
    sower_json_append(warnings, json_string(notice->sentence));
}

static void notice_unused(struct sower_manifest_reading *reading, json_t **warnings)
{
    struct sower_problem notice;
    for (size_t i = 0; i < reading->own_rules; i++) {
        const struct sower_rule *rule = &reading->rules->list[i];
        if (rule->matches == 0) {
            sower_problem_set(&notice, SOWER_PROBLEM_INVALID, "rules", "Rule %zu (%.400s) matches no tensor.",
                              i + 1, sower_rule_pattern(rule));
            append(warnings, &notice);
        }
    }
    const json_t *lists = json_object_get(reading->top, "blocks");
    const char *list;
    for (size_t i = 0; (list = sower_towers_list(lists, i)) != NULL; i++) {
        if ((reading->towers.found >> i & 1) == 0) {
            sower_problem_set(&notice, SOWER_PROBLEM_INVALID, "blocks",
                              "List %zu of blocks (%.400s) matches no tensor: in no name does the number of "
                              "a block follow it.",
                              i + 1, list);
            append(warnings, &notice);
        }
    }
    for (size_t i = 0; i < json_array_size(reading->leave_out); i++) {
        if ((reading->unused_globs[i / 64] >> i % 64 & 1) != 0) {
            sower_problem_set(&notice, SOWER_PROBLEM_INVALID, "leave_out",
                              "Pattern %zu of leave_out (%.400s) matches no tensor.", i + 1,
                              json_string_value(json_array_get(reading->leave_out, i)));
            append(warnings, &notice);
        }
    }
}

/* A tower that seems to be incomplete. If the manifest gives the number of layers, it may be: nothing is counted then. */
static void notice_tower(const struct sower_tower *tower, json_t **warnings)
{
    struct sower_problem notice;
    size_t shown = tower->length < SOWER_TENSOR_NAME_SHOWN ? tower->length : SOWER_TENSOR_NAME_SHOWN;
    sower_problem_set(&notice, SOWER_PROBLEM_INVALID, "layers",
                      "The blocks of \"%.*s\" %s: there are %" PRIu32 ", with numbers from %" PRIu32
                      " to %" PRIu32 ". Formulas use %" PRIu32
                      " layers; give layers if the model has another number.",
                      (int)shown, tower->name, tower->least > 0 ? "do not begin at 0" : "have gaps",
                      tower->blocks, tower->least, tower->layers - 1, tower->layers);
    append(warnings, &notice);
}

/* Lists the towers, with the numbers of layers that formulas use. */
static void notice_towers(struct sower_manifest_reading *reading, json_t **warnings)
{
    struct sower_manifest *manifest = reading->manifest;
    manifest->towers = json_array();
    for (size_t i = 0; i < reading->towers.count && i < SOWER_TOWERS_SHOWN; i++) {
        const struct sower_tower *tower = &reading->towers.towers[i];
        const uint64_t layers = manifest->layers > 0 ? manifest->layers : tower->layers;
        sower_json_append(&manifest->towers,
                          json_pack("{s:o, s:I}", "blocks", json_stringn(tower->name, tower->length),
                                    "layers", (json_int_t)layers));
        if (manifest->layers == 0 && tower->blocks < tower->layers) {
            notice_tower(tower, warnings);
        }
    }
}

static void notice_fans(struct sower_manifest_reading *reading, json_t **warnings)
{
    const size_t count = reading->suspicious.count;
    struct sower_problem notice;
    if (count > 0) {
        sower_problem_set(
            &notice, SOWER_PROBLEM_INVALID, "batch_axis",
            "The fans of a convolution are used for %zu tensor%s, first for \"%.*s\". If the first axis "
            "counts experts, layers or heads, give \"batch_axis\":0, or \"batch_axis\":[0,1] for two such "
            "axes.",
            count, count == 1 ? "" : "s", SOWER_TENSOR_NAME_SHOWN,
            reading->manifest->tensors[reading->suspicious.first].name);
        append(warnings, &notice);
    }
}

bool sower_manifest_notice(struct sower_manifest_reading *reading)
{
    json_t *warnings = json_array();
    notice_unused(reading, &warnings);
    notice_towers(reading, &warnings);
    notice_fans(reading, &warnings);
    reading->manifest->warnings = warnings;
    return (warnings != NULL && reading->manifest->towers != NULL) || sower_problem_memory(reading->problem);
}
