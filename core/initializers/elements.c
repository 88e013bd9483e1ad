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

void sower_elements_read_view(enum sower_dtype dtype, const struct sower_view *view,
                              const struct sower_runs *runs, void *elements, sower_place_value *value_of,
                              const void *about)
{
    const size_t size = sower_dtype_size(dtype);
    uint8_t *at = elements;
    /* In every dtype all bits of 0 are zero. */
    memset(elements, 0, (size_t)(runs->length * runs->count) * size);
    for (uint64_t run = 0; run < runs->count; run++) {
        uint64_t index = runs->first + run * runs->stride, end = index + runs->length;
        while (index < end) {
            struct sower_steps steps = sower_view_steps(view, index, end - index);
            index += steps.count;
            for (; steps.count > 0; steps.count--, steps.place[steps.moving]++, at += size) {
                double value = value_of(about, steps.place);
                if (value != 0) {
                    sower_element_store(dtype, value, at);
                }
            }
        }
    }
}

struct table {
    const struct sower_plan *plan;
    sower_element_value *value_of;
};

static double table_value(const void *about, const uint64_t place[SOWER_GROUP_COUNT])
{
    const struct table *table = about;
    return table->value_of(table->plan, place[IN_ENTRY]);
}

bool sower_elements_read(const struct sower_source *source, const struct sower_runs *runs, void *elements,
                         sower_element_value *value_of)
{
    const struct sower_plan *plan = &source->plan;
    const struct table table = {plan, value_of};
    const sower_axes batch = plan->layout.batch_axes;
    const sower_axes groups[SOWER_GROUP_COUNT] = {[BATCH] = batch, [IN_ENTRY] = (sower_axes)~batch};
    const struct sower_view view = sower_view_make(&plan->shape, groups);
    sower_elements_read_view(plan->dtype, &view, runs, elements, table_value, &table);
    return true;
}
