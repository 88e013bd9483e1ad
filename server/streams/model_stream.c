#include "server/streams/model_stream.h"

#include <stddef.h>
#include <string.h>

#include "server/server.h"
#include "server/streams/stream.h"
#include "server/streams/together.h"

static void close_tensor(struct sower_model_stream *stream)
{
    if (!stream->opened) {
        return;
    }
    if (!stream->heavy) {
        sower_source_close(&stream->source);
    } else if (stream->requested && stream->preparation.prepared != NULL) {
        sower_blocks_detach(&stream->blocks);
        sower_sources_release(stream->preparation.prepared);
    }
    stream->opened = stream->heavy = stream->requested = stream->ready = false;
}

/* Opens the tensor that has this byte. The source of a heavy tensor is prepared later. */
static bool open_tensor(struct sower_model_stream *stream, uint64_t position)
{
    struct sower_problem unused;
    size_t number = sower_model_find(stream->model, position);
    if (stream->opened && stream->number == number) {
        return true;
    }
    close_tensor(stream);
    sower_model_request(stream->model, number, &stream->request);
    sower_format_body(&stream->request, &stream->bytes.body);
    stream->bytes.region = stream->request.region;
    stream->bytes.source = &stream->source;
    stream->number = number;
    stream->opened = true;
    stream->heavy = sower_source_cost(&stream->request.plan).memory > 0;
    return stream->heavy || sower_source_open(&stream->source, &stream->request.plan, &stream->request.seed,
                                              &sower_parallel_none, &unused);
}

static void resume_prepared(struct sower_sources_wait *wait)
{
    struct sower_model_stream *stream =
        (struct sower_model_stream *)((char *)wait - offsetof(struct sower_model_stream, preparation));
    sower_exchange_resume(stream->exchange);
}

static bool has_left(const struct sower_sources_wait *wait)
{
    const struct sower_model_stream *stream =
        (const struct sower_model_stream *)((const char *)wait -
                                            offsetof(struct sower_model_stream, preparation));
    return sower_exchange_has_left(stream->exchange);
}

/* Suspends the connection until the heavy tensor is prepared. libmicrohttpd then calls the reader again. */
static ssize_t start_preparation(struct sower_model_stream *stream)
{
    struct sower_draw_id draw = sower_draw_id(&stream->request.draw);
    stream->requested = true;
    stream->preparation = (struct sower_sources_wait){
        .done = resume_prepared, .has_left = has_left, .client = stream->exchange->client};
    sower_exchange_pause(stream->exchange);
    sower_sources_prepare(stream->exchange->server->sources, &draw, &stream->request.plan,
                          &stream->request.seed, &stream->preparation);
    return 0;
}

static ssize_t read_heavy(struct sower_model_stream *stream, uint64_t start, uint64_t stop, char *buffer,
                          size_t size)
{
    uint64_t first = stream->model->tensors[stream->number].start;
    if (!stream->requested) {
        return start_preparation(stream);
    }
    if (stream->preparation.prepared == NULL) {
        return MHD_CONTENT_READER_END_WITH_ERROR;
    }
    if (!stream->ready) {
        stream->ready = true;
        stream->bytes.source = sower_sources_source(stream->preparation.prepared);
        sower_blocks_attach(&stream->blocks, &stream->bytes, &stream->preparation.prepared);
    }
    return sower_blocks_read(&stream->blocks, start - first, stop - first, buffer, size);
}

/* The bytes, at most `count`, that are generated of a tensor before the buffer is sent; adds their time to *spent. */
static size_t affordable(const struct sower_plan *plan, size_t count, size_t *spent)
{
    size_t weight = SOWER_STREAM_BLOCK_MAX / sower_stream_piece(plan);
    size_t most = (SOWER_STREAM_BLOCK_MAX - *spent + weight - 1) / weight;
    count = count < most ? count : most;
    *spent += count * weight;
    return count;
}

/* The content reader: fills the buffer with the header, and with light tensors one after the other. A heavy
 * tensor fills a buffer alone. */
static ssize_t read_block(void *context, uint64_t position, char *buffer, size_t size)
{
    struct sower_model_stream *stream = context;
    const struct sower_model *model = stream->model;
    const size_t header = model->header.length;
    uint64_t start = stream->range.start + position, end = stream->range.start + stream->range.length;
    size_t made = 0, turn = sower_stream_turn(stream->exchange->server);
    size = size < turn ? size : turn;
    size = end - start < size ? (size_t)(end - start) : size;
    size_t spent = 0; /* the bytes that take as long with an ordinary tensor */
    while (made < size && spent < SOWER_STREAM_BLOCK_MAX) {
        uint64_t at = start + made, stop = header;
        if (at >= header) {
            if (!open_tensor(stream, at)) {
                return MHD_CONTENT_READER_END_WITH_ERROR;
            }
            stop = model->tensors[stream->number + 1].start;
        }
        size_t count = stop - at < size - made ? (size_t)(stop - at) : size - made;
        if (at >= header) {
            count = affordable(&stream->request.plan, count, &spent);
        }
        if (at < header) {
            memcpy(buffer + made, model->header.text + at, count);
        } else if (stream->heavy) {
            return made > 0 ? (ssize_t)made : read_heavy(stream, at, stop < end ? stop : end, buffer, size);
        } else if (!sower_together_read(stream->exchange->server, stream->exchange->client, &stream->bytes,
                                        at - model->tensors[stream->number].start, count,
                                        (uint8_t *)buffer + made)) {
            return MHD_CONTENT_READER_END_WITH_ERROR;
        }
        made += count;
        stream->exchange->bytes += count;
    }
    return (ssize_t)made;
}

struct MHD_Response *sower_model_stream_begin(struct sower_model_stream *stream,
                                              struct sower_exchange *exchange,
                                              const struct sower_model *model, struct sower_range range,
                                              bool any_heavy)
{
    uint64_t streams = atomic_fetch_add(&exchange->server->streams, 1) + 1;
    *stream = (struct sower_model_stream){.exchange = exchange, .model = model, .range = range};
    if (any_heavy && !sower_blocks_begin(&stream->blocks, exchange, streams, range.length)) {
        return NULL;
    }
    size_t block = sower_blocks_share(SOWER_STREAM_BUDGET, streams, SOWER_STREAM_BLOCK_MAX);
    return MHD_create_response_from_callback(range.length, block, read_block, stream, NULL);
}

void sower_model_stream_end(struct sower_model_stream *stream)
{
    close_tensor(stream);
    atomic_fetch_sub(&stream->exchange->server->streams, 1);
    sower_blocks_end(&stream->blocks);
}
