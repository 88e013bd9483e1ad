#include "core/view.h"

static size_t group_of(const sower_axes groups[SOWER_GROUP_COUNT], size_t axis)
{
    size_t group = 0;
    while ((groups[group] >> axis & 1) == 0) {
        group++;
    }
    return group;
}

struct sower_view sower_view_make(const struct sower_shape *shape, const sower_axes groups[SOWER_GROUP_COUNT])
{
    struct sower_view view = {.sizes = {1, 1, 1, 1}};
    for (size_t axis = 0; axis < shape->rank; axis++) {
        size_t group = group_of(groups, axis);
        if (shape->sizes[axis] == 1) {
            continue;
        }
        if (view.rank == 0 || view.axes[view.rank - 1].group != group) {
            view.axes[view.rank].group = group;
            view.axes[view.rank++].size = 1;
        }
        view.axes[view.rank - 1].size *= shape->sizes[axis];
        view.sizes[group] *= shape->sizes[axis];
    }
    uint64_t steps[SOWER_GROUP_COUNT] = {1, 1, 1, 1};
    for (size_t axis = view.rank; axis-- > 0;) {
        view.axes[axis].step = steps[view.axes[axis].group];
        steps[view.axes[axis].group] *= view.axes[axis].size;
    }
    return view;
}

struct sower_view sower_view_of_layout(const struct sower_shape *shape, const struct sower_layout *layout)
{
    const sower_axes groups[SOWER_GROUP_COUNT] = {
        [SOWER_GROUP_BATCH] = layout->batch_axes,
        [SOWER_GROUP_OUT] = sower_layout_out_axes(layout, shape->rank),
        [SOWER_GROUP_IN] = sower_layout_in_axes(layout, shape->rank),
        [SOWER_GROUP_SPACE] = sower_layout_space_axes(layout, shape->rank),
    };
    return sower_view_make(shape, groups);
}

struct sower_steps sower_view_steps(const struct sower_view *view, uint64_t index, uint64_t limit)
{
    struct sower_steps steps = {.count = 1};
    for (size_t axis = view->rank; axis-- > 0;) {
        uint64_t size = view->axes[axis].size, at = index % size;
        index /= size;
        steps.place[view->axes[axis].group] += at * view->axes[axis].step;
        if (axis == view->rank - 1) {
            steps.moving = view->axes[axis].group;
            steps.count = size - at < limit ? size - at : limit;
        }
    }
    return steps;
}
