/* The slices of a model: which region of each tensor its file has, for the ranks of tensor parallelism whose tensors are not
 * all cut in the same way.
 *
 *   "slices": {"h.0.attn.weight":"0:512,:", "h.0.mlp.weight":":,1024:2048"}
 *
 * Each text is a slice (slice.h) of the tensor with this name. Tensors without a slice are whole. */
#ifndef SOWER_PROTO_MODEL_SLICES_H
#define SOWER_PROTO_MODEL_SLICES_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "core/attributes.h"
#include "core/problem.h"
#include "core/shape.h"
#include "proto/buffer.h"
#include "proto/manifest.h"

/* All zeros: no slices. */
struct sower_model_slices {
    const char **of; /* for each tensor of the manifest its slice, or NULL; NULL: no slices */
    char *texts;
    size_t size; /* bytes of all memory */
};

/* Reads the slices from the object `given` and removes its members. Refuses (field "slices") a value that is not an object of
 * texts, a slice that its tensor cannot have, and, as UNPROCESSABLE, a name that is tied or that no tensor has. The caller releases
 * the slices, also after a problem. */
SOWER_MUST_USE bool sower_model_slices_read(struct sower_model_slices *slices,
                                            const struct sower_manifest *manifest, json_t *given,
                                            struct sower_problem *problem);

/* Sets the region of a tensor, given by its index in the manifest. False if it has no slice. */
SOWER_MUST_USE bool sower_model_slices_region(const struct sower_model_slices *slices,
                                              const struct sower_manifest *manifest, size_t number,
                                              struct sower_region *region);

/* Appends the slices as a JSON object without spaces, in the manifest's order. */
void sower_model_slices_print(const struct sower_model_slices *slices, const struct sower_manifest *manifest,
                              struct sower_buffer *buffer);

void sower_model_slices_free(struct sower_model_slices *slices);

#endif
