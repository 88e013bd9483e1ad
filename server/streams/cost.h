/* Costs: what this daemon is willing to prepare. */
#ifndef SOWER_SERVER_STREAMS_COST_H
#define SOWER_SERVER_STREAMS_COST_H

#include "core/plan.h"
#include "core/source.h"
#include "server/server.h"

/* What opening a plan's source takes; refuses, with the field "shape", what is beyond --max-orthogonal,
 * --max-preparation or --cache-size. */
bool sower_cost_check(const struct sower_server *server, const struct sower_plan *plan,
                      struct sower_cost *cost, struct sower_problem *problem);

#endif
