/* Manifests: the tensors of a model, and how each is initialized.
 *
 * This is the resolved form: every tensor has all its fields, and no rules are left (manifest_read.h reads the
 * form that people write). Its canonical form is a manifest too, with only tensors and all fields of each. The
 * BLAKE2b-256 of that text is the manifest's hash: it depends on the tensors, but not on how they were
 * described, nor on experiment and trial. */
#ifndef SOWER_PROTO_MANIFEST_H
#define SOWER_PROTO_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "core/attributes.h"
#include "core/dtype.h"
#include "core/problem.h"
#include "proto/buffer.h"
#include "proto/forms.h"

enum {
    SOWER_MANIFEST_TENSORS_MAX = 1 << 20,
    SOWER_MANIFEST_TEXT_MAX = 160 << 20, /* bytes of JSON, also of the canonical form */
    SOWER_MANIFEST_HASH_SIZE = 32,
    SOWER_TOWERS_SHOWN = 32,
    SOWER_LEFT_OUT_SHOWN = 32,
};

/* The largest size of all tensors together: 16 TiB. */
#define SOWER_MODEL_SIZE_MAX (UINT64_C(1) << 44)

/* A tensor: 32 bytes, because there may be a million. */
struct sower_manifest_tensor {
    const char *name;
    const struct sower_form *form; /* its shape, initializer and layout, in the manifest's forms */
    enum sower_dtype dtype;
    uint32_t same_as; /* the index of that tensor, if it is tied */
    bool tied;        /* it is the same tensor as another one (ties.h), and has no draw of its own */
};

struct sower_manifest {
    size_t count, tied_count;
    struct sower_manifest_tensor *tensors; /* in the manifest's order */
    struct sower_forms forms;
    char *names;
    size_t names_size; /* bytes of all names */
    uint64_t size;     /* bytes of all tensors that are not tied */
    uint64_t layers;   /* as given; 0: not given */
    uint8_t hash[SOWER_MANIFEST_HASH_SIZE];
    uint64_t canonical_size; /* bytes of the canonical form */
    json_t *asked;           /* an object with experiment, trial and spec, each if the manifest gives it */
    json_t *warnings;        /* an array of sentences about what may be a mistake */
    json_t *
        towers; /* [{"blocks":"model.layers","layers":12}]: the numbers that formulas use; at most SOWER_TOWERS_SHOWN */
    json_t *left_out; /* the names of tensors that were left out; at most SOWER_LEFT_OUT_SHOWN */
    size_t left_out_count;
};

/* Appends the canonical form, which SPEC.md defines byte by byte. */
void sower_manifest_print(const struct sower_manifest *manifest, struct sower_buffer *buffer);

/* Sets the hash and canonical_size from the tensors; refuses a canonical form of more than SOWER_MANIFEST_TEXT_MAX
 * bytes. */
SOWER_MUST_USE bool sower_manifest_hash(struct sower_manifest *manifest, struct sower_problem *problem);

/* What the daemon sends for a manifest that it keeps: its hash, how many tensors, tied ones and bytes it has, and
 * what was found while it was read. A new object; NULL when memory runs out. */
json_t *sower_manifest_summary(const struct sower_manifest *manifest);

uint64_t sower_manifest_tensor_size(const struct sower_manifest_tensor *tensor); /* in bytes */

void sower_manifest_free(struct sower_manifest *manifest);

#endif
