#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <time.h>

#include <cmocka.h>

#include "server/base/pool.h"

enum { JOBS = 200, TASKS = 1000 };

struct counting_job {
    struct sower_job job; /* comes first */
    struct sower_pool *pool;
    _Atomic unsigned *finished;
    _Atomic unsigned char done[TASKS];
};

static void count_job(struct sower_job *job)
{
    atomic_fetch_add(((struct counting_job *)job)->finished, 1);
}

/* Waits until `count` jobs have finished; there is no other signal for that. */
static void wait_until(const _Atomic unsigned *finished, unsigned count)
{
    while (atomic_load(finished) < count) {
        sched_yield();
    }
}

static void every_job_runs_once(void **state)
{
    (void)state;
    static struct counting_job jobs[JOBS];
    for (size_t threads = 1; threads <= 4; threads++) {
        _Atomic unsigned finished = 0;
        struct sower_pool *pool = sower_pool_new(threads, false);
        for (size_t i = 0; i < JOBS; i++) {
            jobs[i].job = (struct sower_job){.run = count_job, .client = i % 3};
            jobs[i].finished = &finished;
            sower_pool_submit(pool, &jobs[i].job);
        }
        wait_until(&finished, JOBS);
        sower_pool_free(pool);
        assert_int_equal(finished, JOBS);
    }
}

static void a_stopped_pool_refuses_jobs_and_tasks(void **state)
{
    (void)state;
    _Atomic unsigned refused = 0;
    struct counting_job job = {.job.refuse = count_job, .finished = &refused};
    struct sower_pool *pool = sower_pool_new(2, false);
    sower_pool_stop(pool);
    sower_pool_submit(pool, &job.job);
    assert_int_equal(refused, 1);
    sower_pool_free(pool);
}

/* A pool of one thread. A job of another client keeps it busy until the other jobs are queued. */
struct held_pool {
    struct sower_job job;
    struct sower_pool *pool;
    pthread_barrier_t barrier;
};

static void hold(struct sower_job *job)
{
    struct held_pool *held = (struct held_pool *)job;
    pthread_barrier_wait(&held->barrier);
    pthread_barrier_wait(&held->barrier);
}

static void hold_pool(struct held_pool *held)
{
    held->pool = sower_pool_new(1, false);
    held->job = (struct sower_job){.run = hold, .client = UINT64_MAX};
    pthread_barrier_init(&held->barrier, NULL, 2);
    sower_pool_submit(held->pool, &held->job);
    pthread_barrier_wait(&held->barrier);
}

static void let_go(struct held_pool *held)
{
    pthread_barrier_wait(&held->barrier);
}

/* The clients that were served, in order, as letters. */
static struct {
    char order[100];
    _Atomic unsigned count;
} served;

static void serve(struct sower_job *job)
{
    served.order[served.count] = (char)job->client;
    served.count++;
}

static const char *order_of(struct held_pool *held, unsigned count)
{
    let_go(held);
    wait_until(&served.count, count);
    sower_pool_free(held->pool);
    pthread_barrier_destroy(&held->barrier);
    served.order[count] = '\0';
    return served.order;
}

static void submit(struct held_pool *held, struct sower_job *jobs, const char *clients)
{
    for (size_t i = 0; clients[i] != '\0'; i++) {
        jobs[i] = (struct sower_job){.run = serve, .client = (uint64_t)clients[i]};
        sower_pool_submit(held->pool, &jobs[i]);
    }
}

static void clients_are_served_in_turn_and_their_jobs_in_order(void **state)
{
    (void)state;
    struct held_pool held;
    struct sower_job jobs[10];
    served.count = 0;
    hold_pool(&held);
    submit(&held, jobs, "aaaaaabbcc");
    assert_string_equal(order_of(&held, 10), "abcabcaaaa");
}

static void work_for(unsigned milliseconds)
{
    struct timespec time;
    int64_t end = -1;
    do {
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
        int64_t now = (int64_t)time.tv_sec * 1000000 + time.tv_nsec / 1000;
        end = end < 0 ? now + milliseconds * 1000 : end;
        if (now >= end) {
            return;
        }
    } while (true);
}

static void serve_long(struct sower_job *job)
{
    serve(job);
    work_for(20);
}

/* One long job costs its client as many turns as short jobs of another client fit into that time. */
static void the_client_that_has_used_less_time_is_served_first(void **state)
{
    (void)state;
    struct held_pool held;
    struct sower_job jobs[10];
    served.count = 0;
    hold_pool(&held);
    submit(&held, jobs, "aaabbbbbbb");
    for (int i = 0; i < 3; i++) {
        jobs[i].run = serve_long;
    }
    assert_string_equal(order_of(&held, 10), "abbbbbbbaa");
}

