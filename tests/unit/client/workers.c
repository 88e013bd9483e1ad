/* Workers run each task once, on as many threads as the system gives. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "client/library/workers.h"

enum { TASKS = 10000 };

static unsigned allowed; /* threads that the system still gives */

/* Replaces libc's function. */
int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *context)
{
    int (*create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    *(void **)&create = dlsym(RTLD_NEXT, "pthread_create");
    if (allowed == 0) {
        return EAGAIN;
    }
    allowed--;
    return create(thread, attributes, start, context);
}

static atomic_uint times[TASKS];

static void count_task(void *work, size_t index)
{
    assert_ptr_equal(work, times);
    atomic_fetch_add(&times[index], 1);
}

/* Runs works of different sizes on the same workers. */
static void run_all(unsigned threads)
{
    static const size_t counts[] = {1, 2, 0, 3, TASKS, 1, 5, TASKS};
    struct sower_workers workers;
    sower_workers_init(&workers, threads);
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        memset(times, 0, sizeof times);
        sower_workers_run(&workers, count_task, times, counts[i]);
        for (size_t task = 0; task < TASKS; task++) {
            assert_int_equal(times[task], task < counts[i] ? 1 : 0);
        }
    }
    sower_workers_stop(&workers);
}

static void each_task_runs_once_on_any_number_of_threads(void **state)
{
    (void)state;
    for (unsigned threads = 1; threads <= 9; threads++) {
        allowed = threads;
        run_all(threads);
        assert_int_equal(allowed, 1); /* the calling thread is one of them */
    }
}

static void each_task_runs_once_when_the_system_gives_no_more_threads(void **state)
{
    (void)state;
    for (unsigned given = 0; given < 4; given++) {
        allowed = given;
        run_all(8);
        assert_int_equal(allowed, 0);
    }
}

static void one_thread_is_the_calling_one(void **state)
{
    (void)state;
    allowed = 100;
    run_all(1);
    assert_int_equal(allowed, 100);
}

struct meeting {
    pthread_barrier_t barrier;
    sigset_t masks[2];
    pthread_t callers[2];
};

/* Two tasks that wait for each other are on two threads. */
static void meet(void *work, size_t index)
{
    struct meeting *meeting = work;
    pthread_barrier_wait(&meeting->barrier);
    pthread_sigmask(SIG_SETMASK, NULL, &meeting->masks[index]);
    meeting->callers[index] = pthread_self();
}

static void tasks_run_at_the_same_time_and_signals_stay_with_the_program(void **state)
{
    (void)state;
    struct meeting meeting;
    struct sower_workers workers;
    allowed = 1;
    pthread_barrier_init(&meeting.barrier, NULL, 2);
    sower_workers_init(&workers, 2);
    sower_workers_run(&workers, meet, &meeting, 2);
    sower_workers_stop(&workers);
    pthread_barrier_destroy(&meeting.barrier);
    const size_t worker = pthread_equal(meeting.callers[0], pthread_self()) ? 1 : 0;
    assert_true(pthread_equal(meeting.callers[1 - worker], pthread_self()));
    assert_false(pthread_equal(meeting.callers[worker], pthread_self()));
    assert_true(sigismember(&meeting.masks[worker], SIGINT));
    assert_false(sigismember(&meeting.masks[1 - worker], SIGINT));
}

static void the_parallel_of_core_runs_on_the_workers(void **state)
{
    (void)state;
    struct sower_workers workers;
    allowed = 2;
    memset(times, 0, sizeof times);
    sower_workers_init(&workers, 3);
    sower_parallel_run(&workers.parallel, count_task, times, TASKS);
    sower_workers_run(&workers, count_task, times, TASKS);
    sower_workers_stop(&workers);
    assert_int_equal(allowed, 0);
    for (size_t task = 0; task < TASKS; task++) {
        assert_int_equal(times[task], 2);
    }
}

static void without_a_number_there_is_a_thread_for_each_processor_of_the_affinity(void **state)
{
    (void)state;
    cpu_set_t found, one;
    assert_int_equal(sched_getaffinity(0, sizeof found, &found), 0);
    assert_int_equal(sower_workers_wanted(0), CPU_COUNT(&found));
    size_t first = 0;
    while (!CPU_ISSET(first, &found)) {
        first++;
    }
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    assert_int_equal(sower_workers_wanted(0), 1);
    assert_int_equal(sched_setaffinity(0, sizeof found, &found), 0);
    assert_int_equal(sower_workers_wanted(7), 7);
    assert_int_equal(sower_workers_wanted(UINT32_MAX), SOWER_WORKERS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_task_runs_once_on_any_number_of_threads),
        cmocka_unit_test(each_task_runs_once_when_the_system_gives_no_more_threads),
        cmocka_unit_test(one_thread_is_the_calling_one),
        cmocka_unit_test(tasks_run_at_the_same_time_and_signals_stay_with_the_program),
        cmocka_unit_test(the_parallel_of_core_runs_on_the_workers),
        cmocka_unit_test(without_a_number_there_is_a_thread_for_each_processor_of_the_affinity),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
