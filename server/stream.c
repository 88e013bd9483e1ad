#include "stream.h"

#include <stdlib.h>
#include <string.h>

enum {
    BLOCK_MIN = 64 * 1024, /* bytes that are made at once: as many as the streams at hand allow */
    BLOCK_MAX = 1024 * 1024,
    BLOCKS_BUDGET = 24 * 1024 * 1024, /* what the blocks of all streams together are meant to take */
    COPY_SIZE = 64 * 1024,            /* libmicrohttpd's buffer where blocks are made elsewhere */
};

/* Larger blocks are faster; many streams at a time get smaller ones, so that they all fit into memory. */
static size_t choose_block_size(uint64_t streams)
{
    uint64_t size = BLOCKS_BUDGET / streams;
    size = size < BLOCK_MIN ? BLOCK_MIN : size > BLOCK_MAX ? BLOCK_MAX : size;
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

/* On the pool. */
static void make_block(struct sower_job *job)
{
    struct sower_stream *stream = (struct sower_stream *)job;
    bool made = sower_bytes_read(stream->bytes, stream->block_start, stream->block_size, stream->block);
    stream->stage = made ? SOWER_BLOCK_MADE : SOWER_BLOCK_FAILED;
    /* From the resume on the stream is the connection's again, and may be gone. */
    MHD_resume_connection(stream->exchange->connection);
}

/* Has the block at `start` made; libmicrohttpd asks again when the connection is resumed. */
static ssize_t order_block(struct sower_stream *stream, uint64_t start)
{
    uint64_t left = stream->range.start + stream->range.length - start;
    stream->stage = SOWER_BLOCK_NONE;
    stream->block_start = start;
    stream->block_size =
        up_to_edge(start, left < stream->block_capacity ? (size_t)left : stream->block_capacity);
    stream->job.run = make_block;
    MHD_suspend_connection(stream->exchange->connection);
    if (sower_pool_submit(stream->exchange->server->pool, &stream->job))
        return 0;
    MHD_resume_connection(stream->exchange->connection);
    return MHD_CONTENT_READER_END_WITH_ERROR;
}

static ssize_t read_heavy(void *context, uint64_t position, char *buffer, size_t size)
{
    struct sower_stream *stream = context;
    uint64_t start = stream->range.start + position;
    if (stream->stage == SOWER_BLOCK_FAILED)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    uint64_t offset = start - stream->block_start;
    if (stream->stage == SOWER_BLOCK_NONE || offset >= stream->block_size)
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
    size_t block_size = choose_block_size(streams);
    if (!heavy)
        return MHD_create_response_from_callback(range.length, block_size, read_light, stream, NULL);
    stream->block_capacity = block_size;
    stream->block = malloc(block_size);
    return stream->block == NULL
               ? NULL
               : MHD_create_response_from_callback(range.length, COPY_SIZE, read_heavy, stream, NULL);
}

void sower_stream_end(struct sower_stream *stream)
{
    atomic_fetch_sub(&stream->exchange->server->streams, 1);
    free(stream->block);
}
