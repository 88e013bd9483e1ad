/* Reading together: a piece of a long stream, made by the thread that sends it and by threads of the compute
 * pool that are idle.
 *
 * One thread makes numbers about as fast as it can send them, and does either in turn; with help a single
 * stream gets more than one CPU. All write straight into the buffer that is sent. Nobody is waited for who
 * has not begun: when the pool is busy the caller makes all of it. */
#ifndef SOWER_SERVER_STREAMS_TOGETHER_H
#define SOWER_SERVER_STREAMS_TOGETHER_H

#include "proto/tensor_bytes.h"
#include "server/server.h"

/* sower_tensor_bytes_read of a light tensor for a client, with help while so few streams are active that CPUs are to
 * spare. */
bool sower_together_read(const struct sower_server *server, uint64_t client,
                         const struct sower_tensor_bytes *bytes, uint64_t position, size_t count,
                         uint8_t *buffer);

#endif
