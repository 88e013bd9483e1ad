#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <pthread.h>
#include <stdatomic.h>

#include <cmocka.h>

#include "../../server/pool.h"

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

static void every_job_runs_once_before_the_pool_stops(void **state)
{
    (void)state;
    static struct counting_job jobs[JOBS];
    for (size_t threads = 1; threads <= 4; threads++) {
        _Atomic unsigned finished = 0;
        struct sower_pool *pool = sower_pool_new(threads);
        for (size_t i = 0; i < JOBS; i++) {
            jobs[i].job.run = count_job;
            jobs[i].finished = &finished;
            assert_true(sower_pool_submit(pool, &jobs[i].job));
        }
        sower_pool_stop(pool);
        assert_int_equal(finished, JOBS);
        sower_pool_free(pool);
    }
}

static void a_stopped_pool_takes_no_jobs(void **state)
{
    (void)state;
    _Atomic unsigned finished = 0;
    struct counting_job job = {.job.run = count_job, .finished = &finished};
    struct sower_pool *pool = sower_pool_new(2);
    sower_pool_stop(pool);
    assert_false(sower_pool_submit(pool, &job.job));
    sower_pool_free(pool);
    assert_int_equal(finished, 0);
}

static void mark(void *work, size_t index)
{
    struct counting_job *job = work;
    atomic_fetch_add(&job->done[index], 1);
}

static void run_tasks(struct sower_job *base)
{
    struct counting_job *job = (struct counting_job *)base;
    const struct sower_parallel parallel = sower_pool_parallel(job->pool);
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
        struct sower_pool *pool = sower_pool_new(threads);
        for (size_t i = 0; i < 20; i++) {
            jobs[i] = (struct counting_job){.job.run = run_tasks, .pool = pool, .finished = &finished};
            assert_true(sower_pool_submit(pool, &jobs[i].job));
        }
        sower_pool_free(pool);
        assert_int_equal(finished, 20);
    }
}

/* Two tasks that each wait for the other: they only end on two threads. */
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
    const struct sower_parallel parallel = sower_pool_parallel(meeting->job.pool);
    parallel.run(parallel.executor, meet, meeting, 2);
    atomic_fetch_add(meeting->job.finished, 1);
}

static void idle_threads_help_with_a_jobs_tasks(void **state)
{
    (void)state;
    _Atomic unsigned finished = 0;
    struct sower_pool *pool = sower_pool_new(2);
    struct meeting meeting = {.job = {.job.run = run_meeting, .pool = pool, .finished = &finished}};
    pthread_barrier_init(&meeting.barrier, NULL, 2);
    assert_true(sower_pool_submit(pool, &meeting.job.job));
    sower_pool_free(pool);
    assert_int_equal(finished, 1);
    pthread_barrier_destroy(&meeting.barrier);
}

/* One task waits on the calling thread, which is not the pool's, the other on a thread of the pool. */
static void idle_threads_help_a_thread_that_is_not_the_pools(void **state)
{
    (void)state;
    _Atomic unsigned finished = 0;
    struct sower_pool *pool = sower_pool_new(2);
    struct meeting meeting = {.job = {.pool = pool, .finished = &finished}};
    pthread_barrier_init(&meeting.barrier, NULL, 2);
    run_meeting(&meeting.job.job);
    assert_int_equal(finished, 1);
    sower_pool_free(pool);
    pthread_barrier_destroy(&meeting.barrier);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_job_runs_once_before_the_pool_stops),
        cmocka_unit_test(a_stopped_pool_takes_no_jobs),
        cmocka_unit_test(every_task_of_every_job_runs_once),
        cmocka_unit_test(idle_threads_help_with_a_jobs_tasks),
        cmocka_unit_test(idle_threads_help_a_thread_that_is_not_the_pools),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