/* All threads but the spare one run jobs of one client, which end only after another client's job has run. */
static void a_client_without_a_thread_does_not_wait_for_others(void **state)
{
    (void)state;
    enum { THREADS = 2 };
    _Atomic unsigned own = 0, others = 0;
    struct held_pool held[THREADS];
    struct sower_pool *pool = sower_pool_new(THREADS, true);
    for (size_t i = 0; i < THREADS; i++) {
        held[i].job = (struct sower_job){.run = hold, .client = 'a'};
        pthread_barrier_init(&held[i].barrier, NULL, 2);
        sower_pool_submit(pool, &held[i].job);
        pthread_barrier_wait(&held[i].barrier);
    }
    struct counting_job more = {.job = {.run = count_job, .client = 'a'}, .finished = &own};
    struct counting_job other = {.job = {.run = count_job, .client = 'b'}, .finished = &others};
    sower_pool_submit(pool, &more.job);
    sower_pool_submit(pool, &other.job);
    wait_until(&others, 1);
    assert_int_equal(own, 0); /* the spare thread does not serve a client that has threads */
    for (size_t i = 0; i < THREADS; i++) {
        let_go(&held[i]);
    }
    wait_until(&own, 1);
    sower_pool_free(pool);
    for (size_t i = 0; i < THREADS; i++) {
        pthread_barrier_destroy(&held[i].barrier);
    }
}

/* Submits itself again, as work in slices does, and also a job of another client. */
struct slices {
    struct sower_job job;
    struct sower_pool *pool;
    unsigned left;
};

static void serve_slice(struct sower_job *job)
{
    struct slices *slices = (struct slices *)job;
    serve(job);
    if (--slices->left > 0) {
        sower_pool_submit(slices->pool, job);
    }
}

static void work_in_slices_gets_its_turns(void **state)
{
    (void)state;
    struct held_pool held;
    struct sower_job jobs[5];
    served.count = 0;
    hold_pool(&held);
    struct slices slices = {{.run = serve_slice, .client = 'b'}, held.pool, 3};
    submit(&held, jobs, "aaaaa");
    sower_pool_submit(held.pool, &slices.job);
    assert_string_equal(order_of(&held, 8), "abababaa");
}

static void serve_other(struct sower_job *job)
{
    (void)job;
    served.order[served.count] = 'A';
    served.count++;
}

struct tasks_of_client {
    struct sower_tasks tasks;
    _Atomic unsigned done;
};

static void serve_task(void *work, size_t index)
{
    (void)index;
    serve(work);
}

static void count_done(struct sower_tasks *tasks)
{
    atomic_fetch_add(&((struct tasks_of_client *)tasks)->done, 1);
}

static void tasks_give_way_after_each(void **state)
{
    (void)state;
    struct held_pool held;
    struct sower_job jobs[4];
    struct tasks_of_client work = {.tasks = {.job.client = 'a', .count = 4, .task = serve_task}};
    work.tasks.done = count_done;
    work.tasks.work = &work.tasks.job;
    served.count = 0;
    hold_pool(&held);
    sower_pool_submit_tasks(held.pool, &work.tasks);
    for (size_t i = 0; i < 2; i++) { /* of the same client */
        jobs[i] = (struct sower_job){.run = serve_other, .client = 'a'};
        sower_pool_submit(held.pool, &jobs[i]);
    }
    submit(&held, jobs + 2, "bb");
    assert_string_equal(order_of(&held, 8), "abAbAaaa");
    assert_int_equal(work.done, 1);
    assert_false(work.tasks.refused);
}

static void *stop(void *pool)
{
    sower_pool_stop(pool);
    return NULL;
}

static void stopping_refuses_work_that_has_not_begun(void **state)
{
    (void)state;
    _Atomic unsigned refused = 0;
    struct held_pool held;
    struct counting_job jobs[5];
    struct tasks_of_client work = {
        .tasks = {.job.client = 1, .count = 4, .task = serve_task, .done = count_done}};
    pthread_t stopping;
    served.count = 0;
    hold_pool(&held);
    for (size_t i = 0; i < 5; i++) {
        jobs[i].job = (struct sower_job){.run = serve, .refuse = count_job, .client = i};
        jobs[i].finished = &refused;
        sower_pool_submit(held.pool, &jobs[i].job);
    }
    sower_pool_submit_tasks(held.pool, &work.tasks);
    assert_int_equal(pthread_create(&stopping, NULL, stop, held.pool), 0);
    wait_until(&refused, 5); /* while the first job still runs */
    wait_until(&work.done, 1);
    assert_true(work.tasks.refused);
    let_go(&held);
    pthread_join(stopping, NULL);
    sower_pool_free(held.pool);
    pthread_barrier_destroy(&held.barrier);
    assert_int_equal(served.count, 0);
    assert_int_equal(refused, 5);
}

static void mark(void *work, size_t index)
{
    struct counting_job *job = work;
    atomic_fetch_add(&job->done[index], 1);
}

