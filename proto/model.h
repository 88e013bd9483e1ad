/* Models: the tensors of a manifest under an experiment and a trial, as one safetensors file.
 *
 * The whole file never exists in memory. A model has only the file's header and the position of each tensor. To
 * read a byte of the file, find the tensor at that position and generate it. Every tensor is the same draw as
 * when it is requested alone.
 *
 * A file may have less than the whole manifest: only the tensors that a glob matches; one of several parts,
 * which are groups of whole tensors split by bytes, for the stages of a pipeline; and one shard of each tensor, or
 * a slice of some of them, for the ranks of tensor parallelism. They are applied in this order. Parts depend on the sizes of whole
 * tensors, so all ranks agree on the part of a tensor.
 *
 * A tied tensor (ties.h) is not among the tensors of a file. The metadata of a file names it if the tensor that it is
 * the same as is in that file. A glob that matches the name of a tied tensor selects that other tensor. */
#ifndef SOWER_PROTO_MODEL_H
#define SOWER_PROTO_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "core/attributes.h"
#include "core/draw.h"
#include "core/problem.h"
#include "core/seed.h"
#include "proto/manifest.h"
#include "proto/model_slices.h"
#include "proto/request.h"

enum { SOWER_SHARD_TEXT_MAX = 256, SOWER_PARTS_MAX = 100000 };

/* Which tensors of the manifest, and which region of each. */
struct sower_model_choice {
    const char *tensors;  /* a glob; NULL: all */
    const char *shard;    /* slice.h; NULL: whole tensors. Tensors that lack a named axis stay whole */
    json_t *slices;       /* model_slices.h, which removes its members; NULL: none. Not with a shard */
    uint64_t part, parts; /* part < parts; parts 0: not split */
};

struct sower_model_tensor {
    uint64_t start;  /* its first byte in the file */
    uint32_t number; /* its index in the manifest */
};

struct sower_model {
    struct sower_manifest manifest;
    struct sower_draw draw;       /* of its tensors: experiment, trial and root id */
    struct sower_seed trial_seed; /* secret under a private root */
    size_t count, tied_count;     /* of the tensors in the file; of the tied ones that its metadata names */
    struct sower_model_tensor
        *tensors; /* in the file's order; one more after the last, whose start is the end of the file */
    char shard[SOWER_SHARD_TEXT_MAX + 1]; /* empty: whole tensors */
    struct sower_model_slices slices;
    struct sower_buffer header; /* length and padding included */
    uint64_t size;              /* of the file */
};

/* Makes the model and takes over the manifest, also when it fails. `asked` has experiment, trial and spec as
 * fields of a request; from_pairs as in request.h. The caller releases the model with sower_model_free, also
 * after a problem. */
SOWER_MUST_USE bool sower_model_make(struct sower_model *model, struct sower_manifest *manifest,
                                     const json_t *asked, bool from_pairs, const struct sower_seed *root,
                                     const struct sower_model_choice *choice, struct sower_problem *problem);

/* The same without the header of the file, for a caller that only needs the draws: `size` is 0, and positions are relative
 * to the first tensor. */
SOWER_MUST_USE bool sower_model_choose(struct sower_model *model, struct sower_manifest *manifest,
                                       const json_t *asked, bool from_pairs, const struct sower_seed *root,
                                       const struct sower_model_choice *choice,
                                       struct sower_problem *problem);

/* Replaces the id of the root, also in the header of the file: for a private root of which only the id is known. The seeds stay
 * those of the root with which the model was made. */
void sower_model_set_root_id(struct sower_model *model, const struct sower_seed *root_id);

/* Sets only draw and seed of a request for the n-th tensor of the file; n < count. A ledger line needs no more,
 * and this is much faster than sower_model_request. */
void sower_model_draw(const struct sower_model *model, size_t n, struct sower_request *request);

/* Whether the n-th tensor may need preparation (core/source.h). */
bool sower_model_is_structured(const struct sower_model *model, size_t n);

/* The request for the n-th tensor of the file; n < count. Its region is the shard or slice. */
void sower_model_request(const struct sower_model *model, size_t n, struct sower_request *request);

const char *sower_model_name(const struct sower_model *model, size_t n);

/* The next tied tensor whose other tensor is in the file, in the manifest's order; false at the end. Begin with *next 0. */
SOWER_MUST_USE bool sower_model_tie(const struct sower_model *model, size_t *next, const char **name,
                                    const char **same_as);

/* The tensor that contains this byte of the file; the byte must be after the header. */
size_t sower_model_find(const struct sower_model *model, uint64_t position);

/* Writes the index of a manifest's parts, which frameworks read together with files called
 * model-00001-of-00008.safetensors:
 * {"metadata":{"total_size":…},"weight_map":{name: file …}}. */
SOWER_MUST_USE bool sower_model_index(const struct sower_manifest *manifest, const char *tensors,
                                      uint64_t parts, struct sower_buffer *buffer,
                                      struct sower_problem *problem);

/* Reads "3/8"; a problem has the field "part". */
SOWER_MUST_USE bool sower_model_part_parse(const char *text, uint64_t *part, uint64_t *parts,
                                           struct sower_problem *problem);

void sower_model_free(struct sower_model *model);

#endif
