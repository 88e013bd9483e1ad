#include "core/source.h"

#include <sodium.h>

#include "core/environment.h"
#include "core/kernel.h"
#include "core/structure.h"

struct sower_cost sower_source_cost(const struct sower_plan *plan)
{
    if (plan->structure == NULL || plan->structure->cost == NULL) {
        return (struct sower_cost){0};
    }
    const struct sower_environment found = sower_environment_enter();
    struct sower_cost cost = plan->structure->cost(plan);
    sower_environment_leave(&found);
    return cost;
}

bool sower_source_open(struct sower_source *source, const struct sower_plan *plan,
                       const struct sower_seed *seed, const struct sower_parallel *parallel,
                       struct sower_problem *problem)
{
    *source = (struct sower_source){.plan = *plan, .seed = *seed};
    if (sower_source_cost(plan).memory == 0) {
        return true;
    }
    const struct sower_environment found = sower_environment_enter();
    source->factors = plan->structure->prepare(plan, seed, parallel);
    sower_environment_leave(&found);
    if (source->factors == NULL) {
        return sower_problem_set(problem, SOWER_PROBLEM_UNAVAILABLE, "",
                                 "There is not enough memory to prepare this tensor now; try again later.");
    }
    return true;
}

static bool read_runs(const struct sower_source *source, const struct sower_runs *runs, void *elements)
{
    const struct sower_plan *plan = &source->plan;
    if (plan->structure != NULL) {
        return plan->structure->read(source, runs, elements);
    }
    sower_kernel()->fill_runs(&plan->law, plan->dtype, &source->seed, runs, elements);
    return true;
}

static bool read_region(const struct sower_source *source, const struct sower_region *region, uint64_t first,
                        size_t count, void *elements)
{
    const enum sower_dtype dtype = source->plan.dtype;
    uint8_t *at = elements;
    for (size_t left = count; left > 0;) {
        struct sower_runs runs = sower_region_runs(&source->plan.shape, region, first, left);
        if (!read_runs(source, &runs, at)) {
            return false;
        }
        sower_zeros_put(&source->plan.layout.zeros, &source->plan.shape, &runs, sower_dtype_size(dtype), at);
        size_t done = (size_t)(runs.length * runs.count);
        at += done * sower_dtype_size(dtype);
        first += done;
        left -= done;
    }
    sower_dtype_swap_to_wire(dtype, elements, count);
    return true;
}

bool sower_source_read(const struct sower_source *source, const struct sower_region *region, uint64_t first,
                       size_t count, void *elements)
{
    const struct sower_environment found = sower_environment_enter();
    bool read = read_region(source, region, first, count, elements);
    sower_environment_leave(&found);
    return read;
}

void sower_source_close(struct sower_source *source)
{
    if (source->factors != NULL) {
        source->plan.structure->release(source->factors);
        source->factors = NULL;
    }
    sodium_memzero(&source->seed, sizeof source->seed);
}
