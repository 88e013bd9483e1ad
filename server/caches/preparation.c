#include "server/caches/preparation.h"

#include <pthread.h>
#include <stdatomic.h>

#include "server/base/clock.h"
#include "server/caches/turns.h"

void sower_preparation_report(struct sower_sources_wait *list, struct sower_prepared *entry,
                              const struct sower_problem *problem)
{
    while (list != NULL) {
        struct sower_sources_wait *wait = list;
        list = wait->next;
        wait->prepared = entry;
        if (entry == NULL) {
            wait->problem = *problem;
        }
        wait->done(wait);
    }
}

bool sower_preparation_refuse_stopping(struct sower_problem *problem)
{
    return sower_problem_set(problem, SOWER_PROBLEM_UNAVAILABLE, "",
                             "The daemon is stopping; ask again when it is back.");
}

struct tasks {
    const struct sower_prepared *entry;
    sower_task *task;
    void *work;
};

static bool is_given_up(const struct sower_prepared *entry)
{
    return atomic_load(&entry->sources->stopping) || atomic_load(&entry->abandoned);
}

static void run_unless_given_up(void *context, size_t index)
{
    struct tasks *tasks = context;
    if (!is_given_up(tasks->entry)) {
        tasks->task(tasks->work, index);
    }
}

/* Runs the tasks of a preparation on the pool. A preparation may take minutes, so tasks that have not started
 * when it is given up are skipped. Factors with skipped tasks are discarded. */
static void run_tasks(void *executor, sower_task *task, void *work, size_t count)
{
    const struct sower_prepared *entry = executor;
    struct sower_team team = {entry->sources->pool, entry->client, entry->small};
    const struct sower_parallel parallel = sower_team_parallel(&team);
    struct tasks tasks = {entry, task, work};
    if (!is_given_up(entry)) {
        parallel.run(parallel.executor, run_unless_given_up, &tasks, count);
    }
}

/* Releases an entry whose preparation failed or was given up. The lock is held. */
static void discard(struct sower_sources *sources, struct sower_prepared *entry, bool opened)
{
    if (!entry->abandoned) {
        sower_prepared_unlink(&sources->list, entry);
    }
    if (opened) {
        sower_source_close(&entry->source);
    }
    sower_prepared_destroy(entry);
}

static bool open_source(struct sower_prepared *entry, struct sower_problem *problem)
{
    const struct sower_parallel parallel = {run_tasks, entry};
    const struct sower_source to_open = entry->source;
    if (is_given_up(entry)) {
        return sower_preparation_refuse_stopping(problem);
    }
    if (!sower_source_open(&entry->source, &to_open.plan, &to_open.seed, &parallel, problem)) {
        return false;
    }
    if (!is_given_up(entry)) {
        return true;
    }
    sower_source_close(&entry->source);
    return sower_preparation_refuse_stopping(problem); /* an abandoned one has no waits left to report to */
}

void sower_preparation_run(struct sower_job *job)
{
    struct sower_prepared *entry = (struct sower_prepared *)job;
    struct sower_sources *sources = entry->sources;
    struct sower_problem problem;
    bool opened = open_source(entry, &problem);
    sower_histogram_observe(&sources->seconds, sower_clock_nanoseconds() - entry->began);
    pthread_mutex_lock(&sources->lock);
    struct sower_sources_wait *waits = entry->waits;
    sources->list.memory -= entry->scratch;
    sources->preparing -= !entry->small;
    sources->ended++;
    if (opened && !entry->abandoned) {
        entry->stage = SOWER_STAGE_READY;
        entry->waits = NULL;
    } else {
        sources->list.memory -= entry->memory;
        discard(sources, entry, opened);
        opened = false;
    }
    sower_turns_start(sources);
    pthread_mutex_unlock(&sources->lock);
    sower_preparation_report(waits, opened ? entry : NULL, &problem);
}
