/* Slices and shards: two ways to ask for a region of a tensor.
 *
 *   slice = range { "," range }            range = [ integer ] ":" [ integer ]
 *   shard = cut { "," cut }                cut   = axis ":" rank "/" count
 *
 * A slice has the meaning that it has in NumPy: half-open, one range per axis from the first on, a missing bound
 * is the axis's own end, negative bounds count from the end, bounds beyond the axis are moved to its end, and axes
 * without a range are whole. There are no steps, and no single indices, which would drop an axis.
 *
 * A shard cuts an axis of size n into `count` pieces as torch.chunk does: each has ⌈n / count⌉, the last ones are
 * shorter or empty. `rank` counts from 0. Axes that are not named are whole. */
#ifndef SOWER_PROTO_SLICE_H
#define SOWER_PROTO_SLICE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/attributes.h"
#include "core/problem.h"
#include "core/shape.h"

/* The region of a shape that a slice or shard selects; problems have the field "slice" or "shard". */
SOWER_MUST_USE bool sower_slice_parse(const char *text, size_t length, const struct sower_shape *shape,
                                      struct sower_region *region, struct sower_problem *problem);
SOWER_MUST_USE bool sower_shard_parse(const char *text, size_t length, const struct sower_shape *shape,
                                      struct sower_region *region, struct sower_problem *problem);

#endif
