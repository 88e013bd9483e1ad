#include "core/layout.h"

const char *sower_layout_name(enum sower_layout_order order)
{
    return order == SOWER_LAYOUT_IO ? "io" : "oi";
}

static sower_axes axis_bit(size_t axis)
{
    return (sower_axes)(1u << axis);
}

static sower_axes all_axes(size_t rank)
{
    return (sower_axes)((1u << rank) - 1);
}

static size_t count_axes(sower_axes axes)
{
    return (size_t)__builtin_popcount(axes);
}

static sower_axes entry_axes(const struct sower_layout *layout, size_t rank)
{
    return (sower_axes)(all_axes(rank) & ~layout->batch_axes);
}

size_t sower_layout_rank_of_entry(const struct sower_layout *layout, size_t rank)
{
    return count_axes(entry_axes(layout, rank));
}

/* Of the axes that are no batch axes: axis `n`, counted from 0. Empty when there are fewer than two. */
static sower_axes axis_of_entry(const struct sower_layout *layout, size_t rank, size_t n)
{
    sower_axes left = entry_axes(layout, rank);
    if (count_axes(left) < 2) {
        return 0;
    }
    while (n-- > 0) {
        left = (sower_axes)(left & (left - 1)); /* without the lowest bit */
    }
    return (sower_axes)(left & -left);
}

sower_axes sower_layout_in_axes(const struct sower_layout *layout, size_t rank)
{
    if (layout->has_in_axes) {
        return layout->in_axes;
    }
    size_t last = sower_layout_rank_of_entry(layout, rank) - 1;
    return axis_of_entry(layout, rank, layout->order == SOWER_LAYOUT_OI ? 1 : last - 1);
}

sower_axes sower_layout_out_axes(const struct sower_layout *layout, size_t rank)
{
    if (layout->has_out_axes) {
        return layout->out_axes;
    }
    size_t last = sower_layout_rank_of_entry(layout, rank) - 1;
    return axis_of_entry(layout, rank, layout->order == SOWER_LAYOUT_OI ? 0 : last);
}

sower_axes sower_layout_space_axes(const struct sower_layout *layout, size_t rank)
{
    unsigned channels = sower_layout_in_axes(layout, rank) | sower_layout_out_axes(layout, rank);
    return (sower_axes)(entry_axes(layout, rank) & ~channels);
}

static bool check_axes(sower_axes axes, size_t rank, const char *field, struct sower_problem *problem)
{
    if (axes >> rank == 0) {
        return true;
    }
    if (rank == 0) {
        return sower_problem_set(problem, SOWER_PROBLEM_INVALID, field,
                                 "An axis is outside of the shape: a scalar has no axes.");
    }
    return sower_problem_set(problem, SOWER_PROBLEM_INVALID, field,
                             "An axis is outside of the shape: the axes of this tensor are 0 to %zu.",
                             rank - 1);
}

bool sower_axes_product(const struct sower_shape *shape, sower_axes axes, uint64_t *product)
{
    bool empty = false;
    *product = 1;
    for (size_t axis = 0; axis < shape->rank; axis++) {
        empty = empty || ((axes & axis_bit(axis)) != 0 && shape->sizes[axis] == 0);
    }
    for (size_t axis = 0; axis < shape->rank && !empty; axis++) {
        if ((axes & axis_bit(axis)) != 0 &&
            (__builtin_mul_overflow(*product, shape->sizes[axis], product) || *product > SOWER_SIZE_MAX)) {
            return false;
        }
    }
    *product = empty ? 0 : *product;
    return true;
}

/* The fan of one side, whose axes are `own`: `given` if it is not 0, else the product from the shape. */
static bool fan(const struct sower_layout *layout, const struct sower_shape *shape, sower_axes own,
                uint64_t given, uint64_t *fan)
{
    sower_axes space = sower_layout_space_axes(layout, shape->rank);
    *fan = given;
    if (given != 0) {
        return true;
    }
    return sower_axes_product(shape, (sower_axes)(space | own), fan);
}

static bool fan_in(const struct sower_layout *layout, const struct sower_shape *shape, uint64_t *value)
{
    return fan(layout, shape, sower_layout_in_axes(layout, shape->rank), layout->fan_in, value);
}

static bool fan_out(const struct sower_layout *layout, const struct sower_shape *shape, uint64_t *value)
{
    return fan(layout, shape, sower_layout_out_axes(layout, shape->rank), layout->fan_out, value);
}

static bool refuse_fan(const char *which, struct sower_problem *problem)
{
    return sower_problem_set(
        problem, SOWER_PROBLEM_TOO_LARGE, "shape",
        "%s, a product of sizes of this shape, is above 2^63 - 1. Give %s explicitly, or "
        "use smaller sizes.",
        which, which);
}

bool sower_layout_check(const struct sower_layout *layout, const struct sower_shape *shape,
                        struct sower_problem *problem)
{
    const size_t rank = shape->rank;
    uint64_t value;
    sower_axes in = sower_layout_in_axes(layout, rank);
    sower_axes out = sower_layout_out_axes(layout, rank);
    if (!check_axes(in, rank, "in_axis", problem) || !check_axes(out, rank, "out_axis", problem) ||
        !check_axes(layout->batch_axes, rank, "batch_axis", problem)) {
        return false;
    }
    if ((layout->batch_axes & (in | out)) != 0) {
        return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "batch_axis",
                                 "An axis is a batch axis and also an in or out axis; name it once.");
    }
    if ((in & out) != 0) {
        return sower_problem_set(
            problem, SOWER_PROBLEM_INVALID, layout->has_in_axes ? "in_axis" : "out_axis",
            "An axis is both an in axis and an out axis. Give both in_axis and out_axis.");
    }
    if (!fan_in(layout, shape, &value)) {
        return refuse_fan("fan_in", problem);
    }
    return fan_out(layout, shape, &value) || refuse_fan("fan_out", problem);
}

struct sower_fans sower_layout_fans(const struct sower_layout *layout, const struct sower_shape *shape)
{
    struct sower_fans fans;
    /* Cannot fail: sower_layout_check has computed both. */
    (void)fan_in(layout, shape, &fans.in);
    (void)fan_out(layout, shape, &fans.out);
    return fans;
}
