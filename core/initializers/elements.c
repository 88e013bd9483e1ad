#include "core/initializers/elements.h"

#include <string.h>

#include "core/view.h"

enum { BATCH, IN_ENTRY }; /* the groups of the view */

void sower_element_store(enum sower_dtype dtype, double value, uint8_t *element)
{
    if (dtype == SOWER_F64) {
        memcpy(element, &value, sizeof value);
    } else {
        sower_dtype_store(dtype, (float)value, element);
    }
}

/* Writes the neighbouring elements from `index` on; all of them are already zero. */
static void read_run(const struct sower_plan *plan, const struct sower_view *view, uint64_t index,
                     uint64_t length, uint8_t *elements, sower_element_value *value_of)
{
    const size_t size = sower_dtype_size(plan->dtype);
    for (uint64_t end = index + length; index < end;) {
        struct sower_steps steps = sower_view_steps(view, index, end - index);
        index += steps.count;
        for (; steps.count > 0; steps.count--, steps.place[steps.moving]++, elements += size) {
            double value = value_of(plan, steps.place[IN_ENTRY]);
            if (value != 0) {
                sower_element_store(plan->dtype, value, elements);
            }
        }
    }
}

bool sower_elements_read(const struct sower_source *source, const struct sower_runs *runs, void *elements,
                         sower_element_value *value_of)
{
    const struct sower_plan *plan = &source->plan;
    const sower_axes batch = plan->layout.batch_axes;
    const sower_axes groups[SOWER_GROUP_COUNT] = {[BATCH] = batch, [IN_ENTRY] = (sower_axes)~batch};
    const struct sower_view view = sower_view_make(&plan->shape, groups);
    const size_t size = (size_t)runs->length * sower_dtype_size(plan->dtype);
    /* In every dtype all bits of 0 are zero. */
    memset(elements, 0, (size_t)runs->count * size);
    for (uint64_t run = 0; run < runs->count; run++) {
        read_run(plan, &view, runs->first + run * runs->stride, runs->length,
                 (uint8_t *)elements + run * size, value_of);
    }
    return true;
}
