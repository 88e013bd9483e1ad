/* Streams of models: a safetensors file that is generated while it is sent, tensor after tensor.
 *
 * At most one tensor is open at a time. Several small tensors may be generated in one buffer of
 * libmicrohttpd. A heavy tensor (orthogonal) is prepared and its blocks are generated (blocks.h) while the
 * connection is suspended. */
#ifndef SOWER_SERVER_STREAMS_MODEL_STREAM_H
#define SOWER_SERVER_STREAMS_MODEL_STREAM_H

#include "core/attributes.h"
#include "proto/model.h"
#include "proto/tensor_bytes.h"
#include "server/caches/sources.h"
#include "server/http/exchange.h"
#include "server/http/range.h"
#include "server/streams/blocks.h"

struct sower_model_stream {
    struct sower_exchange *exchange;
    const struct sower_model *model;
    struct sower_range range; /* which bytes of the file are sent */
    /* the current tensor */
    bool opened;
    size_t number;
    struct sower_request request;
    struct sower_tensor_bytes bytes;
    struct sower_source source; /* of a light tensor */
    bool heavy;                 /* the source is `preparation.prepared`, once it is prepared */
    bool requested, ready;      /* requested: its preparation has begun; ready: its blocks can be read */
    struct sower_sources_wait preparation;
    struct sower_blocks blocks;
};

/* The response that sends bytes `range` of the model's file; NULL if memory runs out. `any_heavy`: the
 * model may have heavy tensors, so memory for blocks is needed. `stream` and `model` must stay until the
 * exchange ends. Call sower_model_stream_end in any case, also after NULL. */
SOWER_MUST_USE struct MHD_Response *sower_model_stream_begin(struct sower_model_stream *stream,
                                                             struct sower_exchange *exchange,
                                                             const struct sower_model *model,
                                                             struct sower_range range, bool any_heavy);
void sower_model_stream_end(struct sower_model_stream *stream);

#endif
