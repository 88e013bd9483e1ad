/* /v1/tensor: one tensor. The ledger records its draw first; then its elements are generated while they are
 * sent.
 *
 * 1. sower_handle_tensor, on a worker: sends a kept response if there is one for the same target. Otherwise
 *    reads the request, checks the cost, and checks the request's conditions and range.
 * 2. record, on the same worker: asks the ledger to record the draw. The exchange is suspended meanwhile,
 *    unless the ledger remembers that the draw is recorded.
 * 3. after_recording, on a worker: refuses a draw that drifts where the ledger says so (drift.h), or notes
 *    the draw's line.
 * 4. open_source: opens a light source at once (open_light). A heavy source comes from the cache, or is
 *    prepared while the exchange is suspended (open_heavy), and then after_preparation goes on.
 * 5. reply_small sends a body that is generated at once; reply_stream generates the body while it is sent.
 *
 * HEAD gets the headers of GET. HEAD is safe (RFC 9110, 9.2.1), so it records nothing: the ledger only
 * looks the draw up. A refusal (4xx) and a 304, which sends nothing new, record nothing either. */
#include "server/handlers/handlers.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "proto/hex.h"
#include "proto/number.h"
#include "proto/record.h"
#include "server/caches/responses.h"
#include "server/caches/sources.h"
#include "server/handlers/drift.h"
#include "server/handlers/recording.h"
#include "server/http/authorize.h"
#include "server/http/disposition.h"
#include "server/http/entity.h"
#include "server/server.h"
#include "server/streams/cost.h"
#include "server/streams/stream.h"

/* A body of at most so many bytes is generated at once and sent together with its headers. */
enum { SMALL_BODY = SOWER_RESPONSE_BODY_MAX };

struct tensor {
    struct sower_recording ledger; /* used unless the ledger remembers the draw */
    struct sower_exchange *exchange;
    struct sower_request request;
    struct sower_draw_id draw;
    uint64_t line;  /* of the ledger; 0: not recorded */
    uint64_t drift; /* the line that the draw drifts from; 0: the draw does not drift */
    struct sower_entity entity;
    struct sower_cost cost;
    struct sower_source source;      /* a light source; open if `opened` */
    struct sower_prepared *prepared; /* a heavy source, or NULL */
    struct sower_sources_wait preparation;
    bool opened, streams;
    bool reusable; /* another request with the same target may get the same response, except the request id */
    struct sower_response *kept; /* a small response that is to be kept; or NULL */
    struct sower_tensor_bytes bytes;
    struct sower_stream stream;        /* in use if `streams` */
    struct sower_store_draw recording; /* filled only if the ledger does not remember the draw */
};

static sower_step record;
static sower_step after_recording;
static sower_step open_source;
static sower_step open_light;
static sower_step open_heavy;
static sower_step after_preparation;
static sower_step reply_small;
static sower_step reply_stream;
static enum MHD_Result reply(struct sower_exchange *exchange, struct MHD_Response *response);

static void release(void *state)
{
    struct tensor *tensor = state;
    if (tensor->kept != NULL) {
        sower_responses_give(tensor->kept);
    }
    if (tensor->streams) {
        sower_stream_end(&tensor->stream);
    }
    if (tensor->opened) {
        sower_source_close(&tensor->source);
    }
    if (tensor->prepared != NULL) {
        sower_sources_release(tensor->prepared);
    }
    free(tensor);
}

static void describe(const void *state, struct sower_log_line *line)
{
    const struct tensor *tensor = state;
    char seed[SOWER_HEX_SIZE];
    sower_hex_print(tensor->request.seed.bytes, seed);
    sower_log_string(line, "experiment", tensor->request.draw.experiment);
    sower_log_number(line, "trial", tensor->request.draw.trial);
    sower_log_string(line, "name", tensor->request.draw.name);
    if (tensor->line == 0) {
        return;
    }
    sower_log_string(line, "seed", seed);
    sower_log_number(line, "ledger", tensor->line);
    if (tensor->drift != 0) {
        sower_log_number(line, "drift", tensor->drift);
    }
}

static void release_kept(void *state)
{
    sower_responses_give(state);
}

static void describe_kept(const void *state, struct sower_log_line *line)
{
    const struct sower_response *kept = state;
    sower_log_string(line, "experiment", kept->experiment);
    sower_log_number(line, "trial", kept->trial);
    sower_log_string(line, "name", kept->name);
    sower_log_string(line, "seed", kept->seed);
    sower_log_number(line, "ledger", kept->line);
}

