#include "server/base/pool.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "server/base/clock.h"

/* The smallest cost that is charged, in nanoseconds. Clients whose work is shorter are served in turn. */
static const uint64_t LEAST_COST = 1000000;

enum { COMPUTING_NICENESS = 10 };

/* find_share frees a share that has no work, once the pool's clock has reached its account. */
struct sower_share {
    uint64_t client;
    struct sower_job *first, **last;
    uint64_t used;  /* the account: nanoseconds of CPU time */
    size_t running; /* threads that serve this client */
    struct sower_share *next;
};

struct sower_pool {
    bool computes;        /* its threads have a lower priority */
    pthread_mutex_t lock; /* guards everything here, the queues, and the internal members of tasks */
    pthread_cond_t wake;  /* there is work, or the pool stops */
    pthread_cond_t spare_wake;
    pthread_cond_t finish; /* all tasks of some team have ended */
    struct sower_share *shares;
    struct sower_share common; /* for all clients for whose share there was no memory */
    uint64_t clock;            /* the highest account that was served; a new account begins here */
    bool stopping;
    size_t busy; /* threads that serve a client, without the spare one */
    bool has_spare, spare_joined;
    pthread_t spare;
    size_t thread_count, joined;
    pthread_t threads[];
};

static bool is_tasks(const struct sower_job *job)
{
    return job->run == NULL;
}

static void open_share(struct sower_share *share, uint64_t client, uint64_t clock)
{
    *share = (struct sower_share){.client = client, .used = clock};
    share->last = &share->first;
}

/* The share of a client; opens one if there is none. Frees shares that are no longer needed. */
static struct sower_share *find_share(struct sower_pool *pool, uint64_t client)
{
    struct sower_share **place = &pool->shares;
    while (*place != NULL) {
        struct sower_share *share = *place;
        if (share->client == client) {
            return share;
        }
        if (share->first == NULL && share->running == 0 && share->used <= pool->clock) {
            *place = share->next;
            free(share);
        } else {
            place = &share->next;
        }
    }
    struct sower_share *share = malloc(sizeof *share);
    if (share == NULL) {
        return &pool->common;
    }
    open_share(share, client, pool->clock);
    *place = share;
    return share;
}

static void put_last(struct sower_share *share, struct sower_job *job)
{
    job->next = NULL;
    *share->last = job;
    share->last = &job->next;
}

static struct sower_job *take_first(struct sower_share *share)
{
    struct sower_job *job = share->first;
    share->first = job->next;
    if (share->first == NULL) {
        share->last = &share->first;
    }
    return job;
}

static struct sower_share *enqueue(struct sower_pool *pool, struct sower_job *job)
{
    struct sower_share *share = find_share(pool, job->client);
    if (share->first == NULL && share->running == 0 && share->used < pool->clock) {
        share->used = pool->clock; /* an idle client saves nothing up */
    }
    put_last(share, job);
    return share;
}

static bool can_serve(const struct sower_pool *pool, const struct sower_share *share, bool spare)
{
    return share->first != NULL && (!spare || (pool->busy == pool->thread_count && share->running == 0));
}

static void wake_spare(struct sower_pool *pool)
{
    bool any = can_serve(pool, &pool->common, true);
    for (const struct sower_share *share = pool->shares; share != NULL && !any; share = share->next) {
        any = can_serve(pool, share, true);
    }
    if (any) {
        pthread_cond_signal(&pool->spare_wake);
    }
}

/* Chooses the client to serve next: the one with the lowest account among those with work. NULL: none. */
static struct sower_share *choose(struct sower_pool *pool, bool spare)
{
    struct sower_share *chosen = can_serve(pool, &pool->common, spare) ? &pool->common : NULL;
    for (struct sower_share *share = pool->shares; share != NULL; share = share->next) {
        if (can_serve(pool, share, spare) && (chosen == NULL || share->used < chosen->used)) {
            chosen = share;
        }
    }
    if (chosen != NULL && chosen->used > pool->clock) {
        pool->clock = chosen->used;
    }
    return chosen;
}

/* One of the tasks has ended. The lock is held before and after. The call may free `tasks`. */
static void end_task(struct sower_pool *pool, struct sower_tasks *tasks)
{
    if (--tasks->unfinished > 0) {
        return;
    }
    if (tasks->done == NULL) { /* a team, which waits */
        pthread_cond_broadcast(&pool->finish);
        return;
    }
    pthread_mutex_unlock(&pool->lock);
    tasks->done(tasks);
    pthread_mutex_lock(&pool->lock);
}

