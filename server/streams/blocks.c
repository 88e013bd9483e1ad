#include "server/streams/blocks.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "server/server.h"

enum {
    BLOCK_MIN = 64 * 1024,
    BLOCK_MAX = 8 * 1024 * 1024,
    PIECE = 2 * 1024 * 1024, /* what one thread of the pool makes of a block */
    BUDGET = 64 * 1024 * 1024,
};

size_t sower_blocks_share(uint64_t budget, uint64_t streams, uint64_t most)
{
    uint64_t size = budget / streams;
    size = size < BLOCK_MIN ? BLOCK_MIN : size > most ? most : size;
    return (size_t)(size - size % SOWER_TENSOR_BYTES_ALIGNMENT);
}

size_t sower_blocks_up_to_edge(uint64_t start, size_t size)
{
    size_t to_edge = SOWER_TENSOR_BYTES_ALIGNMENT - (size_t)(start % SOWER_TENSOR_BYTES_ALIGNMENT);
    return to_edge < SOWER_TENSOR_BYTES_ALIGNMENT && to_edge < size ? to_edge : size;
}

static void make_piece(void *work, size_t index)
{
    struct sower_blocks *blocks = work;
    size_t start = index * PIECE, left = blocks->size - start;
    if (!sower_tensor_bytes_read(blocks->bytes, blocks->start + start, left < PIECE ? left : PIECE,
                                 blocks->block + start)) {
        atomic_store(&blocks->failed, true);
    }
}

/* Ends the wait for a block that does not come. */
static void fail(struct sower_blocks *blocks)
{
    blocks->failed = true;
    sower_exchange_resume(blocks->exchange);
}

static struct sower_blocks *of_wait(const struct sower_sources_wait *wait)
{
    return (struct sower_blocks *)((char *)wait - offsetof(struct sower_blocks, preparation));
}

static void made(struct sower_tasks *pieces)
{
    struct sower_blocks *blocks = (struct sower_blocks *)pieces;
    if (pieces->refused) {
        fail(blocks);
        return;
    }
    sower_sources_rest(*blocks->prepared);
    blocks->rests = true;
    /* From the resume on the stream is the connection's again, and may be gone. */
    sower_exchange_resume(blocks->exchange);
}

/* Has the block made on the pool. */
static void make_block(struct sower_blocks *blocks)
{
    blocks->pieces = (struct sower_tasks){.job.client = blocks->exchange->client,
                                          .task = make_piece,
                                          .work = blocks,
                                          .count = (blocks->size + PIECE - 1) / PIECE,
                                          .done = made};
    sower_pool_submit_tasks(blocks->exchange->server->pool, &blocks->pieces);
}

static void prepared_again(struct sower_sources_wait *wait)
{
    struct sower_blocks *blocks = of_wait(wait);
    *blocks->prepared = wait->prepared;
    if (wait->prepared == NULL) {
        fail(blocks);
        return;
    }
    blocks->bytes->source = sower_sources_source(wait->prepared);
    make_block(blocks);
}

static bool has_left(const struct sower_sources_wait *wait)
{
    return sower_exchange_has_left(of_wait(wait)->exchange);
}

/* Whether the factors are there. If not, from here on all goes on with `prepared_again`. */
static bool wake(struct sower_blocks *blocks)
{
    if (!blocks->rests) {
        return true;
    }
    blocks->rests = false;
    if (sower_sources_wake(*blocks->prepared)) {
        return true;
    }
    struct sower_prepared *taken = *blocks->prepared;
    *blocks->prepared = NULL;
    blocks->preparation = (struct sower_sources_wait){
        .done = prepared_again, .has_left = has_left, .client = blocks->exchange->client};
    sower_sources_prepare_again(taken, &blocks->preparation);
    return false;
}

/* Has the block at `start` made; libmicrohttpd asks again when the connection is resumed. */
static ssize_t order_block(struct sower_blocks *blocks, uint64_t start, uint64_t stop)
{
    uint64_t left = stop - start;
    blocks->start = start;
    blocks->size = sower_blocks_up_to_edge(start, left < blocks->capacity ? (size_t)left : blocks->capacity);
    MHD_suspend_connection(blocks->exchange->connection);
    if (wake(blocks)) {
        make_block(blocks);
    }
    return 0;
}

ssize_t sower_blocks_read(struct sower_blocks *blocks, uint64_t start, uint64_t stop, char *buffer,
                          size_t size)
{
    if (blocks->failed) {
        return MHD_CONTENT_READER_END_WITH_ERROR;
    }
    if (start < blocks->start || start - blocks->start >= blocks->size) {
        return order_block(blocks, start, stop);
    }
    size_t offset = (size_t)(start - blocks->start), left = blocks->size - offset;
    size = left < size ? left : size;
    memcpy(buffer, blocks->block + offset, size);
    blocks->exchange->bytes += size;
    return (ssize_t)size;
}

bool sower_blocks_begin(struct sower_blocks *blocks, struct sower_exchange *exchange, uint64_t streams,
                        uint64_t most)
{
    *blocks = (struct sower_blocks){.exchange = exchange};
    blocks->capacity = sower_blocks_share(BUDGET, streams, BLOCK_MAX);
    if (blocks->capacity > most) {
        blocks->capacity = (size_t)most;
    }
    blocks->block = malloc(blocks->capacity > 0 ? blocks->capacity : 1);
    return blocks->block != NULL;
}

void sower_blocks_of(struct sower_blocks *blocks, struct sower_tensor_bytes *bytes,
                     struct sower_prepared **prepared)
{
    blocks->bytes = bytes;
    blocks->prepared = prepared;
    blocks->size = 0;
}

void sower_blocks_leave(struct sower_blocks *blocks)
{
    if (blocks->rests) {
        (void)sower_sources_wake(*blocks->prepared);
    }
    blocks->rests = false;
}

void sower_blocks_end(struct sower_blocks *blocks)
{
    sower_blocks_leave(blocks);
    free(blocks->block);
}
