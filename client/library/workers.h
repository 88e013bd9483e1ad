/* Workers: the threads of one call.
 *
 * They start when the first work with more than one task comes, and end with sower_workers_stop. The calling thread
 * takes part. If a thread cannot be started, the others do its work. Signals are blocked in the workers, so
 * that a program's handlers run in the program's own threads. */
#ifndef SOWER_CLIENT_LIBRARY_WORKERS_H
#define SOWER_CLIENT_LIBRARY_WORKERS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/parallel.h"

enum { SOWER_WORKERS_MAX = 256 };

struct sower_workers {
    struct sower_parallel parallel; /* runs tasks on the workers, for core */
    unsigned most;                  /* threads, the calling one included */

    pthread_mutex_t lock;
    pthread_cond_t begun, ended;
    pthread_t threads[SOWER_WORKERS_MAX];
    unsigned started; /* threads in the array */
    unsigned busy;    /* of them, those that have not ended the current work */
    size_t turn;      /* counts the works */
    bool stopped;

    /* The current work. */
    sower_task *task;
    void *work;
    size_t count;
    atomic_size_t next; /* the next task */
};

/* The number of threads for a request: 0 means one for each processor that this thread may use. The result is 1 to
 * SOWER_WORKERS_MAX. */
unsigned sower_workers_wanted(unsigned threads);

/* Starts no thread yet. `threads` as for sower_workers_wanted. */
void sower_workers_init(struct sower_workers *workers, unsigned threads);

/* Calls task(work, i) once for each i below `count`, in about this order, and returns when all have returned. A task
 * must not run other work on the same workers. */
void sower_workers_run(struct sower_workers *workers, sower_task *task, void *work, size_t count);

/* Ends and joins the threads. */
void sower_workers_stop(struct sower_workers *workers);

#endif