/* Runs the next task. The lock is held before and after. */
static void run_task(struct sower_pool *pool, struct sower_tasks *tasks)
{
    size_t index = tasks->next++;
    pthread_mutex_unlock(&pool->lock);
    tasks->task(tasks->work, index);
    pthread_mutex_lock(&pool->lock);
    end_task(pool, tasks);
}

/* Serves a client once. The lock is held before and after. */
static void serve(struct sower_pool *pool, struct sower_share *share, bool spare)
{
    struct sower_job *job = take_first(share);
    uint64_t begun = sower_clock_thread();
    share->running++;
    pool->busy += !spare;
    wake_spare(pool);
    if (is_tasks(job)) {
        struct sower_tasks *tasks = (struct sower_tasks *)job;
        if (tasks->next + 1 < tasks->count) {
            put_last(share, job);
        }
        run_task(pool, tasks);
    } else {
        pthread_mutex_unlock(&pool->lock);
        job->run(job);
        pthread_mutex_lock(&pool->lock);
    }
    uint64_t cost = sower_clock_thread() - begun;
    share->used += cost > LEAST_COST ? cost : LEAST_COST;
    share->running--;
    pool->busy -= !spare;
}

static void work_until_stopped(struct sower_pool *pool, bool spare)
{
    pthread_mutex_lock(&pool->lock);
    for (;;) {
        struct sower_share *share = choose(pool, spare);
        if (share != NULL) {
            serve(pool, share, spare);
        } else if (pool->stopping) {
            break;
        } else {
            pthread_cond_wait(spare ? &pool->spare_wake : &pool->wake, &pool->lock);
        }
    }
    pthread_mutex_unlock(&pool->lock);
}

/* Lowers the priority of this thread below that of the threads that serve connections. Otherwise the kernel lets a
 * computation go on for some milliseconds before a small request gets the CPU. Without the right to do so it works too. */
static void yield_to_serving(void)
{
    (void)setpriority(PRIO_PROCESS, 0, COMPUTING_NICENESS);
}

static void *work(void *pool)
{
    if (((const struct sower_pool *)pool)->computes) {
        yield_to_serving();
    }
    work_until_stopped(pool, false);
    return NULL;
}

static void *work_as_spare(void *pool)
{
    yield_to_serving();
    work_until_stopped(pool, true);
    return NULL;
}

void sower_pool_submit(struct sower_pool *pool, struct sower_job *job)
{
    pthread_mutex_lock(&pool->lock);
    bool taken = !pool->stopping;
    if (taken) {
        (void)enqueue(pool, job);
        pthread_cond_signal(&pool->wake);
        wake_spare(pool);
    }
    pthread_mutex_unlock(&pool->lock);
    if (!taken) {
        job->refuse(job);
    }
}

/* The lock is held. */
static void enqueue_tasks(struct sower_pool *pool, struct sower_tasks *tasks)
{
    tasks->job.run = NULL;
    tasks->next = 0;
    tasks->unfinished = tasks->count;
    tasks->refused = false;
    tasks->share = enqueue(pool, &tasks->job);
    for (size_t i = 0; i < tasks->count && i < pool->thread_count; i++) {
        pthread_cond_signal(&pool->wake);
    }
    wake_spare(pool);
}

void sower_pool_submit_tasks(struct sower_pool *pool, struct sower_tasks *tasks)
{
    pthread_mutex_lock(&pool->lock);
    bool taken = !pool->stopping;
    if (taken) {
        enqueue_tasks(pool, tasks);
    }
    pthread_mutex_unlock(&pool->lock);
    if (!taken) {
        tasks->refused = true;
        tasks->done(tasks);
    }
}

/* Removes tasks from their queue. They are in it until their last task is taken. */
static void dequeue(struct sower_tasks *tasks)
{
    struct sower_job **place = &tasks->share->first;
    while (*place != &tasks->job) {
        place = &(*place)->next;
    }
    *place = tasks->job.next;
    if (*place == NULL) {
        tasks->share->last = place;
    }
}

