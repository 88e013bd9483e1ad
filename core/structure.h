/* Structures: initializers whose elements are not independent draws of one law.
 *
 * A structure can write any runs of elements of the whole tensor. It gets the plan, the seed and, if it
 * needs them, factors that are computed once. */
#ifndef SOWER_CORE_STRUCTURE_H
#define SOWER_CORE_STRUCTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/parallel.h"
#include "core/source.h"

struct sower_structure {
    /* The cost of preparing the factors; NULL when the structure has no factors. Then prepare and
     * release are NULL too. */
    struct sower_cost (*cost)(const struct sower_plan *plan);
    /* Computes the factors; returns NULL when memory runs out. Not called when cost.memory is 0. */
    void *(*prepare)(const struct sower_plan *plan, const struct sower_seed *seed,
                     const struct sower_parallel *parallel);
    void (*release)(void *factors);
    /* Writes the runs, one after the other, to `elements`, in host byte order. False when scratch memory runs
     * out. */
    bool (*read)(const struct sower_source *source, const struct sower_runs *runs, void *elements);
};

#endif
