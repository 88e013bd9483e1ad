#include "core/parallel.h"

#include "core/environment.h"

struct job {
    sower_task *task;
    void *work;
};

static void run_task(void *work, size_t index)
{
    const struct job *job = work;
    const struct sower_environment found = sower_environment_enter();
    job->task(job->work, index);
    sower_environment_leave(&found);
}

void sower_parallel_run(const struct sower_parallel *parallel, sower_task *task, void *work, size_t count)
{
    struct job job = {task, work};
    parallel->run(parallel->executor, run_task, &job, count);
}

static void run_in_turn(void *executor, sower_task *task, void *work, size_t count)
{
    (void)executor;
    for (size_t index = 0; index < count; index++) {
        task(work, index);
    }
}

const struct sower_parallel sower_parallel_none = {.run = run_in_turn, .executor = NULL};
