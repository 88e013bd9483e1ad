/* Rules: how the tensors of a model are initialized, for many of them at once.
 *
 *   {"match":"*.bias", "init":"zeros"}
 *   {"match":{"name":"*.weight","rank":[2,5],"dtype":"bf16"}, "init":"he_normal", "layout":"io"}
 *   {"match":{"name":"*.bias","beside":"weight","beside_rank":1}, "init":"zeros"}
 *
 * `match` is a glob on the name (glob.h), or an object whose conditions must all hold: `name`; `rank`, a
 * number or [least, greatest]; `dtype`, that which the tensor itself names (else the defaults' dtype, else
 * f32); `beside`, the last part of another tensor's name that must exist in the manifest (beside "fc.bias",
 * "weight" is "fc.weight"; parts are separated by "." or "/"; a tensor is not beside itself), and
 * `beside_rank`, that tensor's rank. The other fields, those of a request that say what a tensor is, are what
 * the rule gives: init, dtype, layout, in_axis, out_axis, batch_axis, fan_in, fan_out. */
#ifndef SOWER_PROTO_RULES_H
#define SOWER_PROTO_RULES_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

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
    json_t *gives;  /* an object of request fields */
    json_t *source; /* the rule as it was given; the strings above are its own */
    bool matched;   /* at least one tensor */
};

struct sower_rules {
    size_t count;
    struct sower_rule list[SOWER_RULES_MAX];
};

/* What a rule is held against. */
struct sower_rule_tensor {
    const char *name;
    size_t rank;
    enum sower_dtype dtype;
    /* Whether there is a tensor of that name beside this one; sets its rank. */
    bool (*beside)(void *context, const char *name, size_t *rank);
    void *context;
};

/* Adds the rules of a JSON array; problems carry the field "rules" and the rule's number, from 1. */
bool sower_rules_add(struct sower_rules *rules, const json_t *array, struct sower_problem *problem);

bool sower_rule_matches(const struct sower_rule *rule, const struct sower_rule_tensor *tensor);

/* Refuses fields that do not say what a tensor is; for rules, defaults and tensors (`what` names which). */
bool sower_rules_check_gives(const json_t *gives, const char *what, struct sower_problem *problem);

/* The pattern of a rule for a sentence: its glob, or "*". */
const char *sower_rule_pattern(const struct sower_rule *rule);

void sower_rules_free(struct sower_rules *rules);

#endif
