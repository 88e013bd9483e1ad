/* Shapes and regions: how many elements, and which.
 *
 * Elements are counted in C order (the last axis runs fastest). A shape of rank 0 is a scalar: one element. A
 * shape with a zero among its sizes has no elements and is valid. A region is a box inside a shape, half-open
 * per axis; it has a shape of its own, and an order of its own: element n of a region is the n-th of its
 * elements in C order. */
#ifndef SOWER_CORE_SHAPE_H
#define SOWER_CORE_SHAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dtype.h"
#include "problem.h"

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

/* A maximal run of elements that lie side by side both in a region and in the whole tensor. */
struct sower_run {
    uint64_t first; /* index in the whole tensor */
    uint64_t count; /* elements from there on */
};

/* Refuses a rank above SOWER_RANK_MAX, a size above SOWER_SIZE_MAX, and more elements than one stream has
 * words for `dtype` (2^36; f64: 2^35), naming the field "shape". */
bool sower_shape_check(const struct sower_shape *shape, enum sower_dtype dtype,
                       struct sower_problem *problem);

/* How many elements; the shape must have passed sower_shape_check. */
uint64_t sower_shape_count(const struct sower_shape *shape);

struct sower_region sower_region_whole(const struct sower_shape *shape);
struct sower_shape sower_region_shape(const struct sower_region *region);

/* The run that holds element `n` of the region (n below its count), from that element on: up to the end of
 * the run, which spans as many trailing axes as the region takes whole. */
struct sower_run sower_region_run(const struct sower_shape *shape, const struct sower_region *region,
                                  uint64_t n);

#endif
