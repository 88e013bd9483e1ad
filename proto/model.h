/* Models: the tensors of a manifest under an experiment and a trial, as one safetensors file.
 *
 * The file is never made as a whole. What is kept is its header, and where in it each tensor begins; any of
 * its bytes can be read by looking up the tensor there and making that. Every tensor is the draw that it is
 * when it is asked for alone.
 *
 * A file may hold less than the manifest: the tensors that a glob matches; one of several parts, whole
 * tensors split by bytes for the stages of a pipeline; and of each tensor one shard, for the ranks of tensor
 * parallelism. They are cut in this order, and parts by the sizes of whole tensors, so that all ranks agree
 * which part a tensor is in. */
#ifndef SOWER_PROTO_MODEL_H
#define SOWER_PROTO_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "core/draw.h"
#include "core/problem.h"
#include "core/seed.h"
#include "proto/manifest.h"
#include "proto/request.h"

enum { SOWER_SHARD_TEXT_MAX = 256, SOWER_PARTS_MAX = 100000 };

/* Which tensors of the manifest, and what of each. */
struct sower_model_choice {
    const char *tensors;  /* a glob; NULL: all */
    const char *shard;    /* slice.h; NULL: whole tensors. Tensors without the axes named stay whole */
    uint64_t part, parts; /* part < parts; parts 0: not split */
};

struct sower_model_tensor {
    uint64_t start;  /* byte of the file where it begins */
    uint32_t number; /* in the manifest */
};

struct sower_model {
    struct sower_manifest manifest;
    struct sower_draw draw;       /* of its tensors: experiment, trial and root id */
    struct sower_seed trial_seed; /* secret under a private root */
    size_t count;
    struct sower_model_tensor
        *tensors; /* in the file's order; one more behind the last, where the file ends */
    char shard[SOWER_SHARD_TEXT_MAX + 1]; /* empty: whole tensors */
    struct sower_buffer header;           /* length and padding included */
    uint64_t size;                        /* of the file */
};

/* Takes over the manifest (also when it fails) and makes the model. `asked` holds experiment, trial and spec
 * as fields of a request. Released with sower_model_free, also after a problem. */
bool sower_model_make(struct sower_model *model, struct sower_manifest *manifest, const json_t *asked,
                      bool from_pairs, const struct sower_seed *root, const struct sower_model_choice *choice,
                      struct sower_problem *problem);

/* Fills draw and seed of the n-th tensor of the file and leaves the rest of the request as it is: all that a
 * ledger line needs, at a fraction of the cost. */
void sower_model_draw(const struct sower_model *model, size_t n, struct sower_request *request);

/* Whether the n-th tensor may take preparing. */
bool sower_model_is_structured(const struct sower_model *model, size_t n);

/* The request for the n-th tensor of the file, its region being the shard; n < count. */
void sower_model_request(const struct sower_model *model, size_t n, struct sower_request *request);

const char *sower_model_name(const struct sower_model *model, size_t n);

/* The tensor that holds this byte of the file, which lies behind the header. */
size_t sower_model_find(const struct sower_model *model, uint64_t position);

/* The index of a manifest's parts, as frameworks read it beside files called
 * model-00001-of-00008.safetensors:
 * {"metadata":{"total_size":…},"weight_map":{name: file …}}. */
bool sower_model_index(const struct sower_manifest *manifest, const char *tensors, uint64_t parts,
                       struct sower_buffer *buffer, struct sower_problem *problem);

/* "3/8"; refuses what is none, with the field "part". */
bool sower_model_part_parse(const char *text, uint64_t *part, uint64_t *parts, struct sower_problem *problem);

void sower_model_free(struct sower_model *model);

#endif
