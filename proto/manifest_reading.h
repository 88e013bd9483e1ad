/* The state of reading a manifest, which the files that read it share: manifest_read.c reads the text, manifest_resolve.c the
 * fields of each tensor, manifest_notices.c looks at the whole. */
#ifndef SOWER_PROTO_MANIFEST_READING_H
#define SOWER_PROTO_MANIFEST_READING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "core/attributes.h"
#include "core/dtype.h"
#include "core/problem.h"
#include "proto/manifest.h"
#include "proto/rules.h"
#include "proto/towers.h"

/* What is known about a tensor before it is resolved. */
struct sower_manifest_note {
    uint32_t place;         /* where its JSON begins in the text */
    enum sower_dtype dtype; /* the dtype for the rules' conditions */
    bool has_dtype;         /* the tensor itself gives a dtype */
    bool left_out;          /* it is no tensor of the model */
};

/* The JSON of a tensor is not kept: it is loaded again from its place in the text, one tensor at a time. */
struct sower_manifest_reading {
    const char *text;
    size_t length;
    struct sower_manifest *manifest;
    struct sower_rules *rules;
    size_t own_rules;         /* how many are the manifest's own; the recipe's come after them */
    json_t *top;              /* the outermost fields except tensors */
    bool takes_slices;        /* the field `slices` is allowed */
    json_t *recipe;           /* what the recipe gives (sower_recipe_manifest); NULL: no recipe */
    json_t *constants;        /* an object of numbers, may be empty */
    json_t *leave_out;        /* an array of globs; NULL: none */
    uint64_t glob_steps;      /* how many steps of globs are left */
    uint64_t unused_globs[4]; /* a bit for each glob of leave_out that matches no tensor so far */
    json_t *defaults;         /* an object, may be empty */
    enum sower_dtype default_dtype;
    size_t tensors_at;
    bool has_tensors;
    struct sower_manifest_note *notes; /* one for each tensor */
    uint32_t *by_name;                 /* the tensors' indices, sorted by their names */
    struct sower_towers towers;
    /* Tensors that get the fans of a convolution and seem to be none, and the first of them. */
    struct {
        size_t count;
        uint32_t first;
    } suspicious;
    struct sower_forms noted; /* the shapes; a tensor points to one of them until it is resolved */
    size_t capacity;
    struct sower_problem *problem;
};

enum { SOWER_LEAVE_OUT_MAX = 256 };

/* The most steps for all globs of a manifest: half a minute. 2^20 names and 500 usual globs take a quarter of them. */
#define SOWER_GLOB_STEPS_MAX (UINT64_C(1) << 32)

/* Resolves tensor number `number`: sets all its fields, or that it is left out or tied. A problem names the tensor. */
SOWER_MUST_USE bool sower_manifest_resolve(struct sower_manifest_reading *reading, size_t number);

/* Refuses a rule that another one shadows. After all tensors are resolved. */
SOWER_MUST_USE bool sower_manifest_check_rules(struct sower_manifest_reading *reading);

/* Sets the manifest's warnings and towers. After all tensors are resolved and before tensors are removed. */
SOWER_MUST_USE bool sower_manifest_notice(struct sower_manifest_reading *reading);

#endif
