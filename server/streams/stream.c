#include "server/streams/stream.h"

#include "server/server.h"
#include "server/streams/together.h"

size_t sower_stream_turn(const struct sower_server *server)
{
    const uint64_t streams = atomic_load_explicit(&server->streams, memory_order_relaxed);
    if (streams <= 1) {
        return SOWER_STREAM_BLOCK_MAX;
    }
    const size_t turn = (size_t)(SOWER_STREAM_ROUND / streams);
    return turn < SOWER_STREAM_TURN_MIN ? SOWER_STREAM_TURN_MIN : turn - turn % SOWER_TENSOR_BYTES_ALIGNMENT;
}

static ssize_t read_light(void *context, uint64_t position, char *buffer, size_t size)
{
    struct sower_stream *stream = context;
    uint64_t start = stream->range.start + position;
    size_t piece = sower_stream_piece(&stream->bytes->source->plan),
           turn = sower_stream_turn(stream->exchange->server);
    piece = piece < turn ? piece : turn;
    size = sower_blocks_to_boundary(start, size < piece ? size : piece);
    if (!sower_together_read(stream->exchange->server, stream->exchange->client, stream->bytes, start, size,
                             (uint8_t *)buffer)) {
        return MHD_CONTENT_READER_END_WITH_ERROR;
    }
    stream->exchange->bytes += size;
    return (ssize_t)size;
}

static ssize_t read_heavy(void *context, uint64_t position, char *buffer, size_t size)
{
    struct sower_stream *stream = context;
    return sower_blocks_read(&stream->blocks, stream->range.start + position,
                             stream->range.start + stream->range.length, buffer, size);
}

struct MHD_Response *sower_stream_begin(struct sower_stream *stream, struct sower_exchange *exchange,
                                        struct sower_tensor_bytes *bytes, struct sower_range range,
                                        struct sower_prepared **prepared)
{
    uint64_t streams = atomic_fetch_add(&exchange->server->streams, 1) + 1;
    *stream = (struct sower_stream){.exchange = exchange, .bytes = bytes, .range = range};
    if (*prepared == NULL) {
        return MHD_create_response_from_callback(
            range.length, sower_blocks_share(SOWER_STREAM_BUDGET, streams, SOWER_STREAM_BLOCK_MAX),
            read_light, stream, NULL);
    }
    if (!sower_blocks_begin(&stream->blocks, exchange, streams, range.length)) {
        return NULL;
    }
    sower_blocks_attach(&stream->blocks, bytes, prepared);
    return MHD_create_response_from_callback(range.length, SOWER_STREAM_COPY_SIZE, read_heavy, stream, NULL);
}

void sower_stream_end(struct sower_stream *stream)
{
    atomic_fetch_sub(&stream->exchange->server->streams, 1);
    sower_blocks_end(&stream->blocks);
}
