/* /v1/tensor: one tensor, written down first, then generated into the connection's own buffer.
 *
 * The steps: read the request; look at its conditions and range; have the draw recorded, waiting suspended
 * unless it is known to be; open the source; answer. HEAD gets the headers of GET, the seed among them, so it
 * is recorded as well. What is refused (4xx) and what sends nothing new (304) is not. */
#include "handlers.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "../proto/record.h"
#include "answer_bytes.h"
#include "number.h"
#include "range.h"
#include "sources.h"
#include "stream.h"

enum {
    SMALL_ANSWER = 64 * 1024, /* up to here a body is made at once and leaves with its headers in one send */
    BLOCK_MIN =
        64 * 1024, /* bytes of a stream that are made at once: as large as the streams at hand allow */
    BLOCK_MAX = 1024 * 1024,
    BLOCKS_BUDGET = 24 * 1024 * 1024, /* what the blocks of all streams together are meant to take */
    ETAG_SIZE = 16,
    ETAG_TEXT = 2 * ETAG_SIZE + 3,
};

struct tensor {
    struct sower_ledger_wait wait; /* comes first: `done` gets a pointer to it */
    struct sower_exchange *exchange;
    struct sower_request request;
    struct sower_draw_id draw;
    uint64_t line; /* of the ledger; 0: not recorded yet */
    char etag[ETAG_TEXT];
    enum sower_range_outcome part;
    struct sower_range range;
    struct sower_cost cost;
    struct sower_source source;      /* a light one, open if `opened` */
    struct sower_prepared *prepared; /* a heavy one */
    struct sower_sources_wait preparation;
    bool opened, streams;
    struct sower_bytes bytes;
    struct sower_stream stream; /* in use if `streams` */
    struct sower_record record; /* filled only for a draw that is not known */
};

static void release(void *state)
{
    struct tensor *tensor = state;
    if (tensor->streams)
        sower_stream_end(&tensor->stream);
    if (tensor->opened)
        sower_source_close(&tensor->source);
    if (tensor->prepared != NULL)
        sower_prepared_release(tensor->prepared);
    free(tensor);
}

static void describe(const void *state, struct sower_log_line *line)
{
    const struct tensor *tensor = state;
    char seed[SOWER_HEX_SIZE];
    sower_hex(tensor->request.seed.bytes, seed);
    sower_log_string(line, "experiment", tensor->request.draw.experiment);
    sower_log_number(line, "trial", tensor->request.draw.trial);
    sower_log_string(line, "name", tensor->request.draw.name);
    if (tensor->line == 0)
        return;
    sower_log_string(line, "seed", seed);
    sower_log_number(line, "ledger", tensor->line);
}

/* The entity tag: a hash of all that decides the bytes of the answer. */
static void make_etag(struct tensor *tensor)
{
    const struct sower_region *region = &tensor->request.region;
    uint64_t numbers[2 + 2 * SOWER_RANK_MAX] = {tensor->request.format, region->rank};
    size_t count = 2;
    for (size_t axis = 0; axis < region->rank; axis++) {
        numbers[count++] = region->start[axis];
        numbers[count++] = region->stop[axis];
    }
    uint8_t message[sizeof numbers], hash[ETAG_SIZE];
    for (size_t i = 0; i < 8 * count; i++)
        message[i] = (uint8_t)(numbers[i / 8] >> 8 * (i % 8));
    crypto_generichash(hash, sizeof hash, message, 8 * count, tensor->draw.bytes, sizeof tensor->draw.bytes);
    tensor->etag[0] = '"';
    sodium_bin2hex(tensor->etag + 1, sizeof tensor->etag - 1, hash, sizeof hash);
    tensor->etag[ETAG_TEXT - 2] = '"';
    tensor->etag[ETAG_TEXT - 1] = '\0';
}

static void add_number(struct MHD_Response *response, const char *name, uint64_t number)
{
    char text[SOWER_NUMBER_MAX];
    sower_number_print(number, text);
    MHD_add_response_header(response, name, text);
}

