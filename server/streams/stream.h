/* Streams: a body that is made block by block while it is sent, so that no tensor is ever whole in memory.
 *
 * The elements of most tensors are made as fast as they can be sent, straight into libmicrohttpd's own
 * buffer, by all CPUs that are to spare (together.h). Those of heavy ones (orthogonal) take long to make:
 * blocks.h. */
#ifndef SOWER_SERVER_STREAMS_STREAM_H
#define SOWER_SERVER_STREAMS_STREAM_H

#include "proto/tensor_bytes.h"
#include "server/http/exchange.h"
#include "server/http/range.h"
#include "server/streams/blocks.h"

/* What libmicrohttpd's buffers are for all streams together, and for one at the most. */
enum {
    SOWER_STREAM_BUDGET = 20 * 1024 * 1024,
    SOWER_STREAM_BLOCK_MAX = 2 * 1024 * 1024,
    SOWER_STREAM_COPY_SIZE = 64 * 1024, /* where blocks are made elsewhere */
};

struct sower_stream {
    struct sower_exchange *exchange;
    struct sower_tensor_bytes *bytes;
    struct sower_range range;   /* of the answer; the stream is that part */
    struct sower_blocks blocks; /* for heavy tensors */
};

/* The response that sends bytes `range` of an answer; NULL when memory runs out. `prepared` points to the
 * source of a heavy tensor (blocks.h), or to NULL for a light one. `stream`, `bytes` and it must stay until
 * the exchange ends. Whatever comes of it, sower_stream_end has to be called. */
struct MHD_Response *sower_stream_begin(struct sower_stream *stream, struct sower_exchange *exchange,
                                        struct sower_tensor_bytes *bytes, struct sower_range range,
                                        struct sower_prepared **prepared);
void sower_stream_end(struct sower_stream *stream);

#endif
