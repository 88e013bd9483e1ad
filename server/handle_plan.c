/* /v1/plan: what a request comes to, without its bytes. Nothing is written down: no tensor leaves. What
 * /v1/tensor would refuse is refused in the same words. */
#include "handlers.h"

#include "../proto/answer.h"
#include "../proto/request.h"
#include "cost.h"

enum MHD_Result sower_handle_plan(struct sower_exchange *exchange)
{
    struct sower_request request;
    struct sower_problem problem;
    struct sower_cost cost;
    json_t *fields;
    if (!sower_exchange_fields(exchange, &fields, &problem)) {
        return sower_refuse(exchange, &problem);
    }
    bool parsed = sower_request_parse(fields, exchange->method != SOWER_POST, &exchange->server->root,
                                      &request, &problem);
    json_decref(fields);
    if (!parsed || !sower_cost_check(exchange->server, &request.plan, &cost, &problem)) {
        return sower_refuse(exchange, &problem);
    }
    return sower_reply_json(exchange, MHD_HTTP_OK, sower_answer_plan(&request));
}