static enum MHD_Result reply_kept(struct sower_exchange *exchange, struct sower_response *kept)
{
    exchange->bytes = kept->size;
    return sower_reply_again(exchange, MHD_HTTP_OK, kept->response);
}

/* Whether the target alone decides the response: a GET of the whole body, without conditions. */
static bool is_decided_by_target(const struct sower_exchange *exchange)
{
    return exchange->method == SOWER_GET && exchange->short_target && !sower_exchange_closes(exchange) &&
           sower_exchange_header(exchange, MHD_HTTP_HEADER_RANGE) == NULL &&
           sower_exchange_header(exchange, MHD_HTTP_HEADER_IF_MATCH) == NULL &&
           sower_exchange_header(exchange, MHD_HTTP_HEADER_IF_NONE_MATCH) == NULL;
}

static bool read_request(struct sower_exchange *exchange, struct tensor *tensor,
                         struct sower_problem *problem)
{
    json_t *fields;
    if (!sower_exchange_fields(exchange, &fields, problem)) {
        return false;
    }
    bool read = sower_request_parse(fields, exchange->method != SOWER_POST, &exchange->server->root,
                                    &tensor->request, problem);
    json_decref(fields);
    return read && sower_may_use(exchange, tensor->request.draw.experiment, problem) &&
           sower_cost_check(exchange->server, &tensor->request.plan, &tensor->cost, problem);
}

/* The entity tag: half of the draw id, then a hash of the format and the region. These decide the body's
 * bytes. */
static void make_entity(struct tensor *tensor)
{
    const struct sower_region *region = &tensor->request.region;
    uint64_t numbers[2 + 2 * SOWER_RANK_MAX] = {tensor->request.format, region->rank};
    size_t count = 2;
    for (size_t axis = 0; axis < region->rank; axis++) {
        numbers[count++] = region->start[axis];
        numbers[count++] = region->stop[axis];
    }
    uint8_t message[sizeof numbers], tag[SOWER_ETAG_SIZE];
    for (size_t i = 0; i < 8 * count; i++) {
        message[i] = (uint8_t)(numbers[i / 8] >> 8 * (i % 8));
    }
    memcpy(tag, tensor->draw.bytes, SOWER_ETAG_SIZE - crypto_shorthash_BYTES);
    crypto_shorthash(tag + SOWER_ETAG_SIZE - crypto_shorthash_BYTES, message, 8 * count,
                     tensor->draw.bytes + 16);
    sower_entity_make(&tensor->entity, tensor->exchange, tag, sower_tensor_bytes_size(&tensor->bytes));
}

enum MHD_Result sower_handle_tensor(struct sower_exchange *exchange)
{
    struct sower_problem problem;
    const bool reusable = is_decided_by_target(exchange);
    struct sower_response *kept =
        reusable ? sower_responses_take(exchange->server->responses, exchange->target) : NULL;
    if (kept != NULL) {
        exchange->state = kept;
        exchange->release = release_kept;
        exchange->describe = describe_kept;
        return sower_may_use(exchange, kept->experiment, &problem) ? reply_kept(exchange, kept)
                                                                   : sower_refuse(exchange, &problem);
    }
    struct tensor *tensor = malloc(sizeof *tensor);
    if (tensor == NULL) {
        return sower_reply_unavailable(exchange);
    }
    if (!read_request(exchange, tensor, &problem)) {
        free(tensor);
        return sower_refuse(exchange, &problem);
    }
    tensor->exchange = exchange;
    tensor->draw = sower_draw_id(&tensor->request.draw);
    tensor->line = tensor->drift = 0;
    tensor->opened = tensor->streams = false;
    tensor->reusable = reusable;
    tensor->kept = NULL;
    tensor->prepared = NULL;
    tensor->bytes.region = tensor->request.region;
    sower_format_body(&tensor->request, &tensor->bytes.body);
    make_entity(tensor);
    exchange->state = tensor;
    exchange->release = release;
    exchange->describe = describe;
    enum MHD_Result result;
    return sower_entity_evaluate(&tensor->entity, exchange, &result) ? record(exchange) : result;
}

