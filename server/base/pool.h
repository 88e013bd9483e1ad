/* A pool: a fixed number of threads for long work, divided among clients.
 *
 * A job is one piece of work whose submitter does not wait for it. Tasks are a job that is cut into
 * independent pieces (core/parallel.h), on which several threads work together.
 *
 * Scheduling: every client (client.h) has a queue and an account of the CPU time that its jobs and tasks have
 * used. A free thread serves the client with the lowest account and takes one job or one task from its queue.
 * So each client gets its share of the CPUs, however much others submit. A client that submits nothing for a
 * while saves nothing up. Jobs within one queue run in order; tasks go to the end of the queue after each
 * piece. A running piece is not interrupted, so a piece should take at most some tens of milliseconds, and
 * longer work should submit itself again between two pieces.
 *
 * Some work cannot be cut (a manifest of a million tensors takes some seconds to read). While all threads are busy,
 * a spare thread serves a client that no thread works for, so that this client need not wait until the work of
 * others ends. */
#ifndef SOWER_SERVER_BASE_POOL_H
#define SOWER_SERVER_BASE_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/attributes.h"
#include "core/parallel.h"

struct sower_pool;
struct sower_share; /* a client's queue and account */

/* A job is embedded in the structure that it works on. It belongs to the pool from submit until the pool calls
 * one of its two functions; then it belongs to that function, which may submit it again. */
struct sower_job {
    void (*run)(struct sower_job *job);
    void (*refuse)(struct sower_job *job); /* called instead of `run` if the pool stops first */
    uint64_t client;                       /* who pays for it (client.h) */
    struct sower_job *next;                /* internal to the pool */
};

/* Work in pieces. It belongs to the pool from submit until the pool calls `done`. */
struct sower_tasks {
    struct sower_job job; /* internal to the pool, except for `client` */
    sower_task *task;     /* called once for each number below `count` */
    void *work;
    size_t count;                            /* at least 1 */
    void (*done)(struct sower_tasks *tasks); /* called by the thread that completes the last task */
    bool refused;                            /* outcome: the pool stopped before it had called all tasks */
    /* internal to the pool */
    size_t next, unfinished;
    struct sower_share *share;
};

/* With a spare thread in addition to `threads`, for computing: then all threads have a lower priority than those that
 * serve connections. Or without. NULL when memory or threads run out. */
SOWER_MUST_USE struct sower_pool *sower_pool_new(size_t threads, bool spare);

void sower_pool_submit(struct sower_pool *pool, struct sower_job *job);
void sower_pool_submit_tasks(struct sower_pool *pool, struct sower_tasks *tasks);

/* The number of threads without the spare one, and the largest number of pieces that run at the same time
 * (the spare thread included). */
size_t sower_pool_threads(const struct sower_pool *pool);
size_t sower_pool_at_most(const struct sower_pool *pool);

/* For a caller that runs tasks and waits for them. */
struct sower_team {
    struct sower_pool *pool;
    uint64_t client;
    bool joins; /* the calling thread works on them too, so it never waits for a task that has not begun */
};

/* An executor (core/parallel.h) that runs tasks on the threads of the pool, and on the calling thread if the
 * team joins or the pool is stopping. */
struct sower_parallel sower_team_parallel(struct sower_team *team);

/* Refuses all work that has not begun and all later work, waits for the work in progress, and ends the
 * threads. */
void sower_pool_stop(struct sower_pool *pool);
void sower_pool_free(struct sower_pool *pool);

#endif
