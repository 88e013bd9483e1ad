/* Work cut into independent tasks, for whoever owns threads.
 *
 * core starts no threads. A heavy computation (orthogonal.h) hands its tasks to the caller's executor, which
 * may run them on any number of threads, in any order; results do not depend on it. */
#ifndef SOWER_CORE_PARALLEL_H
#define SOWER_CORE_PARALLEL_H

#include <stddef.h>

typedef void sower_task(void *work, size_t index);

struct sower_parallel {
    /* Calls task(work, i) once for each i below `count`, and returns when all have returned. */
    void (*run)(void *executor, sower_task *task, void *work, size_t count);
    void *executor;
};

/* As parallel->run, with every task in the contract's floating-point environment (environment.h): the threads
 * are the caller's. */
void sower_parallel_run(const struct sower_parallel *parallel, sower_task *task, void *work, size_t count);

/* Runs the tasks one after the other on the calling thread. */
extern const struct sower_parallel sower_parallel_none;

#endif