static void add_shape(struct MHD_Response *response, const struct sower_region *region)
{
    char text[SOWER_RANK_MAX * SOWER_NUMBER_MAX];
    struct sower_shape shape = sower_region_shape(region);
    size_t length = 0;
    for (size_t axis = 0; axis < shape.rank; axis++) {
        if (axis > 0)
            text[length++] = ',';
        length += sower_number_print(shape.sizes[axis], text + length);
    }
    /* A scalar has no sizes, and a header cannot be empty. */
    MHD_add_response_header(response, "Sower-Shape", shape.rank == 0 ? "()" : text);
}

static void add_cache_headers(const struct tensor *tensor, struct MHD_Response *response)
{
    /* A draw never changes. Under a private root it is for those who may ask the daemon, not for shared
     * caches. */
    MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL,
                            tensor->exchange->server->private_root ? "private, max-age=31536000, immutable"
                                                                   : "public, max-age=31536000, immutable");
    MHD_add_response_header(response, MHD_HTTP_HEADER_ETAG, tensor->etag);
}

static void add_headers(const struct tensor *tensor, struct MHD_Response *response)
{
    const struct sower_request *request = &tensor->request;
    char text[SOWER_HEX_SIZE];
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, sower_format_media_type(request->format));
    add_cache_headers(tensor, response);
    MHD_add_response_header(response, MHD_HTTP_HEADER_ACCEPT_RANGES, "bytes");
    sower_hex(request->seed.bytes, text);
    MHD_add_response_header(response, "Sower-Seed", text);
    sower_hex(tensor->draw.bytes, text);
    MHD_add_response_header(response, "Sower-Draw", text);
    add_number(response, "Sower-Ledger", tensor->line);
    add_number(response, "Sower-Spec", SOWER_SPEC);
    add_shape(response, &request->region);
    MHD_add_response_header(response, "Sower-Dtype", sower_dtype_name(request->draw.dtype));
    size_t length = sower_number_print(request->plan.fans.in, text);
    text[length] = ',';
    sower_number_print(request->plan.fans.out, text + length + 1);
    MHD_add_response_header(response, "Sower-Fan", text);
    if (tensor->part != SOWER_RANGE_PART)
        return;
    snprintf(text, sizeof text, "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, tensor->range.start,
             tensor->range.start + tensor->range.length - 1, sower_bytes_size(&tensor->bytes));
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_RANGE, text);
}

static struct MHD_Response *make_small(struct tensor *tensor)
{
    size_t size = (size_t)tensor->range.length;
    uint8_t *body = malloc(size > 0 ? size : 1);
    if (body == NULL || !sower_bytes_read(&tensor->bytes, tensor->range.start, size, body)) {
        free(body);
        return NULL;
    }
    struct MHD_Response *response = MHD_create_response_from_buffer(size, body, MHD_RESPMEM_MUST_FREE);
    if (response == NULL)
        free(body);
    tensor->exchange->bytes = size;
    return response;
}

static ssize_t read_nothing(void *context, uint64_t position, char *buffer, size_t size)
{
    (void)context, (void)position, (void)buffer, (void)size;
    return MHD_CONTENT_READER_END_WITH_ERROR;
}

/* libmicrohttpd sends no body for HEAD, but wants to know its size. */
static struct MHD_Response *make_head(struct tensor *tensor)
{
    return MHD_create_response_from_callback(tensor->range.length, 1, read_nothing, NULL, NULL);
}

static struct MHD_Response *make_stream(struct tensor *tensor)
{
    tensor->streams = true;
    return sower_stream_begin(&tensor->stream, tensor->exchange, &tensor->bytes, tensor->range,
                              tensor->prepared != NULL);
}

static enum MHD_Result reply(struct sower_exchange *exchange, struct MHD_Response *response)
{
    const struct tensor *tensor = exchange->state;
    if (response != NULL)
        add_headers(tensor, response);
    return sower_reply(exchange, tensor->part == SOWER_RANGE_PART ? MHD_HTTP_PARTIAL_CONTENT : MHD_HTTP_OK,
                       response);
}

