/* The compute pool: a fixed number of threads for work that takes long.
 *
 * A job is one piece of such work, handed over by somebody who does not wait for it. A job may cut its own
 * work into tasks (core/parallel.h): it then works on them together with the threads that are idle, so that a
 * single heavy job uses all CPUs and several share them. */
#ifndef SOWER_SERVER_POOL_H
#define SOWER_SERVER_POOL_H

#include <stdbool.h>
#include <stddef.h>

#include "../core/parallel.h"

struct sower_pool;

/* Embedded in what it works on. It belongs to the pool from submit until `run` is called, and to `run` then.
 */
struct sower_job {
    void (*run)(struct sower_job *job);
    struct sower_job *next;
};

/* NULL when memory or threads run out. */
struct sower_pool *sower_pool_new(size_t threads);

/* Jobs start in order. False when the pool is stopping: the job is not run. */
bool sower_pool_submit(struct sower_pool *pool, struct sower_job *job);

size_t sower_pool_threads(const struct sower_pool *pool);

/* Runs tasks, of a job or of a thread that is not the pool's, on the calling thread and whichever threads of
 * the pool are idle. Together they are no more than the pool has threads. */
struct sower_parallel sower_pool_parallel(struct sower_pool *pool);

/* Runs what was submitted, then ends the threads. */
void sower_pool_stop(struct sower_pool *pool);
void sower_pool_free(struct sower_pool *pool);

#endif
