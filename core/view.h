/* Views: the axes of a tensor in a few groups, and the place of an element in each group.
 *
 * A structure sees a weight as groups of axes: batch axes, out axes, in axes, and the others, which are
 * spatial. The place of an element in a group is the number, in C order, of its indices along the axes of this
 * group, as if the tensor had no other axes. So a structure needs not know where in the shape its axes are, and
 * each batch entry is an array with the same places. */
#ifndef SOWER_CORE_VIEW_H
#define SOWER_CORE_VIEW_H

#include <stddef.h>
#include <stdint.h>

#include "core/layout.h"
#include "core/shape.h"

/* The groups of a weight. Other views number their groups in their own way. */
enum sower_group { SOWER_GROUP_BATCH, SOWER_GROUP_OUT, SOWER_GROUP_IN, SOWER_GROUP_SPACE, SOWER_GROUP_COUNT };

struct sower_view {
    /* Neighbouring axes of one group are one axis here, and axes of size 1 are left out. */
    size_t rank;
    struct {
        size_t group;
        uint64_t size;
        uint64_t step; /* the place in the group grows by this much with each step along the axis */
    } axes[SOWER_RANK_MAX];
    uint64_t sizes[SOWER_GROUP_COUNT]; /* the number of places in each group */
};

/* Neighbouring elements. From one to the next, the place in group `moving` grows by 1; all others stay. */
struct sower_steps {
    uint64_t place[SOWER_GROUP_COUNT]; /* of the first element */
    size_t moving;
    uint64_t count; /* of elements, at least 1 */
};

/* The view of a shape that has elements. Each axis is in one of the groups. */
struct sower_view sower_view_make(const struct sower_shape *shape,
                                  const sower_axes groups[SOWER_GROUP_COUNT]);

/* The same with the four groups of the layout. */
struct sower_view sower_view_of_layout(const struct sower_shape *shape, const struct sower_layout *layout);

/* The steps from element `index` of the whole tensor: to the end of the view's last axis, but at most `limit`
 * elements; limit is at least 1. */
struct sower_steps sower_view_steps(const struct sower_view *view, uint64_t index, uint64_t limit);

#endif
