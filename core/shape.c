#include "shape.h"

#include <inttypes.h>

#include "stream.h"

bool sower_shape_check(const struct sower_shape *shape, enum sower_dtype dtype, struct sower_problem *problem)
{
    if (shape->rank > SOWER_RANK_MAX) {
        return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "shape",
                                 "A tensor has at most %d dimensions, this one has %zu.", SOWER_RANK_MAX,
                                 shape->rank);
    }
    bool empty = false;
    for (size_t axis = 0; axis < shape->rank; axis++) {
        if (shape->sizes[axis] > SOWER_SIZE_MAX) {
            return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "shape",
                                     "A dimension is at most 2^63 - 1.");
        }
        empty = empty || shape->sizes[axis] == 0;
    }
    if (empty) {
        return true;
    }
    const uint64_t limit = SOWER_STREAM_SIZE / sower_dtype_word_size(dtype);
    uint64_t count = 1;
    for (size_t axis = 0; axis < shape->rank; axis++) {
        if (shape->sizes[axis] > limit / count) {
            return sower_problem_set(problem, SOWER_PROBLEM_TOO_LARGE, "shape",
                                     "A tensor of %s has at most %" PRIu64
                                     " elements: one stream holds no more. Split it into "
                                     "tensors with names of their own.",
                                     sower_dtype_name(dtype), limit);
        }
        count *= shape->sizes[axis];
    }
    return true;
}

uint64_t sower_shape_count(const struct sower_shape *shape)
{
    for (size_t axis = 0; axis < shape->rank; axis++) {
        if (shape->sizes[axis] == 0) {
            return 0; /* first, because the product of the others may be anything */
        }
    }
    uint64_t count = 1;
    for (size_t axis = 0; axis < shape->rank; axis++) {
        count *= shape->sizes[axis];
    }
    return count;
}

struct sower_region sower_region_whole(const struct sower_shape *shape)
{
    struct sower_region region = {.rank = shape->rank};
    for (size_t axis = 0; axis < shape->rank; axis++) {
        region.stop[axis] = shape->sizes[axis];
    }
    return region;
}

struct sower_shape sower_region_shape(const struct sower_region *region)
{
    struct sower_shape shape = {.rank = region->rank};
    for (size_t axis = 0; axis < region->rank; axis++) {
        shape.sizes[axis] = region->stop[axis] - region->start[axis];
    }
    return shape;
}

struct sower_run sower_region_run(const struct sower_shape *shape, const struct sower_region *region,
                                  uint64_t n)
{
    /* From the last axis on: `index` becomes the place in the whole tensor, `stride` the elements that one
     * step of the axis spans there, and `length` how many elements of the region lie side by side from the
     * start of the run. */
    uint64_t index = 0, stride = 1, length = 1, offset = 0;
    bool joined = true; /* all axes behind this one are taken whole */
    uint64_t rest = n;
    for (size_t axis = shape->rank; axis-- > 0;) {
        uint64_t taken = region->stop[axis] - region->start[axis];
        uint64_t step = rest % taken;
        rest /= taken;
        index += (region->start[axis] + step) * stride;
        if (joined) {
            offset += step * length;
            length *= taken;
            joined = taken == shape->sizes[axis];
        }
        stride *= shape->sizes[axis];
    }
    return (struct sower_run){.first = index, .count = length - offset};
}
