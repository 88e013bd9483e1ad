/* For structures whose elements each follow from their index in their batch entry. */
#ifndef SOWER_CORE_INITIALIZERS_ELEMENTS_H
#define SOWER_CORE_INITIALIZERS_ELEMENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/dtype.h"
#include "core/plan.h"
#include "core/shape.h"
#include "core/source.h"
#include "core/view.h"

/* The value of one element, before it is rounded to the dtype. `index` is its number, in C order, in the batch entry,
 * which is an array without the batch axes. */
typedef double sower_element_value(const struct sower_plan *plan, uint64_t index);

/* A structure's `read` (structure.h), with one call of `value_of` for each element. */
SOWER_MUST_USE bool sower_elements_read(const struct sower_source *source, const struct sower_runs *runs,
                                        void *elements, sower_element_value *value_of);

/* The same for a value that depends on the places in the groups of a view; `about` is what else it depends on. */
typedef double sower_place_value(const void *about, const uint64_t place[SOWER_GROUP_COUNT]);

void sower_elements_read_view(enum sower_dtype dtype, const struct sower_view *view,
                              const struct sower_runs *runs, void *elements, sower_place_value *value_of,
                              const void *about);

/* Rounds a value to the dtype (f64, or from f32) and writes it to `element`, in host byte order. */
void sower_element_store(enum sower_dtype dtype, double value, uint8_t *element);

#endif
