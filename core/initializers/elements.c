#include "core/initializers/elements.h"

#include <string.h>

void sower_element_store(enum sower_dtype dtype, double value, uint8_t *element)
{
    if (dtype == SOWER_F64) {
        memcpy(element, &value, sizeof value);
    } else {
        sower_dtype_store(dtype, (float)value, element);
    }
}

bool sower_elements_read(const struct sower_source *source, const struct sower_runs *runs, void *elements,
                         sower_element_value *value_of)
{
    const struct sower_plan *plan = &source->plan;
    size_t size = sower_dtype_size(plan->dtype);
    uint8_t *at = elements;
    /* In every dtype all bits of 0 are zero. */
    memset(elements, 0, (size_t)(runs->length * runs->count) * size);
    for (uint64_t run = 0; run < runs->count; run++) {
        uint64_t first = runs->first + run * runs->stride;
        for (uint64_t index = first; index < first + runs->length; index++, at += size) {
            double value = value_of(plan, index);
            if (value != 0) {
                sower_element_store(plan->dtype, value, at);
            }
        }
    }
    return true;
}
