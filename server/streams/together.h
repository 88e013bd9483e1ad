/* Reading together: the thread that sends a long stream and idle threads of the compute pool generate a
 * piece of it.
 *
 * One thread generates elements about as fast as it sends them, and it does one after the other. With help
 * a single stream uses more than one CPU. All threads write directly into the buffer that is sent. The
 * sender does not wait for a thread that has not begun: if the pool is busy, the sender generates
 * everything. */
#ifndef SOWER_SERVER_STREAMS_TOGETHER_H
#define SOWER_SERVER_STREAMS_TOGETHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/attributes.h"
#include "proto/tensor_bytes.h"

struct sower_server;

/* sower_tensor_bytes_read of a light tensor for a client: `count` bytes from `position`. Idle threads help
 * while few streams are active (at most one for every two threads of the pool). */
SOWER_MUST_USE bool sower_together_read(const struct sower_server *server, uint64_t client,
                                        const struct sower_tensor_bytes *bytes, uint64_t position,
                                        size_t count, uint8_t *buffer);

#endif
