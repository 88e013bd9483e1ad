/* The names of a manifest's tensors: duplicates, and neighbours.
 *
 * The components of a name are separated by "." or "/". A path leads from one tensor to another: each "../" at its
 * beginning removes a component, then the rest of the path replaces the last component. From "attn.out_proj.bias", "weight"
 * leads to "attn.out_proj.weight", and "../in_proj_weight" to "attn.in_proj_weight". */
#ifndef SOWER_PROTO_TENSOR_NAMES_H
#define SOWER_PROTO_TENSOR_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/attributes.h"
#include "core/problem.h"
#include "proto/manifest.h"

enum { SOWER_TENSOR_NAME_SHOWN = 200 }; /* the most bytes of a tensor's name in a sentence */

/* Sets *by_name to the indices of the tensors, sorted by their names; the caller frees it, also after a problem.
 * Refuses two tensors with the same name (field "tensors"). The manifest has at least one tensor. */
SOWER_MUST_USE bool sower_tensor_names_sort(const struct sower_manifest *manifest, uint32_t **by_name,
                                            struct sower_problem *problem);

/* Finds the tensor with this name. */
SOWER_MUST_USE bool sower_tensor_names_find(const struct sower_manifest *manifest, const uint32_t *by_name,
                                            const char *name, size_t *found);

/* Finds the tensor to which a path (`length` bytes) leads from tensor number `tensor`. That may be the tensor itself.
 * False if there is no such tensor. */
SOWER_MUST_USE bool sower_tensor_names_beside(const struct sower_manifest *manifest, const uint32_t *by_name,
                                              size_t tensor, const char *path, size_t length, size_t *found);

#endif
