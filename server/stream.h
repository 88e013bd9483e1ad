/* Streams: a body that is made block by block while it is sent, so that no tensor is ever whole in memory.
 *
 * The elements of most tensors are made as fast as they can be sent, straight into libmicrohttpd's own
 * buffer. Those of heavy ones (orthogonal) take long to make: their blocks are made on the compute pool while
 * the connection is suspended, so that a thread that serves connections is never held up. */
#ifndef SOWER_SERVER_STREAM_H
#define SOWER_SERVER_STREAM_H

#include "answer_bytes.h"
#include "exchange.h"
#include "pool.h"
#include "range.h"

struct sower_stream {
    struct sower_job job; /* comes first: the pool hands a pointer to it back */
    struct sower_exchange *exchange;
    const struct sower_bytes *bytes;
    struct sower_range range; /* of the answer; the stream is that part */
    /* for heavy tensors: the block that was made last */
    uint8_t *block;
    size_t block_capacity, block_size;
    uint64_t block_start; /* its place in the whole answer */
    _Atomic bool failed;  /* memory ran out, or the pool is stopping */
};

/* The response that sends bytes `range` of an answer; NULL when memory runs out. `stream` and `bytes` must
 * stay until the exchange ends. Whatever comes of it, sower_stream_end has to be called. */
struct MHD_Response *sower_stream_begin(struct sower_stream *stream, struct sower_exchange *exchange,
                                        const struct sower_bytes *bytes, struct sower_range range,
                                        bool heavy);
void sower_stream_end(struct sower_stream *stream);

#endif
