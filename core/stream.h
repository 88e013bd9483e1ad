/* The stream of a seed: 2^38 pseudo-random bytes that can be entered anywhere.
 *
 * It is what libsodium's `randombytes_buf_deterministic(size, seed)` returns: ChaCha20 (RFC 8439) under the
 * seed as key, with the 12-byte nonce "LibsodiumDRG" and a 32-bit block counter from 0. A block has 64 bytes,
 * so byte b lies in block b / 64: that is what makes slices free.
 *
 * The stream, and with it everything that draws from it, is right without sodium_init(), but much slower:
 * programs call it at their start. */
#ifndef SOWER_CORE_STREAM_H
#define SOWER_CORE_STREAM_H

#include <stddef.h>
#include <stdint.h>

#include "core/seed.h"

enum { SOWER_STREAM_BLOCK_SIZE = 64 };

/* Bytes in one stream: 2^32 blocks. */
#define SOWER_STREAM_SIZE (UINT64_C(1) << 38)

/* Writes `count` whole blocks, from block `first` on, to `bytes`. first + count must not exceed 2^32. */
void sower_stream_blocks(const struct sower_seed *seed, uint64_t first, size_t count, uint8_t *bytes);

#endif
