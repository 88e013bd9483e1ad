#include "server/http/work.h"

#include <stdio.h>
#include <string.h>

#include "server/server.h"

static void run(struct sower_job *job)
{
    struct sower_work *work = (struct sower_work *)job;
    work->run(work);
    /* After the resume the work belongs to the connection again and may no longer exist. */
    sower_exchange_resume(work->exchange);
}

static void refuse(struct sower_job *job)
{
    struct sower_work *work = (struct sower_work *)job;
    sower_problem_set(&work->problem, SOWER_PROBLEM_UNAVAILABLE, "",
                      "The daemon is stopping; ask again when it is back.");
    sower_exchange_resume(work->exchange);
}

static enum MHD_Result start(struct sower_work *work, struct sower_exchange *exchange,
                             struct sower_pool *pool, void (*run_work)(struct sower_work *work),
                             sower_step *next)
{
    work->exchange = exchange;
    work->run = run_work;
    work->job.run = run;
    work->job.refuse = refuse;
    work->job.client = exchange->client;
    work->status = 0;
    work->done = false;
    sower_exchange_suspend(exchange, next);
    sower_pool_submit(pool, &work->job);
    return MHD_YES;
}

enum MHD_Result sower_work_start(struct sower_work *work, struct sower_exchange *exchange,
                                 void (*run_work)(struct sower_work *work), sower_step *next)
{
    return start(work, exchange, exchange->server->pool, run_work, next);
}

enum MHD_Result sower_work_read(struct sower_work *work, struct sower_exchange *exchange,
                                void (*run_work)(struct sower_work *work), sower_step *next)
{
    return start(work, exchange, exchange->server->readers, run_work, next);
}

enum MHD_Result sower_work_refuse(struct sower_work *work)
{
    return work->status != 0 ? sower_refuse_as(work->exchange, work->status, &work->problem)
                             : sower_refuse(work->exchange, &work->problem);
}

bool sower_work_check_query(struct sower_exchange *exchange, struct sower_problem *problem)
{
    return !sower_exchange_has_query(exchange) ||
           sower_problem_set(problem, SOWER_PROBLEM_INVALID, "",
                             "A POST takes the manifest in its body; remove the query string.");
}

bool sower_work_check_fields(const json_t *fields, const char *const *known, struct sower_problem *problem)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)fields, key, value)
    {
        bool found = false;
        char list[200] = "";
        size_t length = 0;
        for (size_t i = 0; known[i] != NULL; i++) {
            found = found || strcmp(known[i], key) == 0;
            length +=
                (size_t)snprintf(list + length, sizeof list - length, "%s%s", i == 0 ? "" : ", ", known[i]);
        }
        if (!found) {
            return sower_problem_set(problem, SOWER_PROBLEM_INVALID, key,
                                     "There is no field \"%s\" here; there are %s.", key, list);
        }
    }
    return true;
}
