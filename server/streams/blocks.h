/* Blocks of heavy tensors: made on the compute pool while the connection is suspended, so that a thread that
 * serves connections is never held up.
 *
 * Between two blocks the factors rest (sources.h); if they were taken away meanwhile, they are prepared again
 * first.
 *
 * Rows of an orthogonal matrix are cheaper the more of them are made at once, so blocks are large, and shared
 * out over the threads of the pool. */
#ifndef SOWER_SERVER_STREAMS_BLOCKS_H
#define SOWER_SERVER_STREAMS_BLOCKS_H

#include "proto/tensor_bytes.h"
#include "server/base/pool.h"
#include "server/caches/sources.h"
#include "server/http/exchange.h"

struct sower_blocks {
    struct sower_tasks pieces; /* comes first: the pool hands a pointer to it back */
    struct sower_exchange *exchange;
    struct sower_tensor_bytes *bytes; /* what is being read */
    struct sower_prepared **prepared; /* its source */
    bool rests;                       /* it does */
    struct sower_sources_wait preparation;
    uint8_t *block; /* the one that was made last */
    size_t capacity, size;
    uint64_t start;      /* its place in `bytes` */
    _Atomic bool failed; /* memory ran out, or the pool is stopping */
};

/* A share of `budget` bytes for one of `streams` at a time, `most` at the most, ending on an element's edge:
 * larger blocks are faster; many streams get smaller ones, so that they all fit into memory. */
size_t sower_blocks_share(uint64_t budget, uint64_t streams, uint64_t most);

/* How much of `size` bytes to make at `start`: reading may begin anywhere; after a first, short piece every
 * piece begins on an element's edge. */
size_t sower_blocks_up_to_edge(uint64_t start, size_t size);

/* Memory for blocks, no larger than `most`. False when there is none. Whatever comes of it, sower_blocks_end
 * has to be called. */
bool sower_blocks_begin(struct sower_blocks *blocks, struct sower_exchange *exchange, uint64_t streams,
                        uint64_t most);

/* From here on these bytes are read, whose source is what `prepared` points to; both must stay. Another
 * source of the same draw, or NULL, may take its place, always the caller's. */
void sower_blocks_of(struct sower_blocks *blocks, struct sower_tensor_bytes *bytes,
                     struct sower_prepared **prepared);

/* The bytes are not read any more; to be called before their source is released. */
void sower_blocks_leave(struct sower_blocks *blocks);

/* For a content reader: copies bytes from `start` on, none at or behind `stop`, and returns how many; or
 * suspends the connection until there are some, and returns 0; or the reader's error. */
ssize_t sower_blocks_read(struct sower_blocks *blocks, uint64_t start, uint64_t stop, char *buffer,
                          size_t size);

void sower_blocks_end(struct sower_blocks *blocks);

#endif
