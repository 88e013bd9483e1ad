/* A pool: a fixed number of threads for work that takes long, shared out among clients.
 *
 * A job is one piece of such work, handed over by somebody who does not wait for it. Tasks are a job that is
 * cut into independent pieces (core/parallel.h), which several threads work on together.
 *
 * Who is served next: every client (client.h) has a queue of its own and an account of the CPU time that its
 * jobs and tasks have taken. A thread that is free serves the client whose account is the lowest, and takes
 * one job or one task: so each gets its share of the CPUs, however much another has asked for, and what one
 * has not used while it asked for nothing is not saved up. Within a client's queue jobs come in order; tasks
 * give way to what stands behind them after each piece. A running piece is not interrupted: pieces should not
 * take longer than some tens of milliseconds, and long work goes back into the queue between two of them.
 *
 * Some work cannot be cut (a manifest of 100,000 tensors takes a second to read). While all threads are at
 * work, a spare one serves a client for whom none of them works, so that nobody has to wait until others'
 * work ends. */
#ifndef SOWER_SERVER_BASE_POOL_H
#define SOWER_SERVER_BASE_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/parallel.h"

struct sower_pool;
struct sower_share; /* one client's queue and account */

/* Embedded in what it works on. It belongs to the pool from submit until one of its two functions is called,
 * and to that function then: it may submit it again. */
struct sower_job {
    void (*run)(struct sower_job *job);
    void (*refuse)(struct sower_job *job); /* instead, when the pool stops before its turn has come */
    uint64_t client;                       /* whose it is */
    struct sower_job *next;                /* the pool's own */
};

/* Work in pieces. It belongs to the pool from submit until `done` is called. */
struct sower_tasks {
    struct sower_job job; /* the pool's own, but for `client` */
    sower_task *task;     /* called once for each number below `count` */
    void *work;
    size_t count;                            /* 1 at least */
    void (*done)(struct sower_tasks *tasks); /* by the thread that ended the last one */
    bool refused;                            /* the outcome: not all were called, as the pool stopped */
    /* the pool's own */
    size_t next, unfinished;
    struct sower_share *share;
};

/* With a spare thread beside the others, or without. NULL when memory or threads run out. */
struct sower_pool *sower_pool_new(size_t threads, bool spare);

void sower_pool_submit(struct sower_pool *pool, struct sower_job *job);
void sower_pool_submit_tasks(struct sower_pool *pool, struct sower_tasks *tasks);

/* How many threads it has, and how many pieces run at a time at most: the spare one counts as well. */
size_t sower_pool_threads(const struct sower_pool *pool);
size_t sower_pool_at_most(const struct sower_pool *pool);

/* Somebody who has tasks run and waits for them. */
struct sower_team {
    struct sower_pool *pool;
    uint64_t client;
    bool joins; /* the caller works on them as well, so that it waits for nobody who has not begun */
};

/* Runs tasks on the threads of the pool, and on the calling thread if it joins or the pool is stopping. */
struct sower_parallel sower_team_parallel(struct sower_team *team);

/* Refuses what has not begun, now and later, waits for what runs, and ends the threads. */
void sower_pool_stop(struct sower_pool *pool);
void sower_pool_free(struct sower_pool *pool);

#endif