static void run_team(void *executor, sower_task *task, void *work_of_tasks, size_t count)
{
    struct sower_team *team = executor;
    struct sower_pool *pool = team->pool;
    struct sower_tasks tasks = {
        .job.client = team->client, .task = task, .work = work_of_tasks, .count = count};
    if (count == 0) {
        return;
    }
    pthread_mutex_lock(&pool->lock);
    enqueue_tasks(pool, &tasks);
    while ((team->joins || pool->stopping) && tasks.next < count) {
        if (tasks.next + 1 == count) {
            dequeue(&tasks);
        }
        run_task(pool, &tasks);
    }
    while (tasks.unfinished > 0) {
        pthread_cond_wait(&pool->finish, &pool->lock);
    }
    pthread_mutex_unlock(&pool->lock);
}

struct sower_parallel sower_team_parallel(struct sower_team *team)
{
    return (struct sower_parallel){run_team, team};
}

size_t sower_pool_threads(const struct sower_pool *pool)
{
    return pool->thread_count;
}

size_t sower_pool_at_most(const struct sower_pool *pool)
{
    return pool->thread_count + pool->has_spare;
}

struct sower_pool *sower_pool_new(size_t threads, bool spare)
{
    struct sower_pool *pool = calloc(1, sizeof *pool + threads * sizeof pool->threads[0]);
    if (pool == NULL) {
        return NULL;
    }
    open_share(&pool->common, 0, 0);
    pool->computes = spare;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->wake, NULL);
    pthread_cond_init(&pool->spare_wake, NULL);
    pthread_cond_init(&pool->finish, NULL);
    while (pool->thread_count < threads) {
        if (pthread_create(&pool->threads[pool->thread_count], NULL, work, pool) != 0) {
            sower_pool_free(pool);
            return NULL;
        }
        pool->thread_count++;
    }
    pool->has_spare = spare && pthread_create(&pool->spare, NULL, work_as_spare, pool) == 0;
    if (spare && !pool->has_spare) {
        sower_pool_free(pool);
        return NULL;
    }
    return pool;
}

/* Moves the jobs and tasks of a queue to the list `refused`, except the tasks of teams. */
static void refuse_queue(struct sower_share *share, struct sower_job **refused)
{
    struct sower_job *job = share->first;
    share->first = NULL;
    share->last = &share->first;
    for (struct sower_job *next; job != NULL; job = next) {
        struct sower_tasks *tasks = is_tasks(job) ? (struct sower_tasks *)job : NULL;
        next = job->next;
        if (tasks != NULL && tasks->done == NULL) { /* the waiting thread runs them itself (run_team) */
            put_last(share, job);
            continue;
        }
        if (tasks != NULL) {
            tasks->unfinished -= tasks->count - tasks->next;
            tasks->next = tasks->count;
            tasks->refused = true;
            if (tasks->unfinished > 0) {
                continue; /* the thread that completes the last running one calls `done` */
            }
        }
        job->next = *refused;
        *refused = job;
    }
}

static void refuse_all(struct sower_job *refused)
{
    while (refused != NULL) {
        struct sower_job *job = refused;
        refused = job->next;
        if (is_tasks(job)) {
            ((struct sower_tasks *)job)->done((struct sower_tasks *)job);
        } else {
            job->refuse(job);
        }
    }
}

void sower_pool_stop(struct sower_pool *pool)
{
    struct sower_job *refused = NULL;
    pthread_mutex_lock(&pool->lock);
    pool->stopping = true;
    refuse_queue(&pool->common, &refused);
    for (struct sower_share *share = pool->shares; share != NULL; share = share->next) {
        refuse_queue(share, &refused);
    }
    pthread_cond_broadcast(&pool->wake);
    pthread_cond_broadcast(&pool->spare_wake);
    pthread_mutex_unlock(&pool->lock);
    refuse_all(refused);
    while (pool->joined < pool->thread_count) {
        pthread_join(pool->threads[pool->joined++], NULL);
    }
    if (pool->has_spare && !pool->spare_joined) {
        pthread_join(pool->spare, NULL);
        pool->spare_joined = true;
    }
}

void sower_pool_free(struct sower_pool *pool)
{
    sower_pool_stop(pool);
    while (pool->shares != NULL) {
        struct sower_share *share = pool->shares;
        pool->shares = share->next;
        free(share);
    }
    pthread_cond_destroy(&pool->finish);
    pthread_cond_destroy(&pool->spare_wake);
    pthread_cond_destroy(&pool->wake);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}
