#include "cost.h"

#include <inttypes.h>

bool sower_cost_check(const struct sower_server *server, const struct sower_plan *plan,
                      struct sower_cost *cost, struct sower_problem *problem)
{
    *cost = sower_source_cost(plan);
    if (cost->smaller_side > server->options->max_orthogonal) {
        return sower_problem_set(problem, SOWER_PROBLEM_TOO_LARGE, "shape",
                                 "The smaller side of this orthogonal matrix is %" PRIu64
                                 "; this daemon prepares up to %" PRIu64 " (--max-orthogonal).",
                                 cost->smaller_side, server->options->max_orthogonal);
    }
    if (cost->memory > sower_sources_limit(server->sources)) {
        return sower_problem_set(problem, SOWER_PROBLEM_TOO_LARGE, "shape",
                                 "Preparing this matrix takes %" PRIu64
                                 " bytes of memory; this daemon keeps up to %" PRIu64 " (--cache-size).",
                                 cost->memory, sower_sources_limit(server->sources));
    }
    return true;
}
