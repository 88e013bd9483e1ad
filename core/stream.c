#include "core/stream.h"

#include <string.h>

#include <sodium.h>

static const uint8_t nonce[crypto_stream_chacha20_ietf_NONCEBYTES] = {'L', 'i', 'b', 's', 'o', 'd',
                                                                      'i', 'u', 'm', 'D', 'R', 'G'};

void sower_stream_blocks(const struct sower_seed *seed, uint64_t first, size_t count, uint8_t *bytes)
{
    if (count == 0) {
        return;
    }
    size_t size = count * SOWER_STREAM_BLOCK_SIZE;
    memset(bytes, 0, size);
    /* libsodium's function for the stream alone always starts at block 0. Its function for encryption
     * can start at any block; the encryption of zeros is the stream. */
    (void)crypto_stream_chacha20_ietf_xor_ic(bytes, bytes, size, nonce, (uint32_t)first, seed->bytes);
}
