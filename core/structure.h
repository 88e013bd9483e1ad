/* Structures: initializers whose elements are not independent draws of one law.
 *
 * A structure knows how to write any runs of elements of the whole tensor, given the plan, the seed and,
 * where it needs them, factors made once. */
#ifndef SOWER_CORE_STRUCTURE_H
#define SOWER_CORE_STRUCTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/parallel.h"
#include "core/source.h"

struct sower_structure {
    /* What preparing takes; NULL: there is nothing to prepare. */
    struct sower_cost (*cost)(const struct sower_plan *plan);
    /* Makes the factors; NULL when memory runs out. */
    void *(*prepare)(const struct sower_plan *plan, const struct sower_seed *seed,
                     const struct sower_parallel *parallel);
    void (*release)(void *factors);
    /* Writes the runs, one behind the other, to `elements`, in host byte order. False when scratch memory
     * runs out. */
    bool (*read)(const struct sower_source *source, const struct sower_runs *runs, void *elements);
};

#endif
