/* /openapi.json: the description of all routes for programs (OpenAPI 3.1).
 *
 * One step: sower_handle_openapi, on a worker, sends the file proto/openapi.json. */
#include "server/handlers/openapi.h"

#include <sodium.h>

#include "server/handlers/handlers.h"
#include "server/http/entity.h"

static enum MHD_Result reply(struct sower_exchange *exchange, const struct sower_entity *entity)
{
    const unsigned char *text = sower_openapi_text + entity->range.start;
    struct MHD_Response *response = MHD_create_response_from_buffer(
        (size_t)entity->range.length, (void *)(uintptr_t)text, MHD_RESPMEM_PERSISTENT);
    sower_reply_header(&response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
    sower_entity_add_headers(entity, exchange, &response);
    exchange->bytes = exchange->method == SOWER_HEAD ? 0 : entity->range.length;
    return sower_reply(exchange, sower_entity_status(entity), response);
}

enum MHD_Result sower_handle_openapi(struct sower_exchange *exchange)
{
    struct sower_problem problem;
    struct sower_entity entity;
    uint8_t tag[SOWER_ETAG_SIZE];
    enum MHD_Result result;
    if (sower_exchange_has_query(exchange)) {
        sower_problem_set(&problem, SOWER_PROBLEM_INVALID, "", "/openapi.json takes no fields.");
        return sower_refuse(exchange, &problem);
    }
    crypto_generichash(tag, sizeof tag, sower_openapi_text, sower_openapi_size, NULL, 0);
    sower_entity_make(&entity, exchange, tag, sower_openapi_size);
    entity.replaced_later = true;
    return sower_entity_evaluate(&entity, exchange, &result) ? reply(exchange, &entity) : result;
}
