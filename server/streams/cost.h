/* Costs: which tensors this daemon is willing to prepare. */
#ifndef SOWER_SERVER_STREAMS_COST_H
#define SOWER_SERVER_STREAMS_COST_H

#include <stdbool.h>

#include "core/attributes.h"
#include "core/plan.h"
#include "core/problem.h"
#include "core/source.h"

struct sower_server;

/* Sets *cost to what opening the plan's source takes. False with a problem of the field "shape" if that is
 * more than --max-orthogonal, --max-preparation or --cache-size allows. */
SOWER_MUST_USE bool sower_cost_check(const struct sower_server *server, const struct sower_plan *plan,
                                     struct sower_cost *cost, struct sower_problem *problem);

#endif
