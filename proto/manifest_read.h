/* Reads manifests as people write them: tensors by name and shape, and fields for many tensors at once.
 *
 *   {"experiment":"e", "trial":3,
 *    "tensors":[{"name":"a.weight","shape":[32,16]}, {"name":"a.bias","shape":[32],"init":"zeros"}],
 *    "recipe":"hf_gpt2", "layers":12,
 *    "rules":[{"match":"*.bias","init":"zeros"}],
 *    "defaults":{"init":"normal(std=0.02)","dtype":"f32"}}
 *
 * Each field of each tensor (init, dtype, layout …) comes from the first of these that gives it: the tensor
 * itself; the rules that match, in their order (rules.h); the recipe's rules (recipes.h); the defaults.
 * Expressions may contain formulas (formula.h). Only `tensors` is required, and every tensor must get an init, or
 * a same_as (ties.h).
 * `layers` is for formulas; without it, the names give the number (tensor_names.h).
 *
 * Reading takes about ten microseconds for each tensor. It needs memory for the resulting tensors once, because
 * only the JSON of one tensor is loaded at a time. */
#ifndef SOWER_PROTO_MANIFEST_READ_H
#define SOWER_PROTO_MANIFEST_READ_H

#include <stdbool.h>
#include <stddef.h>

#include "core/attributes.h"
#include "core/problem.h"
#include "proto/manifest.h"

/* Reads a manifest's text. The caller releases the manifest with sower_manifest_free, also after a problem. A
 * problem of one tensor has the field "tensors" and names the tensor. */
SOWER_MUST_USE bool sower_manifest_read(const char *text, size_t length, struct sower_manifest *manifest,
                                        struct sower_problem *problem);

/* The same for a manifest that may have `slices` (model_slices.h) besides. *slices is a new reference to their value, unchecked, or
 * NULL without them; the caller releases it, also after a problem. `slices` may be NULL: as above. */
SOWER_MUST_USE bool sower_manifest_read_sliced(const char *text, size_t length,
                                               struct sower_manifest *manifest, json_t **slices,
                                               struct sower_problem *problem);

/* Whether a text is that of a manifest and not of a request for one tensor: a JSON object with a member "tensors", written
 * without escapes. Nothing else is checked. Allocates nothing. */
SOWER_MUST_USE bool sower_manifest_is(const char *text, size_t length);

#endif