static enum MHD_Result record(struct sower_exchange *exchange)
{
    struct tensor *tensor = exchange->state;
    tensor->line = sower_ledger_known(exchange->server->ledger, &tensor->draw);
    if (tensor->line != 0) {
        return open_source(exchange);
    }
    tensor->reusable = false; /* most draws are requested once; only a repeated request is worth keeping */
    sower_record_of(&tensor->request, &tensor->recording.record);
    tensor->recording.strict = exchange->server->options->strict;
    tensor->ledger.wait.request = exchange->method == SOWER_HEAD ? SOWER_LEDGER_LOOK : SOWER_LEDGER_RECORD;
    tensor->ledger.wait.draw = &tensor->recording;
    return sower_recording_start(&tensor->ledger, exchange, after_recording);
}

static enum MHD_Result after_recording(struct sower_exchange *exchange)
{
    struct tensor *tensor = exchange->state;
    const struct sower_record *record = &tensor->recording.record;
    if (!tensor->ledger.wait.well) {
        return sower_refuse(exchange, &tensor->ledger.wait.problem);
    }
    if (tensor->recording.outcome == SOWER_DRAW_REFUSED) {
        return sower_drift_refuse(exchange, record->name, record->drift);
    }
    tensor->line = record->ledger;
    tensor->drift = record->drift;
    return open_source(exchange);
}

/* Whether the response has elements: a region may be empty, and a range may end in the format's prefix. */
static bool has_elements(const struct tensor *tensor)
{
    const struct sower_range *range = &tensor->entity.range;
    return range->length > 0 && range->start + range->length > tensor->bytes.body.prefix_size;
}

/* The draw is recorded, so its bytes may be sent. HEAD, which recorded nothing, gets only the headers. */
static enum MHD_Result open_source(struct sower_exchange *exchange)
{
    struct tensor *tensor = exchange->state;
    if (exchange->method == SOWER_HEAD) {
        return reply(exchange, sower_entity_head(&tensor->entity));
    }
    if (!has_elements(tensor)) {
        return reply_small(exchange); /* needs no source */
    }
    return tensor->cost.memory > 0 ? open_heavy(exchange) : open_light(exchange);
}

static enum MHD_Result open_light(struct sower_exchange *exchange)
{
    struct tensor *tensor = exchange->state;
    struct sower_problem problem;
    if (!sower_source_open(&tensor->source, &tensor->request.plan, &tensor->request.seed,
                           &sower_parallel_none, &problem)) {
        return sower_refuse(exchange, &problem);
    }
    tensor->opened = true;
    tensor->bytes.source = &tensor->source;
    return tensor->entity.range.length <= SMALL_BODY ? reply_small(exchange) : reply_stream(exchange);
}

static void resume_prepared(struct sower_sources_wait *wait)
{
    struct tensor *tensor = (struct tensor *)((char *)wait - offsetof(struct tensor, preparation));
    sower_exchange_resume(tensor->exchange);
}

static bool has_left(const struct sower_sources_wait *wait)
{
    const struct tensor *tensor =
        (const struct tensor *)((const char *)wait - offsetof(struct tensor, preparation));
    return sower_exchange_has_left(tensor->exchange);
}

static enum MHD_Result stream_heavy(struct sower_exchange *exchange)
{
    struct tensor *tensor = exchange->state;
    tensor->bytes.source = sower_sources_source(tensor->prepared);
    return reply_stream(exchange);
}

static enum MHD_Result open_heavy(struct sower_exchange *exchange)
{
    struct tensor *tensor = exchange->state;
    struct sower_sources *sources = exchange->server->sources;
    tensor->prepared = sower_sources_find(sources, &tensor->draw);
    if (tensor->prepared != NULL) {
        return stream_heavy(exchange);
    }
    tensor->preparation = (struct sower_sources_wait){
        .done = resume_prepared, .has_left = has_left, .client = exchange->client};
    sower_exchange_suspend(exchange, after_preparation);
    sower_sources_prepare(sources, &tensor->draw, &tensor->request.plan, &tensor->request.seed,
                          &tensor->preparation);
    return MHD_YES;
}

static enum MHD_Result after_preparation(struct sower_exchange *exchange)
{
    struct tensor *tensor = exchange->state;
    tensor->prepared = tensor->preparation.prepared;
    return tensor->prepared != NULL ? stream_heavy(exchange)
                                    : sower_refuse(exchange, &tensor->preparation.problem);
}

