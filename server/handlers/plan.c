/* /v1/plan: what a request comes to, without its bytes. Nothing is written down: no tensor leaves. What
 * /v1/tensor would refuse is refused in the same words.
 *
 * The ledger says on which line the draw stands and which one it drifts from. While it cannot be read, the
 * plan is answered without these two: a plan needs no ledger. */
#include "server/handlers/handlers.h"

#include <stdlib.h>

#include "proto/documents.h"
#include "proto/json.h"
#include "proto/record.h"
#include "proto/request.h"
#include "server/handlers/drift.h"
#include "server/streams/cost.h"

struct plan {
    struct sower_ledger_wait wait; /* comes first: `done` gets a pointer to it */
    struct sower_exchange *exchange;
    struct sower_request request;
    struct sower_store_draw look;
};

static json_t *line_json(uint64_t line)
{
    return line != 0 ? json_integer((json_int_t)line) : json_null();
}

static enum MHD_Result reply_with(struct sower_exchange *exchange, uint64_t line, uint64_t drift)
{
    const struct plan *plan = exchange->state;
    json_t *object = sower_document_plan(&plan->request);
    sower_json_set(&object, "ledger", line_json(line));
    sower_json_set(&object, "drift", line_json(drift));
    return sower_reply_json(exchange, MHD_HTTP_OK, object);
}

static enum MHD_Result reply(struct sower_exchange *exchange)
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
    return reply_with(exchange, plan->look.outcome == SOWER_DRAW_RECORDED ? record->ledger : 0,
                      record->drift);
}

static void looked(struct sower_ledger_wait *wait)
{
    sower_exchange_resume(((struct plan *)wait)->exchange);
}

static enum MHD_Result look(struct sower_exchange *exchange)
{
    struct plan *plan = exchange->state;
    struct sower_ledger *ledger = exchange->server->ledger;
    sower_record_of(&plan->request, &plan->look.record);
    uint64_t line = sower_ledger_known(ledger, &plan->look.record.draw);
    if (line != 0) {
        return reply_with(exchange, line, 0); /* what is known does not drift */
    }
    plan->look.strict = exchange->server->options->strict;
    plan->wait.done = looked;
    plan->wait.place.client = exchange->client;
    plan->wait.wish = SOWER_LEDGER_LOOK;
    plan->wait.draw = &plan->look;
    sower_exchange_suspend(exchange, reply);
    sower_ledger_submit(ledger, &plan->wait);
    return MHD_YES;
}

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
    bool parsed = sower_request_parse(fields, exchange->method != SOWER_POST, &exchange->server->root,
                                      &plan->request, &problem);
    json_decref(fields);
    return parsed && sower_cost_check(exchange->server, &plan->request.plan, &cost, &problem)
               ? look(exchange)
               : sower_refuse(exchange, &problem);
}
