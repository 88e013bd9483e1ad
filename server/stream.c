#include "stream.h"

#include <stdlib.h>
#include <string.h>

enum {
    BLOCK_MIN = 64 * 1024, /* bytes that are made at once: as many as the streams at hand allow */
    BLOCK_MAX = 1024 * 1024,
    BLOCKS_BUDGET = 24 * 1024 * 1024, /* what the blocks of all streams together are meant to take */
    /* The same for heavy tensors, whose rows are cheaper the more of them are made at once. */
    HEAVY_BLOCK_MAX = 8 * 1024 * 1024,
    HEAVY_PIECE = 2 * 1024 * 1024, /* what one thread of the pool makes of a block */
    HEAVY_BLOCKS_BUDGET = 64 * 1024 * 1024,
    COPY_SIZE = 64 * 1024, /* libmicrohttpd's buffer where blocks are made elsewhere */
};

/* Larger blocks are faster; many streams at a time get smaller ones, so that they all fit into memory. */
static size_t share(uint64_t budget, uint64_t streams, uint64_t most)
{
    uint64_t size = budget / streams;
    size = size < BLOCK_MIN ? BLOCK_MIN : size > most ? most : size;
    return (size_t)(size - size % SOWER_BYTES_ALIGNMENT);
}

/* A range may begin anywhere; after a first, short piece every block begins on an element's edge. */
static size_t up_to_edge(uint64_t start, size_t size)
{
    size_t to_edge = SOWER_BYTES_ALIGNMENT - (size_t)(start % SOWER_BYTES_ALIGNMENT);
    return to_edge < SOWER_BYTES_ALIGNMENT && to_edge < size ? to_edge : size;
}

static ssize_t read_light(void *context, uint64_t position, char *buffer, size_t size)
{
    struct sower_stream *stream = context;
    uint64_t start = stream->range.start + position;
    size = up_to_edge(start, size);
    if (!sower_bytes_read(stream->bytes, start, size, (uint8_t *)buffer))
        return MHD_CONTENT_READER_END_WITH_ERROR;
    stream->exchange->bytes += size;
    return (ssize_t)size;
}

static void make_piece(void *work, size_t index)
{
    struct sower_stream *stream = work;
    size_t start = index * HEAVY_PIECE, left = stream->block_size - start;
    if (!sower_bytes_read(stream->bytes, stream->block_start + start, left < HEAVY_PIECE ? left : HEAVY_PIECE,
                          stream->block + start))
        atomic_store(&stream->failed, true);
}

/* On the pool. */
static void make_block(struct sower_job *job)
{
    struct sower_stream *stream = (struct sower_stream *)job;
    const struct sower_parallel parallel = sower_pool_parallel(stream->exchange->server->pool);
    parallel.run(parallel.executor, make_piece, stream, (stream->block_size + HEAVY_PIECE - 1) / HEAVY_PIECE);
    /* From the resume on the stream is the connection's again, and may be gone. */
    sower_exchange_resume(stream->exchange);
}

/* Has the block at `start` made; libmicrohttpd asks again when the connection is resumed. */
static ssize_t order_block(struct sower_stream *stream, uint64_t start)
{
    uint64_t left = stream->range.start + stream->range.length - start;
    stream->block_start = start;
    stream->block_size =
        up_to_edge(start, left < stream->block_capacity ? (size_t)left : stream->block_capacity);
    stream->job.run = make_block;
    MHD_suspend_connection(stream->exchange->connection);
    if (!sower_pool_submit(stream->exchange->server->pool, &stream->job)) {
        stream->failed = true;
        sower_exchange_resume(stream->exchange);
    }
    return 0;
}

static ssize_t read_heavy(void *context, uint64_t position, char *buffer, size_t size)
{
    struct sower_stream *stream = context;
    uint64_t start = stream->range.start + position;
    if (stream->failed)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    uint64_t offset = start - stream->block_start;
    if (start < stream->block_start || offset >= stream->block_size)
        return order_block(stream, start);
    size_t left = stream->block_size - (size_t)offset;
    size = left < size ? left : size;
    memcpy(buffer, stream->block + offset, size);
    stream->exchange->bytes += size;
    return (ssize_t)size;
}

struct MHD_Response *sower_stream_begin(struct sower_stream *stream, struct sower_exchange *exchange,
                                        const struct sower_bytes *bytes, struct sower_range range, bool heavy)
{
    uint64_t streams = atomic_fetch_add(&exchange->server->streams, 1) + 1;
    *stream = (struct sower_stream){.exchange = exchange, .bytes = bytes, .range = range};
    if (!heavy)
        return MHD_create_response_from_callback(range.length, share(BLOCKS_BUDGET, streams, BLOCK_MAX),
                                                 read_light, stream, NULL);
    stream->block_capacity = share(HEAVY_BLOCKS_BUDGET, streams, HEAVY_BLOCK_MAX);
    if (stream->block_capacity > range.length)
        stream->block_capacity = (size_t)range.length;
    stream->block = malloc(stream->block_capacity > 0 ? stream->block_capacity : 1);
    return stream->block == NULL
               ? NULL
               : MHD_create_response_from_callback(range.length, COPY_SIZE, read_heavy, stream, NULL);
}

void sower_stream_end(struct sower_stream *stream)
{
    atomic_fetch_sub(&stream->exchange->server->streams, 1);
    free(stream->block);
}
