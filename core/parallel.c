#include "parallel.h"

static void run_in_turn(void *executor, sower_task *task, void *work, size_t count)
{
    (void)executor;
    for (size_t index = 0; index < count; index++) {
        task(work, index);
    }
}

const struct sower_parallel sower_parallel_none = {.run = run_in_turn, .executor = NULL};
