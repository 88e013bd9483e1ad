/* /v1/plan: what a request comes to, without its bytes. Nothing is written down: no tensor leaves. */
#include "handlers.h"

#include "../proto/answer.h"
#include "../proto/request.h"

enum MHD_Result sower_handle_plan(struct sower_exchange *exchange)
{
    struct sower_request request;
    struct sower_problem problem;
    json_t *fields;
    if (!sower_exchange_fields(exchange, &fields, &problem)) {
        return sower_refuse(exchange, &problem);
    }
    bool parsed = sower_request_parse(fields, exchange->method != SOWER_POST, &exchange->server->root,
                                      &request, &problem);
    json_decref(fields);
    if (!parsed) {
        return sower_refuse(exchange, &problem);
    }
    return sower_reply_json(exchange, MHD_HTTP_OK, sower_answer_plan(&request));
}
