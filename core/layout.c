#include "core/layout.h"

const char *sower_layout_name(enum sower_layout_order order)
{
    return order == SOWER_LAYOUT_IO ? "io" : "oi";
}

static sower_axes axis_bit(size_t axis)
{
    return (sower_axes)(1u << axis);
}

sower_axes sower_layout_in_axes(const struct sower_layout *layout, size_t rank)
{
    if (layout->has_in_axes) {
        return layout->in_axes;
    }
    if (rank < 2) {
        return 0;
    }
    return axis_bit(layout->order == SOWER_LAYOUT_OI ? 1 : rank - 2);
}

sower_axes sower_layout_out_axes(const struct sower_layout *layout, size_t rank)
{
    if (layout->has_out_axes) {
        return layout->out_axes;
    }
    if (rank < 2) {
        return 0;
    }
    return axis_bit(layout->order == SOWER_LAYOUT_OI ? 0 : rank - 1);
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

/* Multiplies the sizes of some axes; false when the product is above 2^63 - 1. */
static bool multiply(const struct sower_shape *shape, sower_axes axes, uint64_t *product)
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
    sower_axes in = sower_layout_in_axes(layout, shape->rank);
    sower_axes out = sower_layout_out_axes(layout, shape->rank);
    sower_axes all = (sower_axes)((1u << shape->rank) - 1);
    sower_axes not_receptive = (sower_axes)(in | out | layout->batch_axes);
    *fan = given;
    if (given != 0) {
        return true;
    }
    if (shape->rank == 1 && not_receptive == 0) {
        *fan = shape->sizes[0];
        return true;
    }
    return multiply(shape, (sower_axes)(all & ~(not_receptive & ~own)), fan);
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
                                 "An axis is a batch axis and also an in or out axis. If batch_axis replaces "
                                 "an axis of the layout, "
                                 "give in_axis and out_axis too.");
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
