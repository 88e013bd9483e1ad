#include "server/http/entity.h"

#include <inttypes.h>
#include <stdio.h>

#include <sodium.h>

#include "server/access/tokens.h"
#include "server/server.h"

void sower_entity_make(struct sower_entity *entity, struct sower_exchange *exchange,
                       const uint8_t tag[SOWER_ETAG_SIZE], uint64_t size)
{
    entity->etag[0] = '"';
    sodium_bin2hex(entity->etag + 1, sizeof entity->etag - 1, tag, SOWER_ETAG_SIZE);
    entity->etag[SOWER_ETAG_TEXT - 2] = '"';
    entity->etag[SOWER_ETAG_TEXT - 1] = '\0';
    entity->part = SOWER_RANGE_WHOLE;
    entity->range = (struct sower_range){0, size};
    entity->replaced_later = false;
    exchange->whole_size = size;
}

/* A draw never changes. Under a private root only clients of the daemon may have it, and with tokens only some of
 * them, so shared caches may not store it. */
static const char *cache_control_of_draw(const struct sower_server *server)
{
    return server->private_root || server->tokens->path != NULL ? "private, max-age=31536000, immutable"
                                                                : "public, max-age=31536000, immutable";
}

static void add_cache_headers(const struct sower_entity *entity, const struct sower_exchange *exchange,
                              struct MHD_Response **response)
{
    sower_reply_header(response, MHD_HTTP_HEADER_CACHE_CONTROL,
                       entity->replaced_later ? "no-cache" : cache_control_of_draw(exchange->server));
    sower_reply_header(response, MHD_HTTP_HEADER_ETAG, entity->etag);
}

static enum MHD_Result reply_not_modified(const struct sower_entity *entity, struct sower_exchange *exchange)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(0, "", MHD_RESPMEM_PERSISTENT);
    add_cache_headers(entity, exchange, &response);
    return sower_reply(exchange, MHD_HTTP_NOT_MODIFIED, response);
}

static enum MHD_Result refuse_match(const struct sower_entity *entity, struct sower_exchange *exchange)
{
    struct sower_problem problem;
    sower_problem_set(&problem, SOWER_PROBLEM_INVALID, "",
                      "If-Match does not match this response; its entity tag is %s.", entity->etag);
    return sower_refuse_as(exchange, MHD_HTTP_PRECONDITION_FAILED, &problem);
}

static enum MHD_Result refuse_range(struct sower_exchange *exchange)
{
    struct sower_problem problem;
    sower_problem_set(&problem, SOWER_PROBLEM_INVALID, "",
                      "The Range begins after the end of the response, which has %" PRIu64 " bytes.",
                      exchange->whole_size);
    return sower_refuse_as(exchange, MHD_HTTP_RANGE_NOT_SATISFIABLE, &problem);
}

bool sower_entity_evaluate(struct sower_entity *entity, struct sower_exchange *exchange,
                           enum MHD_Result *result)
{
    if (exchange->method == SOWER_POST) {
        return true;
    }
    const char *match = sower_exchange_header(exchange, MHD_HTTP_HEADER_IF_MATCH);
    if (match != NULL && !sower_etag_listed(match, entity->etag, false)) {
        *result = refuse_match(entity, exchange);
        return false;
    }
    if (sower_etag_listed(sower_exchange_header(exchange, MHD_HTTP_HEADER_IF_NONE_MATCH), entity->etag,
                          true)) {
        *result = reply_not_modified(entity, exchange);
        return false;
    }
    if (exchange->method == SOWER_GET &&
        sower_if_range(sower_exchange_header(exchange, MHD_HTTP_HEADER_IF_RANGE), entity->etag)) {
        entity->part = sower_range_parse(sower_exchange_header(exchange, MHD_HTTP_HEADER_RANGE),
                                         exchange->whole_size, &entity->range);
    }
    if (entity->part != SOWER_RANGE_UNSATISFIABLE) {
        return true;
    }
    *result = refuse_range(exchange);
    return false;
}

void sower_entity_add_headers(const struct sower_entity *entity, const struct sower_exchange *exchange,
                              struct MHD_Response **response)
{
    char text[80];
    add_cache_headers(entity, exchange, response);
    sower_reply_header(response, MHD_HTTP_HEADER_ACCEPT_RANGES, "bytes");
    if (entity->part != SOWER_RANGE_PART) {
        return;
    }
    snprintf(text, sizeof text, "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, entity->range.start,
             entity->range.start + entity->range.length - 1, exchange->whole_size);
    sower_reply_header(response, MHD_HTTP_HEADER_CONTENT_RANGE, text);
}

unsigned sower_entity_status(const struct sower_entity *entity)
{
    return entity->part == SOWER_RANGE_PART ? MHD_HTTP_PARTIAL_CONTENT : MHD_HTTP_OK;
}

static ssize_t read_nothing(void *context, uint64_t position, char *buffer, size_t size)
{
    (void)context, (void)position, (void)buffer, (void)size;
    return MHD_CONTENT_READER_END_WITH_ERROR;
}

struct MHD_Response *sower_entity_head(const struct sower_entity *entity)
{
    return MHD_create_response_from_callback(entity->range.length, 1, read_nothing, NULL, NULL);
}
