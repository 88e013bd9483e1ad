#include "server/streams/blocks.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "server/server.h"

enum {
    BLOCK_MIN = 64 * 1024,
    BLOCK_MAX = 8 * 1024 * 1024,
    PIECE = 2 * 1024 * 1024, /* bytes that one thread of the pool generates of a block */
    BUDGET = 64 * 1024 * 1024,
};

size_t sower_blocks_share(uint64_t budget, uint64_t streams, uint64_t most)
{
    uint64_t size = budget / streams;
    size = size < BLOCK_MIN ? BLOCK_MIN : size > most ? most : size;
    return (size_t)(size - size % SOWER_TENSOR_BYTES_ALIGNMENT);
}

size_t sower_blocks_to_boundary(uint64_t start, size_t size)
{
    size_t to_boundary = SOWER_TENSOR_BYTES_ALIGNMENT - (size_t)(start % SOWER_TENSOR_BYTES_ALIGNMENT);
    return to_boundary < SOWER_TENSOR_BYTES_ALIGNMENT && to_boundary < size ? to_boundary : size;
}

static void generate_piece(void *work, size_t index)
{
    struct sower_blocks *blocks = work;
    size_t start = index * PIECE, left = blocks->size - start;
    if (!sower_tensor_bytes_read(blocks->bytes, blocks->start + start, left < PIECE ? left : PIECE,
                                 blocks->block + start)) {
        atomic_store(&blocks->failed, true);
    }
}

/* Ends the wait for a block that cannot be generated. */
static void fail(struct sower_blocks *blocks)
{
    blocks->failed = true;
    sower_exchange_resume(blocks->exchange);
}

static struct sower_blocks *blocks_of_wait(const struct sower_sources_wait *wait)
{
    return (struct sower_blocks *)((char *)wait - offsetof(struct sower_blocks, preparation));
}

static void block_done(struct sower_tasks *pieces)
{
    struct sower_blocks *blocks = (struct sower_blocks *)pieces;
    if (pieces->refused) {
        fail(blocks);
        return;
    }
    sower_sources_rest(*blocks->prepared);
    blocks->resting = true;
    /* After the resume the connection may end and release `blocks`, so this is the last access. */
    sower_exchange_resume(blocks->exchange);
}

/* Lets the pool generate the block. */
static void generate_block(struct sower_blocks *blocks)
{
    blocks->pieces = (struct sower_tasks){.job.client = blocks->exchange->client,
                                          .task = generate_piece,
                                          .work = blocks,
                                          .count = (blocks->size + PIECE - 1) / PIECE,
                                          .done = block_done};
    sower_pool_submit_tasks(blocks->exchange->server->pool, &blocks->pieces);
}

static void prepared_again(struct sower_sources_wait *wait)
{
    struct sower_blocks *blocks = blocks_of_wait(wait);
    *blocks->prepared = wait->prepared;
    if (wait->prepared == NULL) {
        fail(blocks);
        return;
    }
    blocks->bytes->source = sower_sources_source(wait->prepared);
    generate_block(blocks);
}

static bool has_left(const struct sower_sources_wait *wait)
{
    return sower_exchange_has_left(blocks_of_wait(wait)->exchange);
}

/* Whether the factors are still there. Otherwise they are prepared again, and `prepared_again` continues. */
static bool wake_factors(struct sower_blocks *blocks)
{
    if (!blocks->resting) {
        return true;
    }
    blocks->resting = false;
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

/* Suspends the connection until the block at `start` is generated. libmicrohttpd then calls the reader
 * again. */
static ssize_t start_block(struct sower_blocks *blocks, uint64_t start, uint64_t stop)
{
    uint64_t left = stop - start;
    blocks->start = start;
    blocks->size = sower_blocks_to_boundary(start, left < blocks->capacity ? (size_t)left : blocks->capacity);
    sower_exchange_pause(blocks->exchange);
    if (wake_factors(blocks)) {
        generate_block(blocks);
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
        return start_block(blocks, start, stop);
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

void sower_blocks_attach(struct sower_blocks *blocks, struct sower_tensor_bytes *bytes,
                         struct sower_prepared **prepared)
{
    blocks->bytes = bytes;
    blocks->prepared = prepared;
    blocks->size = 0;
}

void sower_blocks_detach(struct sower_blocks *blocks)
{
    if (blocks->resting) {
        (void)sower_sources_wake(*blocks->prepared);
    }
    blocks->resting = false;
}

void sower_blocks_end(struct sower_blocks *blocks)
{
    sower_blocks_detach(blocks);
    free(blocks->block);
}
