#include "client/library/workers.h"

#include <sched.h>
#include <signal.h>
#include <unistd.h>

/* The products of orthogonal matrices keep blocks on the stack, and some C libraries give a thread little. */
enum { STACK_SIZE = 2 << 20 };

static unsigned processors(void)
{
    cpu_set_t usable;
    long count = sched_getaffinity(0, sizeof usable, &usable) == 0 ? CPU_COUNT(&usable)
                                                                   : sysconf(_SC_NPROCESSORS_ONLN);
    return count > 0 ? (unsigned)count : 1;
}

unsigned sower_workers_wanted(unsigned threads)
{
    const unsigned wanted = threads > 0 ? threads : processors();
    return wanted < SOWER_WORKERS_MAX ? wanted : SOWER_WORKERS_MAX;
}

static void run_parallel(void *executor, sower_task *task, void *work, size_t count)
{
    sower_workers_run(executor, task, work, count);
}

void sower_workers_init(struct sower_workers *workers, unsigned threads)
{
    workers->parallel = (struct sower_parallel){.run = run_parallel, .executor = workers};
    workers->most = sower_workers_wanted(threads);
    pthread_mutex_init(&workers->lock, NULL);
    pthread_cond_init(&workers->begun, NULL);
    pthread_cond_init(&workers->ended, NULL);
    workers->started = workers->busy = 0;
    workers->turn = 0;
    workers->stopped = false;
    workers->count = 0;
    atomic_init(&workers->next, 0);
}

static void take_tasks(struct sower_workers *workers)
{
    size_t index;
    while ((index = atomic_fetch_add_explicit(&workers->next, 1, memory_order_relaxed)) < workers->count) {
        workers->task(workers->work, index);
    }
}

static void *serve(void *context)
{
    struct sower_workers *workers = context;
    pthread_mutex_lock(&workers->lock);
    size_t seen = workers->turn - 1; /* the work for which this thread was started waits for it */
    for (;;) {
        while (workers->turn == seen && !workers->stopped) {
            pthread_cond_wait(&workers->begun, &workers->lock);
        }
        if (workers->stopped) {
            break;
        }
        seen = workers->turn;
        pthread_mutex_unlock(&workers->lock);
        take_tasks(workers);
        pthread_mutex_lock(&workers->lock);
        if (--workers->busy == 0) {
            pthread_cond_signal(&workers->ended);
        }
    }
    pthread_mutex_unlock(&workers->lock);
    return NULL;
}

/* Starts threads until there are `wanted`, or as many as the system allows. The caller holds the lock. */
static void start_threads(struct sower_workers *workers, size_t wanted)
{
    pthread_attr_t attributes;
    sigset_t all, found;
    if (workers->started >= wanted || pthread_attr_init(&attributes) != 0) {
        return;
    }
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &found);
    bool good = pthread_attr_setstacksize(&attributes, STACK_SIZE) == 0;
    while (good && workers->started < wanted) {
        good = pthread_create(&workers->threads[workers->started], &attributes, serve, workers) == 0;
        workers->started += good;
    }
    pthread_sigmask(SIG_SETMASK, &found, NULL);
    pthread_attr_destroy(&attributes);
}

void sower_workers_run(struct sower_workers *workers, sower_task *task, void *work, size_t count)
{
    pthread_mutex_lock(&workers->lock);
    workers->task = task;
    workers->work = work;
    workers->count = count;
    atomic_store_explicit(&workers->next, 0, memory_order_relaxed);
    if (count > 1) {
        start_threads(workers, (count < workers->most ? count : workers->most) - 1);
        workers->busy = workers->started;
        workers->turn++;
        pthread_cond_broadcast(&workers->begun);
    }
    pthread_mutex_unlock(&workers->lock);
    take_tasks(workers);
    pthread_mutex_lock(&workers->lock);
    while (workers->busy > 0) {
        pthread_cond_wait(&workers->ended, &workers->lock);
    }
    pthread_mutex_unlock(&workers->lock);
}

void sower_workers_stop(struct sower_workers *workers)
{
    pthread_mutex_lock(&workers->lock);
    workers->stopped = true;
    pthread_cond_broadcast(&workers->begun);
    pthread_mutex_unlock(&workers->lock);
    for (unsigned i = 0; i < workers->started; i++) {
        pthread_join(workers->threads[i], NULL);
    }
    pthread_cond_destroy(&workers->ended);
    pthread_cond_destroy(&workers->begun);
    pthread_mutex_destroy(&workers->lock);
}