/* With a heavy source at hand. */
static enum MHD_Result answer_heavy(struct sower_exchange *exchange)
{
    struct tensor *tensor = exchange->state;
    tensor->bytes.source = sower_prepared_source(tensor->prepared);
    return reply(exchange, make_stream(tensor));
}

static enum MHD_Result answer_prepared(struct sower_exchange *exchange)
{
    struct tensor *tensor = exchange->state;
    tensor->prepared = tensor->preparation.prepared;
    return tensor->prepared != NULL ? answer_heavy(exchange)
                                    : sower_refuse(exchange, &tensor->preparation.problem);
}

static void prepared(struct sower_sources_wait *wait)
{
    struct tensor *tensor = (struct tensor *)((char *)wait - offsetof(struct tensor, preparation));
    sower_exchange_resume(tensor->exchange);
}

static enum MHD_Result open_heavy(struct sower_exchange *exchange)
{
    struct tensor *tensor = exchange->state;
    struct sower_sources *sources = exchange->server->sources;
    tensor->prepared = sower_sources_find(sources, &tensor->draw);
    if (tensor->prepared != NULL)
        return answer_heavy(exchange);
    tensor->preparation.done = prepared;
    sower_exchange_suspend(exchange, answer_prepared);
    sower_sources_prepare(sources, &tensor->draw, &tensor->request.plan, &tensor->request.seed,
                          &tensor->preparation);
    return MHD_YES;
}

static enum MHD_Result open_light(struct sower_exchange *exchange)
{
    struct tensor *tensor = exchange->state;
    struct sower_problem problem;
    if (!sower_source_open(&tensor->source, &tensor->request.plan, &tensor->request.seed,
                           &sower_parallel_none, &problem))
        return sower_refuse(exchange, &problem);
    tensor->opened = true;
    tensor->bytes.source = &tensor->source;
    return reply(exchange, tensor->range.length <= SMALL_ANSWER ? make_small(tensor) : make_stream(tensor));
}

/* The draw is recorded: its bytes may leave. */
static enum MHD_Result answer(struct sower_exchange *exchange)
{
    struct tensor *tensor = exchange->state;
    if (exchange->method == SOWER_HEAD)
        return reply(exchange, make_head(tensor));
    return tensor->cost.memory > 0 ? open_heavy(exchange) : open_light(exchange);
}

static enum MHD_Result answer_recorded(struct sower_exchange *exchange)
{
    struct tensor *tensor = exchange->state;
    if (!tensor->wait.recorded)
        return sower_refuse(exchange, &tensor->wait.problem);
    tensor->line = tensor->record.ledger;
    return answer(exchange);
}

static void recorded(struct sower_ledger_wait *wait)
{
    sower_exchange_resume(((struct tensor *)wait)->exchange);
}

static enum MHD_Result record(struct sower_exchange *exchange)
{
    struct tensor *tensor = exchange->state;
    tensor->line = sower_ledger_known(exchange->server->ledger, &tensor->draw);
    if (tensor->line != 0)
        return answer(exchange);
    sower_record_of(&tensor->request, &tensor->record);
    tensor->wait.done = recorded;
    tensor->wait.record = &tensor->record;
    sower_exchange_suspend(exchange, answer_recorded);
    sower_ledger_submit(exchange->server->ledger, &tensor->wait);
    return MHD_YES;
}

static enum MHD_Result reply_not_modified(struct sower_exchange *exchange)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(0, "", MHD_RESPMEM_PERSISTENT);
    if (response != NULL)
        add_cache_headers(exchange->state, response);
    return sower_reply(exchange, MHD_HTTP_NOT_MODIFIED, response);
}

static enum MHD_Result refuse_match(struct sower_exchange *exchange)
{
    struct sower_problem problem;
    sower_problem_set(&problem, SOWER_PROBLEM_INVALID, "",
                      "If-Match names another answer than this one, whose entity tag is %s.",
                      ((struct tensor *)exchange->state)->etag);
    return sower_refuse_as(exchange, MHD_HTTP_PRECONDITION_FAILED, &problem);
}

