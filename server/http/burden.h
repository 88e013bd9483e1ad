/* Burdens: memory that requests under way hold on to, in sum.
 *
 * A tensor takes a few kilobytes however large it is; a manifest may take tens of megabytes, and its model as
 * much while it is sent. What is larger than a megabyte is counted here, so that many of them together do not
 * take all memory: who comes when there is no room left is asked to come again. */
#ifndef SOWER_SERVER_HTTP_BURDEN_H
#define SOWER_SERVER_HTTP_BURDEN_H

#include <stdbool.h>
#include <stdint.h>

#include "core/problem.h"
#include "proto/model.h"
#include "server/server.h"

/* Takes so many bytes; false with a problem (UNAVAILABLE), and nothing taken, when there is no room. What was
 * taken is to be given back. */
bool sower_burden_take(struct sower_server *server, uint64_t bytes, struct sower_problem *problem);
void sower_burden_give(struct sower_server *server, uint64_t bytes);

/* What a model takes. */
uint64_t sower_burden_of_model(const struct sower_model *model);

#endif
