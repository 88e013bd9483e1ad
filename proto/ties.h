/* Tied tensors: a tensor that is the same as another one, as the last layer and the embedding of many language
 * models.
 *
 *   {"name":"lm_head.weight", "shape":[50257,768], "same_as":"wte.weight"}
 *
 * A tied tensor has no draw: there is one draw and one line in the ledger, those of the other tensor. The file of
 * the model has the other tensor only, and its metadata has "lm_head.weight":"wte.weight" (model.h). The other
 * tensor may be tied itself; then both are the same as the last one of that chain. */
#ifndef SOWER_PROTO_TIES_H
#define SOWER_PROTO_TIES_H

#include <stdbool.h>

#include "core/attributes.h"
#include "core/problem.h"
#include "proto/manifest.h"

/* Replaces each tied tensor's `same_as` by the last tensor of its chain, sets its dtype to the dtype of that tensor, and
 * counts the tied tensors. Before, a tied tensor has the dtype that the manifest gives it, or SOWER_DTYPE_COUNT if
 * it gives none. Refuses (UNPROCESSABLE, field "tensors") a chain that never ends, another shape or dtype, and a
 * name that the metadata of a model's file uses already. */
SOWER_MUST_USE bool sower_ties_resolve(struct sower_manifest *manifest, struct sower_problem *problem);

#endif
