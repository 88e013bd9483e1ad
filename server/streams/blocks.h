/* Blocks of heavy tensors. The compute pool generates them while the connection is suspended, so that they
 * never block a worker (docs/threads.md).
 *
 * Between two blocks the factors rest (sources.h). If the cache took them away meanwhile, they are prepared
 * again before the next block.
 *
 * Generating many rows of an orthogonal matrix at once costs less for each row. So blocks are large, and
 * several threads of the pool generate pieces of one block. */
#ifndef SOWER_SERVER_STREAMS_BLOCKS_H
#define SOWER_SERVER_STREAMS_BLOCKS_H

#include "core/attributes.h"
#include "proto/tensor_bytes.h"
#include "server/base/pool.h"
#include "server/caches/sources.h"
#include "server/http/exchange.h"

struct sower_blocks {
    struct sower_tasks pieces; /* comes first: the pool returns a pointer to it */
    struct sower_exchange *exchange;
    struct sower_tensor_bytes *bytes; /* the tensor that is read */
    struct sower_prepared **prepared; /* its source */
    bool resting;                     /* the source rests */
    struct sower_sources_wait preparation;
    uint8_t *block; /* the last one that was generated */
    size_t capacity, size;
    uint64_t start;      /* where the block begins in `bytes` */
    _Atomic bool failed; /* memory ran out, or the pool is stopping */
};

/* The size of one stream's blocks: `budget` bytes divided by `streams`, at most `most`, a whole number of
 * elements. Larger blocks are faster; many streams get smaller blocks, so that all fit into memory. */
SOWER_MUST_USE size_t sower_blocks_share(uint64_t budget, uint64_t streams, uint64_t most);

/* How many of `size` bytes to generate at `start`: reading may begin inside an element. After a first,
 * short piece every piece begins at an element's boundary. */
SOWER_MUST_USE size_t sower_blocks_to_boundary(uint64_t start, size_t size);

/* Allocates memory for blocks of at most `most` bytes. False if memory runs out. Call sower_blocks_end in
 * any case, also after false. */
SOWER_MUST_USE bool sower_blocks_begin(struct sower_blocks *blocks, struct sower_exchange *exchange,
                                       uint64_t streams, uint64_t most);

/* From now on the blocks are of the tensor `bytes`, whose source is *prepared. `bytes` and `prepared` must
 * stay. sower_blocks_read may replace *prepared by another source of the same draw, or by NULL; the caller
 * releases it. */
void sower_blocks_attach(struct sower_blocks *blocks, struct sower_tensor_bytes *bytes,
                         struct sower_prepared **prepared);

/* Ends reading the tensor. Call it before the source is released. */
void sower_blocks_detach(struct sower_blocks *blocks);

/* For a content reader of libmicrohttpd: copies at most `size` bytes from `start` on, before `stop`, and
 * returns how many. If the block is not generated yet, returns 0 and suspends the connection until it is;
 * libmicrohttpd then calls the reader again. Returns MHD_CONTENT_READER_END_WITH_ERROR if memory ran out or
 * the pool stopped. */
SOWER_MUST_USE ssize_t sower_blocks_read(struct sower_blocks *blocks, uint64_t start, uint64_t stop,
                                         char *buffer, size_t size);

void sower_blocks_end(struct sower_blocks *blocks);

#endif
