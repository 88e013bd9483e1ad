/* A source: an opened draw, from which any range of elements can be read.
 *
 * Reading is pure and allocates nothing for laws. Structured initializers may need factors that take long to
 * make (orthogonal): sower_source_cost() says so before, and opening makes them. A source may be shared by
 * threads. */
#ifndef SOWER_CORE_SOURCE_H
#define SOWER_CORE_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/attributes.h"
#include "core/parallel.h"
#include "core/plan.h"
#include "core/problem.h"
#include "core/seed.h"

struct sower_source {
    struct sower_plan plan;
    struct sower_seed seed;
    void *factors; /* owned; NULL unless the structure makes some */
};

struct sower_cost {
    uint64_t memory;  /* bytes of factors that opening makes and the source keeps; 0: opening is instant */
    uint64_t scratch; /* that opening takes besides, while it lasts */
    uint64_t scratch_per_thread; /* and for each thread that takes part */
    uint64_t smaller_side;       /* of the orthogonal matrix to be prepared; 0 when there is none */
    double
        seconds; /* that opening takes, about, on one core of an AMD EPYC with AVX-512: the same everywhere */
};

/* What opening this plan would take. */
struct sower_cost sower_source_cost(const struct sower_plan *plan);

/* Opens; the plan and seed are copied. Fails with UNAVAILABLE when memory for the factors runs out. */
SOWER_MUST_USE bool sower_source_open(struct sower_source *source, const struct sower_plan *plan,
                                      const struct sower_seed *seed, const struct sower_parallel *parallel,
                                      struct sower_problem *problem);

/* Writes elements first … first + count − 1 of the region (in the region's own C order) to `elements`, in
 * little-endian byte order, the order of every answer. `elements` is aligned for the dtype. False only when
 * scratch memory runs out. */
SOWER_MUST_USE bool sower_source_read(const struct sower_source *source, const struct sower_region *region,
                                      uint64_t first, size_t count, void *elements);

void sower_source_close(struct sower_source *source);

#endif
