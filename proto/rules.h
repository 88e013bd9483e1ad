/* Rules: they give fields to many tensors of a model at once.
 *
 *   {"match":"*.bias", "init":"zeros"}
 *   {"match":{"name":"*.weight","rank":[2,5],"dtype":"bf16"}, "init":"he_normal", "layout":"io"}
 *   {"match":{"name":"*.bias","beside":"weight","beside_rank":1}, "init":"zeros"}
 *
 * `match` is a glob on the name (glob.h), or an object of conditions that must all hold: `name`, a glob; `rank`, a
 * number or [least, greatest]; `dtype`, the one that the tensor itself gives (else the defaults' dtype, else f32);
 * `beside`, the last component of another tensor's name that must exist in the manifest (components are separated
 * by "." or "/": with "weight", the tensor beside "fc.bias" is "fc.weight"; a tensor is not beside itself); and
 * `beside_rank`, that tensor's rank. The other members are the fields that the rule gives: init or same_as (ties.h), dtype,
 * layout, in_axis, out_axis, batch_axis, fan_in, fan_out, zero_rows, zero_columns. */
#ifndef SOWER_PROTO_RULES_H
#define SOWER_PROTO_RULES_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "core/attributes.h"
#include "core/dtype.h"
#include "core/problem.h"

enum { SOWER_RULES_MAX = 256 };

struct sower_rule {
    const char *glob; /* NULL: any name */
    size_t rank[2];   /* least and greatest */
    bool has_dtype;
    enum sower_dtype dtype;
    const char *beside; /* NULL: no condition */
    size_t beside_rank[2];
    json_t *fields; /* an object of request fields */
    json_t *source; /* the rule's own JSON, which owns the strings above */
    bool matched;   /* it matched at least one tensor */
};

struct sower_rules {
    size_t count;
    struct sower_rule list[SOWER_RULES_MAX];
};

/* The properties of a tensor that rules look at. */
struct sower_rule_tensor {
    const char *name;
    size_t rank;
    enum sower_dtype dtype;
    /* Whether there is another tensor with this last component of its name; sets its rank. */
    bool (*beside)(void *context, const char *name, size_t *rank);
    void *context;
};

/* Adds the rules of a JSON array; problems have the field "rules" and name the rule's number, from 1. */
SOWER_MUST_USE bool sower_rules_add(struct sower_rules *rules, const json_t *array,
                                    struct sower_problem *problem);

SOWER_MUST_USE bool sower_rule_matches(const struct sower_rule *rule, const struct sower_rule_tensor *tensor);

/* Refuses members that a rule, the defaults or a tensor cannot give; `what` ("rules", "defaults" or "tensors")
 * becomes the problem's field. */
SOWER_MUST_USE bool sower_rules_check_fields(const json_t *fields, const char *what,
                                             struct sower_problem *problem);

/* Sets the fields that *all does not have yet. init and same_as count as one field. *all becomes NULL when memory runs
 * out. */
void sower_rules_give(json_t **all, const json_t *fields);

/* The pattern of a rule for a sentence: its glob, or "*". */
const char *sower_rule_pattern(const struct sower_rule *rule);

void sower_rules_free(struct sower_rules *rules);

#endif
