#include "proto/rootkey.h"

#include <string.h>

#include <sodium.h>

#include "proto/secret_file.h"

enum {
    HEX_DIGITS = 2 * SOWER_SEED_SIZE,
    FILE_SIZE_MAX = HEX_DIGITS + 2, /* the digits and \r\n */
};

/* The key in `size` bytes of content, raw or hex; false when it is neither. */
static bool decode(const unsigned char *content, size_t size, struct sower_seed *root)
{
    if (size == SOWER_SEED_SIZE) {
        memcpy(root->bytes, content, SOWER_SEED_SIZE);
        return true;
    }
    if (size > HEX_DIGITS && content[size - 1] == '\n') {
        size -= size > HEX_DIGITS + 1 && content[size - 2] == '\r' ? 2 : 1;
    }
    size_t decoded;
    return size == HEX_DIGITS &&
           sodium_hex2bin(root->bytes, SOWER_SEED_SIZE, (const char *)content, size, NULL, &decoded, NULL) ==
               0 &&
           decoded == SOWER_SEED_SIZE;
}

bool sower_rootkey_read(const char *path, struct sower_seed *root, struct sower_problem *problem)
{
    unsigned char content[FILE_SIZE_MAX + 1];
    size_t size;
    bool read = sower_secret_file_read(path, "The key file", "root_key_file", (char *)content, FILE_SIZE_MAX,
                                       &size, problem);
    if (read && !decode(content, size, root)) {
        read = sower_problem_set(problem, SOWER_PROBLEM_INVALID, "root_key_file",
                                 "The key file %s must hold 32 raw bytes or 64 hex digits.", path);
    }
    sodium_memzero(content, sizeof content);
    return read;
}
