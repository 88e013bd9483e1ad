/* /v1/plan: what a request would produce, without the elements. It records nothing, since no tensor is
 * sent. A request that /v1/tensor would refuse is refused with the same sentence.
 *
 * 1. sower_handle_plan, on a worker: reads the request and checks the cost.
 * 2. look_up, on the same worker: asks the ledger on which line the draw is, and from which line it drifts.
 *    The exchange is suspended meanwhile, unless the ledger remembers the draw.
 * 3. after_look_up, on a worker: sends the plan. If the ledger cannot be read, the plan is sent without
 *    these two lines: a plan needs no ledger. */
#include "server/handlers/handlers.h"

#include <stdlib.h>

#include "proto/documents.h"
#include "proto/json.h"
#include "proto/record.h"
#include "proto/request.h"
#include "server/handlers/drift.h"
#include "server/http/authorize.h"
#include "server/server.h"
#include "server/streams/cost.h"

struct plan {
    struct sower_ledger_wait wait; /* comes first: `done` gets a pointer to it */
    struct sower_exchange *exchange;
    struct sower_request request;
    struct sower_store_draw look;
};

static sower_step look_up;
static sower_step after_look_up;
static enum MHD_Result reply(struct sower_exchange *exchange, uint64_t line, uint64_t drift);

enum MHD_Result sower_handle_plan(struct sower_exchange *exchange)
{
    struct sower_problem problem;
    struct sower_cost cost;
    json_t *fields;
    struct plan *plan = calloc(1, sizeof *plan);
    if (plan == NULL) {
        return sower_reply_unavailable(exchange);
    }
    plan->exchange = exchange;
    exchange->state = plan;
    exchange->release = free;
    if (!sower_exchange_fields(exchange, &fields, &problem)) {
        return sower_refuse(exchange, &problem);
    }
    bool read = sower_request_parse(fields, exchange->method != SOWER_POST, &exchange->server->root,
                                    &plan->request, &problem);
    json_decref(fields);
    return read && sower_may_use(exchange, plan->request.draw.experiment, &problem) &&
                   sower_cost_check(exchange->server, &plan->request.plan, &cost, &problem)
               ? look_up(exchange)
               : sower_refuse(exchange, &problem);
}

static void resume_looked_up(struct sower_ledger_wait *wait)
{
    sower_exchange_resume(((struct plan *)wait)->exchange);
}

static enum MHD_Result look_up(struct sower_exchange *exchange)
{
    struct plan *plan = exchange->state;
    struct sower_ledger *ledger = exchange->server->ledger;
    sower_record_of(&plan->request, &plan->look.record);
    uint64_t line = sower_ledger_known(ledger, &plan->look.record.draw);
    if (line != 0) {
        return reply(exchange, line, 0); /* a draw that the ledger remembers does not drift */
    }
    plan->look.strict = exchange->server->options->strict;
    plan->wait.done = resume_looked_up;
    plan->wait.place.client = exchange->client;
    plan->wait.request = SOWER_LEDGER_LOOK;
    plan->wait.draw = &plan->look;
    sower_exchange_suspend(exchange, after_look_up);
    sower_ledger_submit(ledger, &plan->wait);
    return MHD_YES;
}

/* 0: null. */
static json_t *line_json(uint64_t line)
{
    return line != 0 ? json_integer((json_int_t)line) : json_null();
}

static enum MHD_Result reply(struct sower_exchange *exchange, uint64_t line, uint64_t drift)
{
    const struct plan *plan = exchange->state;
    json_t *object = sower_document_plan(&plan->request);
    sower_json_set(&object, "ledger", line_json(line));
    sower_json_set(&object, "drift", line_json(drift));
    return sower_reply_json(exchange, MHD_HTTP_OK, object);
}

static enum MHD_Result after_look_up(struct sower_exchange *exchange)
{
    const struct plan *plan = exchange->state;
    const struct sower_record *record = &plan->look.record;
    if (!plan->wait.well && plan->wait.problem.code == SOWER_PROBLEM_MEMORY) {
        return sower_refuse(exchange, &plan->wait.problem);
    }
    if (!plan->wait.well) {
        return sower_reply_json(exchange, MHD_HTTP_OK, sower_document_plan(&plan->request));
    }
    if (plan->look.outcome == SOWER_DRAW_REFUSED) {
        return sower_drift_refuse(exchange, record->name, record->drift);
    }
    return reply(exchange, plan->look.outcome == SOWER_DRAW_RECORDED ? record->ledger : 0, record->drift);
}
