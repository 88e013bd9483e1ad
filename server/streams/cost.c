#include "server/streams/cost.h"

#include <inttypes.h>
#include <math.h>

#include "server/server.h"

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
    if (cost->seconds > (double)server->options->max_preparation) {
        return sower_problem_set(
            problem, SOWER_PROBLEM_TOO_LARGE, "shape",
            "Preparing this tensor takes about %.0f seconds of one CPU; this daemon spends up "
            "to %" PRIu64 " (--max-preparation).",
            ceil(cost->seconds), server->options->max_preparation);
    }
    uint64_t need = sower_sources_need(server->sources, cost);
    if (need > sower_sources_limit(server->sources)) {
        return sower_problem_set(problem, SOWER_PROBLEM_TOO_LARGE, "shape",
                                 "Preparing this tensor takes %" PRIu64
                                 " bytes of memory; this daemon uses up to %" PRIu64 " (--cache-size).",
                                 need, sower_sources_limit(server->sources));
    }
    return true;
}