static void run_tasks(struct sower_job *base)
{
    struct counting_job *job = (struct counting_job *)base;
    struct sower_team team = {job->pool, 1, true};
    const struct sower_parallel parallel = sower_team_parallel(&team);
    parallel.run(parallel.executor, mark, job, TASKS);
    parallel.run(parallel.executor, mark, job, 0);
    /* All tasks have returned when run does. */
    bool all = true;
    for (size_t i = 0; i < TASKS; i++) {
        all = all && job->done[i] == 1;
    }
    if (all) {
        atomic_fetch_add(job->finished, 1);
    }
}

static void every_task_of_every_job_runs_once(void **state)
{
    (void)state;
    static struct counting_job jobs[20];
    for (size_t threads = 1; threads <= 4; threads++) {
        _Atomic unsigned finished = 0;
        struct sower_pool *pool = sower_pool_new(threads, false);
        for (size_t i = 0; i < 20; i++) {
            jobs[i] = (struct counting_job){.job.run = run_tasks, .pool = pool, .finished = &finished};
            sower_pool_submit(pool, &jobs[i].job);
        }
        wait_until(&finished, 20);
        sower_pool_free(pool);
        assert_int_equal(finished, 20);
    }
}

/* Two tasks that wait for each other: they end only on two threads. */
struct meeting {
    struct counting_job job;
    pthread_barrier_t barrier;
};

static void meet(void *work, size_t index)
{
    (void)index;
    pthread_barrier_wait(&((struct meeting *)work)->barrier);
}

static void run_meeting(struct sower_job *base)
{
    struct meeting *meeting = (struct meeting *)base;
    struct sower_team team = {meeting->job.pool, 1, true};
    const struct sower_parallel parallel = sower_team_parallel(&team);
    parallel.run(parallel.executor, meet, meeting, 2);
    atomic_fetch_add(meeting->job.finished, 1);
}

static void idle_threads_help_with_a_jobs_tasks(void **state)
{
    (void)state;
    _Atomic unsigned finished = 0;
    struct sower_pool *pool = sower_pool_new(2, false);
    struct meeting meeting = {.job = {.job.run = run_meeting, .pool = pool, .finished = &finished}};
    pthread_barrier_init(&meeting.barrier, NULL, 2);
    sower_pool_submit(pool, &meeting.job.job);
    wait_until(&finished, 1);
    sower_pool_free(pool);
    assert_int_equal(finished, 1);
    pthread_barrier_destroy(&meeting.barrier);
}

/* One task waits on the calling thread, which is outside the pool, the other on a thread of the pool. */
static void idle_threads_help_a_thread_outside_the_pool(void **state)
{
    (void)state;
    _Atomic unsigned finished = 0;
    struct sower_pool *pool = sower_pool_new(2, false);
    struct meeting meeting = {.job = {.pool = pool, .finished = &finished}};
    pthread_barrier_init(&meeting.barrier, NULL, 2);
    run_meeting(&meeting.job.job);
    assert_int_equal(finished, 1);
    sower_pool_free(pool);
    pthread_barrier_destroy(&meeting.barrier);
}

/* Two tasks that wait for each other, and a caller that runs neither. */
static void a_caller_that_does_not_join_waits_for_all_tasks(void **state)
{
    (void)state;
    struct sower_pool *pool = sower_pool_new(2, false);
    struct meeting meeting = {.job = {.pool = pool}};
    struct sower_team team = {pool, 1, false};
    pthread_barrier_init(&meeting.barrier, NULL, 2);
    const struct sower_parallel parallel = sower_team_parallel(&team);
    parallel.run(parallel.executor, meet, &meeting, 2);
    sower_pool_stop(pool);
    parallel.run(parallel.executor, mark, &meeting,
                 TASKS); /* no other thread is left: the caller runs the tasks */
    assert_int_equal(meeting.job.done[TASKS - 1], 1);
    sower_pool_free(pool);
    pthread_barrier_destroy(&meeting.barrier);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_job_runs_once),
        cmocka_unit_test(a_stopped_pool_refuses_jobs_and_tasks),
        cmocka_unit_test(clients_are_served_in_turn_and_their_jobs_in_order),
        cmocka_unit_test(the_client_that_has_used_less_time_is_served_first),
        cmocka_unit_test(work_in_slices_gets_its_turns),
        cmocka_unit_test(a_client_without_a_thread_does_not_wait_for_others),
        cmocka_unit_test(tasks_give_way_after_each),
        cmocka_unit_test(stopping_refuses_work_that_has_not_begun),
        cmocka_unit_test(a_caller_that_does_not_join_waits_for_all_tasks),
        cmocka_unit_test(every_task_of_every_job_runs_once),
        cmocka_unit_test(idle_threads_help_with_a_jobs_tasks),
        cmocka_unit_test(idle_threads_help_a_thread_outside_the_pool),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
