#include "proto/slice.h"

#include <stdint.h>
#include <string.h>

#include "proto/text.h"

/* A piece of text between separators. */
struct piece {
    const char *text;
    size_t length;
};

/* Takes the piece before the next `separator` from `rest`, or all of it without a separator. False when nothing
 * is left: then `rest->text` is NULL. */
static bool cut(struct piece *rest, char separator, struct piece *piece)
{
    if (rest->text == NULL) {
        return false;
    }
    const char *end = memchr(rest->text, separator, rest->length);
    size_t length = end == NULL ? rest->length : (size_t)(end - rest->text);
    *piece = (struct piece){rest->text, length};
    *rest = end == NULL ? (struct piece){NULL, 0} : (struct piece){end + 1, rest->length - length - 1};
    return true;
}

static bool refuse(struct sower_problem *problem, const char *field, struct piece piece, const char *expected)
{
    char quote[SOWER_QUOTE_SIZE];
    sower_text_quote(piece.text, piece.length, quote);
    return sower_problem_set(problem, SOWER_PROBLEM_INVALID, field, "%s is %s.", quote, expected);
}

/* Reads a bound as NumPy does, for an axis of `size`; an empty piece gives the `fallback`. */
static bool read_bound(struct piece piece, uint64_t size, uint64_t fallback, uint64_t *bound)
{
    if (piece.length == 0) {
        *bound = fallback;
        return true;
    }
    int64_t given;
    if (!sower_text_integer(piece.text, piece.length, &given)) {
        return false;
    }
    if (given < 0) {
        uint64_t back = (uint64_t)-given;
        *bound = back < size ? size - back : 0;
    } else {
        *bound = (uint64_t)given < size ? (uint64_t)given : size;
    }
    return true;
}

static bool read_range(struct piece range, uint64_t size, uint64_t *start, uint64_t *stop,
                       struct sower_problem *problem)
{
    struct piece whole = range;
    struct piece first;
    struct piece second;
    struct piece third;
    cut(&range, ':', &first);
    if (!cut(&range, ':', &second)) {
        return refuse(problem, "slice", whole,
                      "not a range; write one start:stop for each axis, as in 0:512,: (a single index would "
                      "drop an axis, i:i+1 keeps it)");
    }
    if (cut(&range, ':', &third)) {
        return refuse(problem, "slice", whole, "a range with a step; slices are start:stop, without steps");
    }
    if (!read_bound(first, size, 0, start) || !read_bound(second, size, size, stop)) {
        return refuse(problem, "slice", whole,
                      "not a range of whole numbers; write start:stop, either of which may be left out or "
                      "negative, in plain decimal digits and at most 2^63 - 1");
    }
    if (*stop < *start) {
        *stop = *start; /* as in NumPy: empty */
    }
    return true;
}

bool sower_slice_parse(const char *text, size_t length, const struct sower_shape *shape,
                       struct sower_region *region, struct sower_problem *problem)
{
    struct piece rest = {text, length};
    struct piece range;
    *region = sower_region_whole(shape);
    for (size_t axis = 0; cut(&rest, ',', &range); axis++) {
        if (axis == shape->rank) {
            return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "slice",
                                     "The slice has more ranges than the tensor has axes (%zu).",
                                     shape->rank);
        }
        if (!read_range(range, shape->sizes[axis], &region->start[axis], &region->stop[axis], problem)) {
            return false;
        }
    }
    return true;
}

/* One cut of a shard. */
struct axis_cut {
    int64_t axis, rank, count;
};

static bool read_cut(struct piece text, struct axis_cut *cut_to)
{
    struct piece axis;
    struct piece rank;
    return cut(&text, ':', &axis) && cut(&text, '/', &rank) && text.text != NULL &&
           sower_text_integer(axis.text, axis.length, &cut_to->axis) &&
           sower_text_integer(rank.text, rank.length, &cut_to->rank) &&
           sower_text_integer(text.text, text.length, &cut_to->count);
}

/* Narrows one axis of the region; `cut_axes` has bit a for each axis a that has been cut before. */
static bool apply_cut(struct piece text, const struct sower_shape *shape, struct sower_region *region,
                      unsigned *cut_axes, struct sower_problem *problem)
{
    struct axis_cut cut_to;
    if (!read_cut(text, &cut_to)) {
        return refuse(
            problem, "shard", text,
            "not a shard; write axis:rank/count, as in 0:3/8 for the fourth of eight pieces of axis 0, "
            "in plain decimal digits and at most 2^63 - 1");
    }
    int64_t dimensions = (int64_t)shape->rank;
    if (cut_to.axis < -dimensions || cut_to.axis >= dimensions) {
        return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "shard",
                                 "There is no axis %lld to cut: the tensor has %zu axes.",
                                 (long long)cut_to.axis, shape->rank);
    }
    if (cut_to.count < 1 || cut_to.rank < 0 || cut_to.rank >= cut_to.count) {
        return refuse(problem, "shard", text,
                      "out of range: in axis:rank/count, count is at least 1 and rank from 0 to count - 1");
    }
    size_t axis = (size_t)(cut_to.axis < 0 ? cut_to.axis + dimensions : cut_to.axis);
    if ((*cut_axes >> axis & 1) != 0) {
        return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "shard",
                                 "Axis %zu is cut twice; name each axis once.", axis);
    }
    *cut_axes |= 1u << axis;
    /* (count - 1) · ⌈size / count⌉ < size + count, so nothing here overflows */
    uint64_t size = shape->sizes[axis];
    uint64_t count = (uint64_t)cut_to.count;
    uint64_t piece = size / count + (size % count != 0);
    uint64_t start = (uint64_t)cut_to.rank * piece;
    region->start[axis] = start < size ? start : size;
    region->stop[axis] = size - region->start[axis] < piece ? size : region->start[axis] + piece;
    return true;
}

bool sower_shard_parse(const char *text, size_t length, const struct sower_shape *shape,
                       struct sower_region *region, struct sower_problem *problem)
{
    struct piece rest = {text, length};
    struct piece part;
    unsigned cut_axes = 0;
    *region = sower_region_whole(shape);
    while (cut(&rest, ',', &part)) {
        if (!apply_cut(part, shape, region, &cut_axes, problem)) {
            return false;
        }
    }
    return true;
}
