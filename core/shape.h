/* Shapes and regions: how many elements, and which ones.
 *
 * Elements are numbered in C order (the last axis runs fastest). A shape of rank 0 is a scalar: one
 * element. A shape with a size of 0 is valid and has no elements. A region is a box inside a shape,
 * half-open on each axis. It has its own shape and its own numbering: element n of a region is the n-th
 * of its elements in C order. */
#ifndef SOWER_CORE_SHAPE_H
#define SOWER_CORE_SHAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/attributes.h"
#include "core/dtype.h"
#include "core/problem.h"

enum { SOWER_RANK_MAX = 8 };

/* The greatest size of one axis: 2^63 - 1. */
#define SOWER_SIZE_MAX ((uint64_t)INT64_MAX)

struct sower_shape {
    size_t rank;
    uint64_t sizes[SOWER_RANK_MAX];
};

struct sower_region {
    size_t rank;
    uint64_t start[SOWER_RANK_MAX];
    uint64_t stop[SOWER_RANK_MAX]; /* start ≤ stop ≤ size of the axis */
};

/* Runs of neighbouring elements of the whole tensor, at equal distances. A box consists of such runs. */
struct sower_runs {
    uint64_t first;  /* index in the whole tensor of the first element of the first run */
    uint64_t length; /* elements of one run */
    uint64_t stride; /* from the start of one run to that of the next; at least length, unless count is 1 */
    uint64_t count;  /* the number of runs */
};

/* Refuses a rank above SOWER_RANK_MAX. The field is "shape". */
SOWER_MUST_USE bool sower_shape_check_rank(size_t rank, struct sower_problem *problem);

/* Refuses a rank above SOWER_RANK_MAX, a size above SOWER_SIZE_MAX, and more elements than one stream
 * has words for `dtype` (2^36; f64: 2^35). The field is "shape". */
SOWER_MUST_USE bool sower_shape_check(const struct sower_shape *shape, enum sower_dtype dtype,
                                      struct sower_problem *problem);

/* The number of elements of a shape that has passed sower_shape_check. */
uint64_t sower_shape_count(const struct sower_shape *shape);

struct sower_region sower_region_whole(const struct sower_shape *shape);
struct sower_shape sower_region_shape(const struct sower_region *region);

/* The runs that contain elements n, n + 1, … of the region: at least one element and at most `limit`.
 * limit is at least 1, and n + limit at most the region's number of elements. The result is either one
 * run, which may be cut at both ends, or several whole runs along one axis. */
struct sower_runs sower_region_runs(const struct sower_shape *shape, const struct sower_region *region,
                                    uint64_t n, uint64_t limit);

/* The number of elements of the region whose index in the whole tensor is below `index`. The region has elements. */
uint64_t sower_region_before(const struct sower_shape *shape, const struct sower_region *region,
                             uint64_t index);

#endif
