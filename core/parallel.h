/* Work that is divided into independent tasks.
 *
 * core starts no threads. A long computation (orthogonal.h) passes its tasks to the caller's executor,
 * which may run them on any number of threads and in any order. The results do not depend on that. */
#ifndef SOWER_CORE_PARALLEL_H
#define SOWER_CORE_PARALLEL_H

#include <stddef.h>

typedef void sower_task(void *work, size_t index);

struct sower_parallel {
    /* Calls task(work, i) once for each i below `count`, and returns when all have returned. */
    void (*run)(void *executor, sower_task *task, void *work, size_t count);
    void *executor;
};

/* Like parallel->run, but every task runs in the contract's floating-point environment (environment.h),
 * because the threads belong to the caller. */
void sower_parallel_run(const struct sower_parallel *parallel, sower_task *task, void *work, size_t count);

/* Runs the tasks one after the other on the calling thread. */
extern const struct sower_parallel sower_parallel_none;

#endif
