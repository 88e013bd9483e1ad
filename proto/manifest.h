/* Manifests: the tensors of a model, and how each is initialized.
 *
 * A manifest is resolved: nothing is left to a rule (manifest_read.h reads what people write). Its canonical
 * form is a manifest as well, with nothing but tensors and everything said of each, and its BLAKE2b-256 is
 * the manifest's hash: it depends on the tensors, not on how they were described, nor on experiment and
 * trial. */
#ifndef SOWER_PROTO_MANIFEST_H
#define SOWER_PROTO_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "core/catalogue.h"
#include "core/dtype.h"
#include "core/layout.h"
#include "core/problem.h"
#include "core/shape.h"
#include "proto/buffer.h"

enum {
    SOWER_MANIFEST_TENSORS_MAX = 100000,
    SOWER_MANIFEST_TEXT_MAX = 64 << 20, /* bytes of JSON, also of the canonical form */
    SOWER_MANIFEST_HASH_SIZE = 32,
};

/* The greatest sum of all tensors: 16 TiB. */
#define SOWER_MODEL_SIZE_MAX (UINT64_C(1) << 44)

/* Some 200 bytes: what a request needs to know, without its plan. */
struct sower_manifest_tensor {
    const char *name;
    struct sower_shape shape;
    enum sower_dtype dtype;
    bool structured; /* its plan has a structure, and so perhaps a cost (core/source.h) */
    struct sower_initializer initializer;
    struct sower_layout layout;
};

struct sower_manifest {
    size_t count;
    struct sower_manifest_tensor *tensors; /* in the manifest's order */
    char *names;
    uint64_t size;   /* bytes of all tensors */
    uint64_t layers; /* as given or as the names tell; 0: neither */
    uint8_t hash[SOWER_MANIFEST_HASH_SIZE];
    json_t *asked;    /* what it says of the draw: an object with experiment, trial and spec where given */
    json_t *warnings; /* an array of sentences: rules that match nothing */
};

/* The canonical form. SPEC.md defines it, byte by byte. */
void sower_manifest_print(const struct sower_manifest *manifest, struct sower_buffer *buffer);

/* Sets the hash from the tensors; refuses a canonical form of more than SOWER_MANIFEST_TEXT_MAX bytes. */
bool sower_manifest_hash(struct sower_manifest *manifest, struct sower_problem *problem);

uint64_t sower_manifest_tensor_size(const struct sower_manifest_tensor *tensor); /* in bytes */

void sower_manifest_free(struct sower_manifest *manifest);

#endif
