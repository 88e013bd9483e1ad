#include "pool.h"

#include <pthread.h>
#include <stdlib.h>

/* The tasks of one job, on the stack of the thread that runs it. */
struct group {
    sower_task *task;
    void *work;
    size_t next, count; /* tasks below `next` were taken */
    size_t unfinished;
    struct group *following;
};

struct sower_pool {
    pthread_mutex_t lock;  /* guards everything here and in the groups */
    pthread_cond_t wake;   /* there is a job or a group */
    pthread_cond_t finish; /* some group has no unfinished task */
    struct sower_job *first, **last;
    struct group *groups; /* those with tasks to take */
    bool stopping;
    size_t running; /* jobs, which may still make groups */
    size_t thread_count, joined;
    pthread_t threads[];
};

/* Takes and runs one task of a group; the lock is held before and after. */
static void run_task(struct sower_pool *pool, struct group *group)
{
    size_t index = group->next++;
    if (group->next == group->count) { /* nothing left to take: out of the list */
        struct group **place = &pool->groups;
        while (*place != group) {
            place = &(*place)->following;
        }
        *place = group->following;
    }
    pthread_mutex_unlock(&pool->lock);
    group->task(group->work, index);
    pthread_mutex_lock(&pool->lock);
    if (--group->unfinished == 0) {
        pthread_cond_broadcast(&pool->finish);
    }
}

static void run_tasks(void *executor, sower_task *task, void *work, size_t count)
{
    struct sower_pool *pool = executor;
    if (count == 0) {
        return;
    }
    pthread_mutex_lock(&pool->lock);
    struct group group = {task, work, 0, count, count, pool->groups};
    pool->groups = &group;
    for (size_t i = 1; i < count && i < pool->thread_count; i++) {
        pthread_cond_signal(&pool->wake);
    }
    while (group.next < group.count) {
        run_task(pool, &group);
    }
    while (group.unfinished > 0) {
        pthread_cond_wait(&pool->finish, &pool->lock);
    }
    pthread_mutex_unlock(&pool->lock);
}

size_t sower_pool_threads(const struct sower_pool *pool)
{
    return pool->thread_count;
}

struct sower_parallel sower_pool_parallel(struct sower_pool *pool)
{
    return (struct sower_parallel){run_tasks, pool};
}

/* Takes the first job; the lock is held before and after. */
static void run_job(struct sower_pool *pool)
{
    struct sower_job *job = pool->first;
    pool->first = job->next;
    if (pool->first == NULL) {
        pool->last = &pool->first;
    }
    pool->running++;
    pthread_mutex_unlock(&pool->lock);
    job->run(job);
    pthread_mutex_lock(&pool->lock);
    if (--pool->running == 0 && pool->stopping) {
        pthread_cond_broadcast(&pool->wake);
    }
}

static void *work(void *context)
{
    struct sower_pool *pool = context;
    pthread_mutex_lock(&pool->lock);
    for (;;) {
        /* What was begun comes before what waits. */
        if (pool->groups != NULL) {
            run_task(pool, pool->groups);
        } else if (pool->first != NULL) {
            run_job(pool);
        } else if (pool->stopping && pool->running == 0) {
            break;
        } else {
            pthread_cond_wait(&pool->wake, &pool->lock);
        }
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

bool sower_pool_submit(struct sower_pool *pool, struct sower_job *job)
{
    job->next = NULL;
    pthread_mutex_lock(&pool->lock);
    bool taken = !pool->stopping;
    if (taken) {
        *pool->last = job;
        pool->last = &job->next;
        pthread_cond_signal(&pool->wake);
    }
    pthread_mutex_unlock(&pool->lock);
    return taken;
}

struct sower_pool *sower_pool_new(size_t threads)
{
    struct sower_pool *pool = calloc(1, sizeof *pool + threads * sizeof pool->threads[0]);
    if (pool == NULL) {
        return NULL;
    }
    pool->last = &pool->first;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->wake, NULL);
    pthread_cond_init(&pool->finish, NULL);
    while (pool->thread_count < threads) {
        if (pthread_create(&pool->threads[pool->thread_count], NULL, work, pool) != 0) {
            sower_pool_free(pool);
            return NULL;
        }
        pool->thread_count++;
    }
    return pool;
}

void sower_pool_stop(struct sower_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    pool->stopping = true;
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->lock);
    while (pool->joined < pool->thread_count) {
        pthread_join(pool->threads[pool->joined++], NULL);
    }
}

void sower_pool_free(struct sower_pool *pool)
{
    sower_pool_stop(pool);
    pthread_cond_destroy(&pool->finish);
    pthread_cond_destroy(&pool->wake);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}
