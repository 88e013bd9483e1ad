/* Preparation: computes the factors of one entry of the cache (sources.h), and reports the result to the
 * waits.
 *
 * Only the files of the cache include this header. No function expects the caller to hold the cache's lock. */
#ifndef SOWER_SERVER_CACHES_PREPARATION_H
#define SOWER_SERVER_CACHES_PREPARATION_H

#include <stdbool.h>

#include "core/problem.h"
#include "server/base/pool.h"
#include "server/caches/prepared.h"
#include "server/caches/sources.h"

/* The job of an entry that is PREPARING: opens its source and calls `done` of all its waits. It is also the
 * job's refusal: when a pool stops, the cache is stopping too, so this only reports that. */
void sower_preparation_run(struct sower_job *job);

/* Calls `done` of each wait of the list, with the entry, or with the problem if the entry is NULL. */
void sower_preparation_report(struct sower_sources_wait *list, struct sower_prepared *entry,
                              const struct sower_problem *problem);

/* Sets the problem of a daemon that is stopping. Returns false. */
bool sower_preparation_refuse_stopping(struct sower_problem *problem);

#endif
