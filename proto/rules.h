/* Rules: they give fields to many tensors of a model at once.
 *
 *   {"match":"*.bias", "init":"zeros"}
 *   {"match":{"name":"*.weight","rank":[2,5],"dtype":"bf16"}, "init":"he_normal", "layout":"io"}
 *   {"match":{"name":"*.weight","shape":["n","m"],"beside":"bias","beside_shape":["n"]}, "init":"he_normal"}
 *   {"match":"*.masked_bias", "leave_out":true}
 *   {"match":"*codebook.weight", "refuse":"it may be an Embedding or a Linear: add a rule for it."}
 *
 * `match` is a glob on the name (glob.h), or an object of conditions that must all hold: `name`, a glob; `rank`, a
 * number or [least, greatest]; `shape`, for each axis a size, "*" for any size, or a lower-case letter, which stands for
 * the same size everywhere in this rule; `dtype`, the one that the tensor itself gives (else the defaults' dtype, else
 * f32); `beside`, another tensor that must exist in the manifest (tensor_names.h: with "weight", the tensor beside
 * "fc.bias" is "fc.weight"; a tensor is not beside itself); and that tensor's `beside_rank` and `beside_shape`.
 *
 * The other members are what the rule gives: dtype, layout, in_axis, out_axis, batch_axis, fan_in, fan_out, zero_rows,
 * zero_columns, and at most one of the four that say where the elements come from: init; same_as, another tensor (ties.h);
 * leave_out (true), since the tensor is no weight; refuse, a sentence, since the name does not tell. These four are one field:
 * the first that is given counts. A tensor and the defaults may have only init and same_as. */
#ifndef SOWER_PROTO_RULES_H
#define SOWER_PROTO_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "core/attributes.h"
#include "core/dtype.h"
#include "core/problem.h"
#include "core/shape.h"

enum { SOWER_RULES_MAX = 256 };

/* A condition on the sizes of a shape. */
struct sower_size_condition {
    char letter; /* 'a' to 'z'; '*': any size; '=': `size` */
    uint64_t size;
};

struct sower_shape_condition {
    bool given;
    size_t rank;
    struct sower_size_condition axes[SOWER_RANK_MAX];
};

struct sower_rule {
    const char *glob; /* NULL: any name */
    size_t rank[2];   /* least and greatest */
    struct sower_shape_condition shape;
    bool has_dtype;
    enum sower_dtype dtype;
    const char *beside; /* NULL: no condition */
    size_t beside_rank[2];
    struct sower_shape_condition beside_shape;
    json_t *fields; /* an object of what it gives */
    json_t *source; /* the rule's own JSON, which owns the strings above */
    size_t matches; /* how many tensors it matched */
    bool useful;    /* for one of them, no earlier rule gave all that it gives */
    uint32_t shadowed_for,
        shadowed_by; /* else: the first tensor, and the number of an earlier rule, from 0 */
};

struct sower_rules {
    size_t count;
    struct sower_rule list[SOWER_RULES_MAX];
};

/* The properties of a tensor that rules look at. */
struct sower_rule_tensor {
    const char *name;
    const struct sower_shape *shape;
    enum sower_dtype dtype;
    /* The shape of the other tensor that has this path from the tensor; NULL if there is none. */
    const struct sower_shape *(*beside)(void *context, const char *path);
    void *context;
    uint64_t *glob_steps; /* of glob.h */
};

/* Adds the rules of a JSON array; problems have the field "rules" and name the rule's number, from 1. */
SOWER_MUST_USE bool sower_rules_add(struct sower_rules *rules, const json_t *array,
                                    struct sower_problem *problem);

SOWER_MUST_USE bool sower_rule_matches(const struct sower_rule *rule, const struct sower_rule_tensor *tensor);

/* Refuses members that a rule, the defaults or a tensor cannot give; `what` ("rules", "defaults" or "tensors")
 * becomes the problem's field. */
SOWER_MUST_USE bool sower_rules_check_fields(const json_t *fields, const char *what,
                                             struct sower_problem *problem);

/* The one of init, same_as, leave_out and refuse that the fields have, or NULL. */
const char *sower_rules_origin(const json_t *fields);

/* Whether `fields` has a field that *all does not have yet. The four above count as one field. */
bool sower_rules_adds(const json_t *all, const json_t *fields);

/* Sets these fields of *all. *all becomes NULL when memory runs out. */
void sower_rules_give(json_t **all, const json_t *fields);

/* Whether both have a field in common; the four above count as one. */
bool sower_rules_overlap(const json_t *left, const json_t *right);

/* The pattern of a rule for a sentence: its glob, or "*". */
const char *sower_rule_pattern(const struct sower_rule *rule);

void sower_rules_free(struct sower_rules *rules);

#endif