static void add_number(struct MHD_Response **response, const char *name, uint64_t number)
{
    char text[SOWER_NUMBER_MAX];
    sower_number_print(number, text);
    sower_reply_header(response, name, text);
}

static void add_shape(struct MHD_Response **response, const struct sower_region *region)
{
    char text[SOWER_RANK_MAX * SOWER_NUMBER_MAX];
    struct sower_shape shape = sower_region_shape(region);
    size_t length = 0;
    for (size_t axis = 0; axis < shape.rank; axis++) {
        if (axis > 0) {
            text[length++] = ',';
        }
        length += sower_number_print(shape.sizes[axis], text + length);
    }
    /* A scalar has no sizes, and a header cannot be empty. */
    sower_reply_header(response, "Sower-Shape", shape.rank == 0 ? "()" : text);
}

static void add_file_name(struct MHD_Response **response, const struct sower_request *request)
{
    char end[SOWER_DISPOSITION_END_MAX], value[SOWER_DISPOSITION_SIZE];
    snprintf(end, sizeof end, ".%s", sower_format_name(request->format));
    sower_disposition_print(request->draw.name, end, value);
    sower_reply_header(response, MHD_HTTP_HEADER_CONTENT_DISPOSITION, value);
}

static void add_headers(const struct tensor *tensor, struct MHD_Response **response)
{
    const struct sower_request *request = &tensor->request;
    char text[SOWER_HEX_SIZE];
    sower_reply_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, sower_format_media_type(request->format));
    add_file_name(response, request);
    sower_entity_add_headers(&tensor->entity, tensor->exchange, response);
    sower_hex_print(request->seed.bytes, text);
    sower_reply_header(response, "Sower-Seed", text);
    sower_hex_print(tensor->draw.bytes, text);
    sower_reply_header(response, "Sower-Draw", text);
    if (tensor->line != 0) {
        add_number(response, "Sower-Ledger", tensor->line);
    }
    sower_drift_add_header(response, tensor->drift);
    add_number(response, "Sower-Spec", SOWER_SPEC);
    add_shape(response, &request->region);
    sower_reply_header(response, "Sower-Dtype", sower_dtype_name(request->draw.dtype));
    size_t length = sower_number_print(request->plan.fans.in, text);
    text[length] = ',';
    sower_number_print(request->plan.fans.out, text + length + 1);
    sower_reply_header(response, "Sower-Fan", text);
}

static enum MHD_Result reply(struct sower_exchange *exchange, struct MHD_Response *response)
{
    const struct tensor *tensor = exchange->state;
    add_headers(tensor, &response);
    return sower_reply(exchange, sower_entity_status(&tensor->entity), response);
}

static struct MHD_Response *make_small(struct tensor *tensor)
{
    size_t size = (size_t)tensor->entity.range.length;
    uint8_t *body = malloc(size > 0 ? size : 1);
    if (body == NULL || !sower_tensor_bytes_read(&tensor->bytes, tensor->entity.range.start, size, body)) {
        free(body);
        return NULL;
    }
    struct MHD_Response *response = MHD_create_response_from_buffer(size, body, MHD_RESPMEM_MUST_FREE);
    if (response == NULL) {
        free(body);
    }
    tensor->exchange->bytes = size;
    return response;
}

static enum MHD_Result reply_small(struct sower_exchange *exchange)
{
    struct tensor *tensor = exchange->state;
    struct MHD_Response *response = make_small(tensor);
    add_headers(tensor, &response);
    /* A response that drifts is not kept: the next request for it may be refused. */
    if (response != NULL && tensor->reusable && tensor->drift == 0 && !sower_exchange_closes(exchange)) {
        tensor->kept = sower_responses_make(exchange->server->responses, exchange->target,
                                            &tensor->request.draw, response, (size_t)exchange->bytes);
    }
    if (tensor->kept == NULL) {
        return sower_reply(exchange, sower_entity_status(&tensor->entity), response);
    }
    tensor->kept->line = tensor->line;
    sower_hex_print(tensor->request.seed.bytes, tensor->kept->seed);
    return reply_kept(exchange, tensor->kept);
}

static enum MHD_Result reply_stream(struct sower_exchange *exchange)
{
    struct tensor *tensor = exchange->state;
    tensor->streams = true;
    return reply(exchange, sower_stream_begin(&tensor->stream, exchange, &tensor->bytes, tensor->entity.range,
                                              &tensor->prepared));
}
