/* Manifests as people write them: tensors by name and shape, and what is said of many of them at once.
 *
 *   {"experiment":"e", "trial":3,
 *    "tensors":[{"name":"a.weight","shape":[32,16]}, {"name":"a.bias","shape":[32],"init":"zeros"}],
 *    "recipe":"gpt2", "layers":12,
 *    "rules":[{"match":"*.bias","init":"zeros"}],
 *    "defaults":{"init":"normal(std=0.02)","dtype":"f32"}}
 *
 * For each field of each tensor (init, dtype, layout …), what the tensor says itself wins; then the first
 * rule that matches and gives the field (rules.h); then the recipe's rules (recipes.h); then the defaults.
 * Expressions may hold formulas (formula.h). Only `tensors` is required, and every tensor needs an init from
 * somewhere. `layers`, for formulas, is otherwise the greatest block number of any name (the first part of it
 * that is all digits) plus one.
 *
 * Reading takes some ten microseconds a tensor, and memory for the tensors that come out, no more than once:
 * the JSON of one tensor is looked at at a time. */
#ifndef SOWER_PROTO_MANIFEST_READ_H
#define SOWER_PROTO_MANIFEST_READ_H

#include <stdbool.h>
#include <stddef.h>

#include "core/problem.h"
#include "proto/manifest.h"

/* Reads a manifest's text; the manifest is released with sower_manifest_free, also after a problem. A problem
 * of one tensor carries the field "tensors" and names it. */
bool sower_manifest_read(const char *text, size_t length, struct sower_manifest *manifest,
                         struct sower_problem *problem);

#endif
