#include "core/shape.h"

#include <inttypes.h>

#include "core/stream.h"

bool sower_shape_check_rank(size_t rank, struct sower_problem *problem)
{
    return rank <= SOWER_RANK_MAX ||
           sower_problem_set(problem, SOWER_PROBLEM_INVALID, "shape",
                             "A tensor has at most %d dimensions; this one has %zu.", SOWER_RANK_MAX, rank);
}

bool sower_shape_check(const struct sower_shape *shape, enum sower_dtype dtype, struct sower_problem *problem)
{
    if (!sower_shape_check_rank(shape->rank, problem)) {
        return false;
    }
    bool empty = false;
    for (size_t axis = 0; axis < shape->rank; axis++) {
        if (shape->sizes[axis] > SOWER_SIZE_MAX) {
            return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "shape",
                                     "The size of a dimension must be at most 2^63 - 1.");
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
                                     " elements, because one stream has no more words. Split it into "
                                     "several tensors with different names.",
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
            return 0; /* checked first, because the product of the other sizes may overflow */
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

/* The position of one element of a region. */
struct place {
    uint64_t index;     /* of the element in the whole tensor */
    uint64_t length;    /* of the runs of the region */
    uint64_t offset;    /* of the element in its run */
    uint64_t stride;    /* from its run to the next one, along the last axis that the runs do not cover */
    uint64_t following; /* the number of runs that follow along that axis */
};

static struct place region_place(const struct sower_shape *shape, const struct sower_region *region,
                                 uint64_t n)
{
    struct place place = {.length = 1};
    uint64_t stride = 1; /* elements of the whole tensor in one step along `axis` */
    bool joined = true;  /* the region has all of every later axis, so this axis lengthens the run */
    for (size_t axis = shape->rank; axis-- > 0;) {
        uint64_t taken = region->stop[axis] - region->start[axis];
        uint64_t step = n % taken;
        n /= taken;
        place.index += (region->start[axis] + step) * stride;
        if (joined) {
            place.offset += step * place.length;
            place.length *= taken;
            joined = taken == shape->sizes[axis];
        } else if (place.stride == 0) {
            place.stride = stride;
            place.following = taken - 1 - step;
        }
        stride *= shape->sizes[axis];
    }
    return place;
}

static uint64_t smaller(uint64_t one, uint64_t other)
{
    return one < other ? one : other;
}

struct sower_runs sower_region_runs(const struct sower_shape *shape, const struct sower_region *region,
                                    uint64_t n, uint64_t limit)
{
    struct place place = region_place(shape, region, n);
    if (place.offset != 0 || limit < place.length) {
        return (struct sower_runs){place.index, smaller(place.length - place.offset, limit), place.stride, 1};
    }
    return (struct sower_runs){place.index, place.length, place.stride,
                               smaller(place.following + 1, limit / place.length)};
}

uint64_t sower_region_before(const struct sower_shape *shape, const struct sower_region *region,
                             uint64_t index)
{
    /* From the last axis on: how many of the elements that share the earlier indices lie before. */
    uint64_t before = 0, block = 1;
    for (size_t axis = shape->rank; axis-- > 0;) {
        uint64_t at = index % shape->sizes[axis], taken = region->stop[axis] - region->start[axis];
        index /= shape->sizes[axis];
        if (at < region->start[axis]) {
            before = 0;
        } else if (at >= region->stop[axis]) {
            before = taken * block;
        } else {
            before += (at - region->start[axis]) * block;
        }
        block *= taken;
    }
    return index > 0 ? block : before;
}
