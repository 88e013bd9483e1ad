/* The stream of a seed: 2^38 pseudo-random bytes with random access.
 *
 * It is the output of libsodium's `randombytes_buf_deterministic(size, seed)`: ChaCha20 (RFC 8439) with the
 * seed as key, the 12-byte nonce "LibsodiumDRG" and a 32-bit block counter from 0. A block has 64 bytes, so
 * byte b lies in block b / 64. Thanks to that a slice can be made without the elements before it.
 *
 * The stream is correct without sodium_init(), but much slower. Programs call sodium_init() when they
 * start. */
#ifndef SOWER_CORE_STREAM_H
#define SOWER_CORE_STREAM_H

#include <stddef.h>
#include <stdint.h>

#include "core/seed.h"

enum { SOWER_STREAM_BLOCK_SIZE = 64 };

/* Bytes in one stream: 2^32 blocks. */
#define SOWER_STREAM_SIZE (UINT64_C(1) << 38)

/* Writes `count` whole blocks, starting with block `first`, to `bytes`. first + count must not exceed
 * 2^32. */
void sower_stream_blocks(const struct sower_seed *seed, uint64_t first, size_t count, uint8_t *bytes);

#endif