static enum MHD_Result refuse_range(struct sower_exchange *exchange)
{
    struct sower_problem problem;
    sower_problem_set(&problem, SOWER_PROBLEM_INVALID, "",
                      "The Range begins behind the end of the answer, which has %" PRIu64 " bytes.",
                      exchange->whole_size);
    return sower_refuse_as(exchange, MHD_HTTP_RANGE_NOT_SATISFIABLE, &problem);
}

/* Conditions and ranges are for GET; HEAD takes the conditions, as RFC 9110 has it. */
static enum MHD_Result weigh_conditions(struct sower_exchange *exchange)
{
    struct tensor *tensor = exchange->state;
    if (exchange->method == SOWER_POST)
        return record(exchange);
    const char *match = sower_exchange_header(exchange, MHD_HTTP_HEADER_IF_MATCH);
    if (match != NULL && !sower_etag_listed(match, tensor->etag, false))
        return refuse_match(exchange);
    if (sower_etag_listed(sower_exchange_header(exchange, MHD_HTTP_HEADER_IF_NONE_MATCH), tensor->etag, true))
        return reply_not_modified(exchange);
    if (exchange->method == SOWER_GET &&
        sower_if_range(sower_exchange_header(exchange, MHD_HTTP_HEADER_IF_RANGE), tensor->etag))
        tensor->part = sower_range_parse(sower_exchange_header(exchange, MHD_HTTP_HEADER_RANGE),
                                         exchange->whole_size, &tensor->range);
    return tensor->part == SOWER_RANGE_UNSATISFIABLE ? refuse_range(exchange) : record(exchange);
}

static bool check_cost(const struct sower_server *server, struct tensor *tensor,
                       struct sower_problem *problem)
{
    tensor->cost = sower_source_cost(&tensor->request.plan);
    if (tensor->cost.smaller_side > server->options->max_orthogonal)
        return sower_problem_set(problem, SOWER_PROBLEM_TOO_LARGE, "shape",
                                 "The smaller side of this orthogonal matrix is %" PRIu64
                                 "; this daemon prepares up to %" PRIu64 " (--max-orthogonal).",
                                 tensor->cost.smaller_side, server->options->max_orthogonal);
    if (tensor->cost.memory > sower_sources_limit(server->sources))
        return sower_problem_set(problem, SOWER_PROBLEM_TOO_LARGE, "shape",
                                 "Preparing this matrix takes %" PRIu64
                                 " bytes of memory; this daemon keeps up to %" PRIu64 " (--cache-size).",
                                 tensor->cost.memory, sower_sources_limit(server->sources));
    return true;
}

static bool parse(struct sower_exchange *exchange, struct tensor *tensor, struct sower_problem *problem)
{
    json_t *fields;
    if (!sower_exchange_fields(exchange, &fields, problem))
        return false;
    bool parsed = sower_request_parse(fields, exchange->method != SOWER_POST, &exchange->server->root,
                                      &tensor->request, problem);
    json_decref(fields);
    return parsed && check_cost(exchange->server, tensor, problem);
}

enum MHD_Result sower_handle_tensor(struct sower_exchange *exchange)
{
    struct sower_problem problem;
    struct tensor *tensor = malloc(sizeof *tensor);
    if (tensor == NULL)
        return MHD_NO;
    if (!parse(exchange, tensor, &problem)) {
        free(tensor);
        return sower_refuse(exchange, &problem);
    }
    tensor->exchange = exchange;
    tensor->draw = sower_draw_id(&tensor->request.draw);
    tensor->line = 0;
    tensor->opened = tensor->streams = false;
    tensor->prepared = NULL;
    tensor->bytes.region = tensor->request.region;
    sower_format_body(&tensor->request, &tensor->bytes.body);
    tensor->part = SOWER_RANGE_WHOLE;
    exchange->whole_size = sower_bytes_size(&tensor->bytes);
    tensor->range = (struct sower_range){0, exchange->whole_size};
    make_etag(tensor);
    exchange->state = tensor;
    exchange->release = release;
    exchange->describe = describe;
    return weigh_conditions(exchange);
}
