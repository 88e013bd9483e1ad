/* Structures: initializers whose elements are not independent draws of one law.
 *
 * A structure knows how to write any run of elements of the whole tensor, given the plan, the seed and, where
 * it needs them, factors made once. */
#ifndef SOWER_CORE_STRUCTURE_H
#define SOWER_CORE_STRUCTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "parallel.h"
#include "source.h"

struct sower_structure {
    /* What preparing takes; NULL: there is nothing to prepare. */
    struct sower_cost (*cost)(const struct sower_plan *plan);
    /* Makes the factors; NULL when memory runs out. */
    void *(*prepare)(const struct sower_plan *plan, const struct sower_seed *seed,
                     const struct sower_parallel *parallel);
    void (*release)(void *factors);
    /* Elements first … first + count − 1 of the whole tensor to `elements`, in host byte order. */
    bool (*read)(const struct sower_source *source, uint64_t first, size_t count, void *elements);
};

#endif
