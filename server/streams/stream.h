/* Streams: a body that is generated block by block while it is sent, so that a whole tensor is never in
 * memory.
 *
 * The elements of most tensors are generated as fast as they can be sent, directly in libmicrohttpd's
 * buffer, by the sending thread and idle CPUs (together.h). The elements of heavy tensors (orthogonal) take
 * longer (blocks.h). */
#ifndef SOWER_SERVER_STREAMS_STREAM_H
#define SOWER_SERVER_STREAMS_STREAM_H

#include "core/attributes.h"
#include "proto/tensor_bytes.h"
#include "server/http/exchange.h"
#include "server/http/range.h"
#include "server/streams/blocks.h"

/* The sizes of libmicrohttpd's buffers, in bytes. */
enum {
    SOWER_STREAM_BUDGET = 20 * 1024 * 1024,   /* of all streams together */
    SOWER_STREAM_BLOCK_MAX = 2 * 1024 * 1024, /* of one stream at most */
    SOWER_STREAM_COPY_SIZE = 64 * 1024,       /* of a heavy tensor, whose blocks have their own memory */
    SOWER_STREAM_ROUND =
        1024 * 1024, /* that several streams together generate before a small request gets its turn */
    SOWER_STREAM_TURN_MIN = 16 * 1024, /* of a stream; less costs throughput */
};

/* The most bytes that a stream generates in its turn. A thread serves all its connections in turn, so the more streams
 * there are, the less each may generate, or small requests wait for milliseconds times the streams. */
size_t sower_stream_turn(const struct sower_server *server);

/* The most bytes of a light tensor that are generated at once. An element of a structure takes up to 0.2 us (sinusoid),
 * and the other connections of the thread wait meanwhile, so these are 8192 elements. */
static inline size_t sower_stream_piece(const struct sower_plan *plan)
{
    return plan->structure == NULL ? SOWER_STREAM_BLOCK_MAX : 8192 * sower_dtype_size(plan->dtype);
}

struct sower_stream {
    struct sower_exchange *exchange;
    struct sower_tensor_bytes *bytes;
    struct sower_range range;   /* which bytes of the body are sent */
    struct sower_blocks blocks; /* for heavy tensors */
};

/* The response that sends bytes `range` of a tensor's body; NULL if memory runs out. *prepared is the
 * source of a heavy tensor (blocks.h), or NULL for a light tensor. `stream`, `bytes` and `prepared` must
 * stay until the exchange ends. Call sower_stream_end in any case, also after NULL. */
SOWER_MUST_USE struct MHD_Response *sower_stream_begin(struct sower_stream *stream,
                                                       struct sower_exchange *exchange,
                                                       struct sower_tensor_bytes *bytes,
                                                       struct sower_range range,
                                                       struct sower_prepared **prepared);
void sower_stream_end(struct sower_stream *stream);

#endif
