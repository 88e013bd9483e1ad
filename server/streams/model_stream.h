/* Streams of models: a safetensors file that is made while it is sent, tensor after tensor.
 *
 * At any time one tensor is open. Several small ones may be made for one buffer of libmicrohttpd's, straight
 * into it. A heavy one (orthogonal) is prepared, and its blocks made (blocks.h), while the connection is
 * suspended. */
#ifndef SOWER_SERVER_STREAMS_MODEL_STREAM_H
#define SOWER_SERVER_STREAMS_MODEL_STREAM_H

#include "proto/model.h"
#include "proto/tensor_bytes.h"
#include "server/caches/sources.h"
#include "server/http/exchange.h"
#include "server/http/range.h"
#include "server/streams/blocks.h"

struct sower_model_stream {
    struct sower_exchange *exchange;
    const struct sower_model *model;
    struct sower_range range; /* of the file; the stream is that part */
    /* the tensor at hand */
    bool opened;
    size_t number;
    struct sower_request request;
    struct sower_tensor_bytes bytes;
    struct sower_source source; /* of a light one */
    bool heavy;                 /* the source is `preparation.prepared`, once it has come */
    bool asked, ready;          /* asked: its preparation is under way; ready: it has come */
    struct sower_sources_wait preparation;
    struct sower_blocks blocks;
};

/* The response that sends bytes `range` of the model's file; NULL when memory runs out. `stream` and `model`
 * must stay until the exchange ends. Whatever comes of it, sower_model_stream_end has to be called. */
struct MHD_Response *sower_model_stream_begin(struct sower_model_stream *stream,
                                              struct sower_exchange *exchange,
                                              const struct sower_model *model, struct sower_range range,
                                              bool any_heavy);
void sower_model_stream_end(struct sower_model_stream *stream);

#endif
