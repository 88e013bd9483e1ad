/* A source: an open draw, from which any range of elements can be read.
 *
 * Reading does not change the source, and for laws it allocates no memory. A structured initializer may need
 * factors (orthogonal), which can take long to compute. sower_source_cost() predicts this; opening the source
 * computes them. Threads may share a source. */
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
    uint64_t memory;             /* bytes of the factors that the source keeps; 0: opening is immediate */
    uint64_t scratch;            /* additional bytes while opening runs */
    uint64_t scratch_per_thread; /* additional bytes for each thread that takes part */
    uint64_t smaller_side;       /* of the orthogonal matrix; 0 when there is none */
    double seconds; /* to open, about, on one core of an AMD EPYC with AVX-512, whatever this machine is */
};

/* The cost of opening this plan. */
struct sower_cost sower_source_cost(const struct sower_plan *plan);

/* Opens a source; copies the plan and the seed. Fails with SOWER_PROBLEM_UNAVAILABLE when there is not
 * enough memory for the factors. Close it with sower_source_close. */
SOWER_MUST_USE bool sower_source_open(struct sower_source *source, const struct sower_plan *plan,
                                      const struct sower_seed *seed, const struct sower_parallel *parallel,
                                      struct sower_problem *problem);

/* Writes elements first … first + count − 1 of the region (in the region's own C order) to `elements`,
 * in little-endian byte order, the byte order of every response. `elements` must be aligned for the
 * dtype. False only when scratch memory runs out. */
SOWER_MUST_USE bool sower_source_read(const struct sower_source *source, const struct sower_region *region,
                                      uint64_t first, size_t count, void *elements);

void sower_source_close(struct sower_source *source);

#endif
