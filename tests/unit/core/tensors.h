/* For tests of initializers: makes a tensor from an expression, as doubles. */
#ifndef SOWER_TESTS_UNIT_CORE_TENSORS_H
#define SOWER_TESTS_UNIT_CORE_TENSORS_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/source.h"
#include "core/stream.h"
#include "proto/expression.h"

/* Returns a region of the tensor of an expression with the seed {1, 2, 3, 0 …}, read `step` elements at
 * a time. Release it with free(). */
static inline double *tensor_part(const char *expression, struct sower_shape shape, enum sower_dtype dtype,
                                  const struct sower_layout *layout, const struct sower_region *region,
                                  size_t step)
{
    struct sower_initializer initializer;
    struct sower_problem problem = {0};
    struct sower_plan plan;
    struct sower_source source;
    const struct sower_seed seed = {.bytes = {1, 2, 3}};
    if (!sower_expression_parse(expression, strlen(expression), &initializer, &problem) ||
        !sower_layout_check(layout, &shape, &problem) ||
        !sower_plan_make(&initializer, &shape, dtype, layout, &plan, &problem) ||
        !sower_source_open(&source, &plan, &seed, &sower_parallel_none, &problem)) {
        fail_msg("%s: %s", expression, problem.sentence);
    }
    const struct sower_shape cut = sower_region_shape(region);
    size_t count = (size_t)sower_shape_count(&cut), size = sower_dtype_size(dtype);
    uint8_t *elements = malloc(count * size + 1);
    double *values = malloc(count * sizeof *values + 1);
    assert_true(elements != NULL && values != NULL);
    for (size_t at = 0; at < count; at += step) {
        size_t now = step < count - at ? step : count - at;
        assert_true(sower_source_read(&source, region, at, now, elements + at * size));
    }
    sower_dtype_swap_to_wire(dtype, elements,
                             count); /* back to host order: the function is its own inverse */
    sower_dtype_widen(dtype, elements, count, values);
    sower_source_close(&source);
    free(elements);
    return values;
}

static inline double *tensor_region(const char *expression, struct sower_shape shape, enum sower_dtype dtype,
                                    enum sower_layout_order order, const struct sower_region *region,
                                    size_t step)
{
    const struct sower_layout layout = {.order = order};
    return tensor_part(expression, shape, dtype, &layout, region, step);
}

/* Return the whole tensor. */
static inline double *tensor_of(const char *expression, struct sower_shape shape, enum sower_dtype dtype,
                                const struct sower_layout *layout)
{
    const struct sower_region whole = sower_region_whole(&shape);
    return tensor_part(expression, shape, dtype, layout, &whole, 1 << 16);
}

static inline double *tensor(const char *expression, struct sower_shape shape, enum sower_dtype dtype,
                             enum sower_layout_order order)
{
    const struct sower_layout layout = {.order = order};
    return tensor_of(expression, shape, dtype, &layout);
}

#endif
