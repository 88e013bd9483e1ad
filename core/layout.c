#include "layout.h"

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
    if (axes >> rank != 0) {
        return sower_problem_set(
            problem, SOWER_PROBLEM_INVALID, field,
            "An axis lies outside of the shape: a tensor of %zu dimensions has axes 0 to %zu.", rank,
            rank == 0 ? 0 : rank - 1);
    }
    return true;
}

bool sower_layout_check(const struct sower_layout *layout, size_t rank, struct sower_problem *problem)
{
    sower_axes in = sower_layout_in_axes(layout, rank);
    sower_axes out = sower_layout_out_axes(layout, rank);
    if (!check_axes(in, rank, "in_axis", problem) || !check_axes(out, rank, "out_axis", problem) ||
        !check_axes(layout->batch_axes, rank, "batch_axis", problem)) {
        return false;
    }
    if ((layout->batch_axes & (in | out)) != 0) {
        return sower_problem_set(
            problem, SOWER_PROBLEM_INVALID, "batch_axis",
            "An axis is both a batch axis and an in or out axis; name in_axis and out_axis as well "
            "when batch_axis takes the place of the layout's own.");
    }
    if ((in & out) != 0) {
        return sower_problem_set(
            problem, SOWER_PROBLEM_INVALID, layout->has_in_axes ? "in_axis" : "out_axis",
            "An axis is both an in axis and an out axis; name both in_axis and out_axis.");
    }
    return true;
}

/* The product of the sizes of some axes. Only an empty tensor can have axes whose product overflows: it
 * saturates. */
static uint64_t product(const struct sower_shape *shape, sower_axes axes)
{
    uint64_t result = 1;
    for (size_t axis = 0; axis < shape->rank; axis++) {
        if ((axes & axis_bit(axis)) != 0 && __builtin_mul_overflow(result, shape->sizes[axis], &result)) {
            result = UINT64_MAX;
        }
    }
    return result;
}

struct sower_fans sower_layout_fans(const struct sower_layout *layout, const struct sower_shape *shape)
{
    sower_axes in = sower_layout_in_axes(layout, shape->rank);
    sower_axes out = sower_layout_out_axes(layout, shape->rank);
    sower_axes all = (sower_axes)((1u << shape->rank) - 1);
    struct sower_fans fans;
    if (shape->rank == 1 && in == 0 && out == 0 && layout->batch_axes == 0) {
        fans.in = fans.out = shape->sizes[0];
    } else {
        sower_axes not_receptive = (sower_axes)(in | out | layout->batch_axes);
        fans.in = product(shape, (sower_axes)(all & ~(not_receptive & ~in)));
        fans.out = product(shape, (sower_axes)(all & ~(not_receptive & ~out)));
    }
    if (layout->fan_in != 0) {
        fans.in = layout->fan_in;
    }
    if (layout->fan_out != 0) {
        fans.out = layout->fan_out;
    }
    return fans;
}
