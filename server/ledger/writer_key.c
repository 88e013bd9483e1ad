#include "server/ledger/writer_key.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

#include "proto/hex.h"
#include "proto/record.h"
#include "proto/rootkey.h"
#include "server/base/directory.h"

_Static_assert(sizeof((struct sower_writer_key *)0)->secret == crypto_sign_SECRETKEYBYTES, "of Ed25519");
_Static_assert((int)SOWER_WRITER_SIZE == (int)crypto_sign_PUBLICKEYBYTES, "of Ed25519");
_Static_assert((int)SOWER_SIGNATURE_SIZE == (int)crypto_sign_BYTES, "of Ed25519");

static bool refuse(const char *path, struct sower_problem *problem)
{
    return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "--state",
                             "The writer's key %s cannot be created: %s.", path,
                             sower_directory_error(errno));
}

/* Writes a new key to a temporary file and links that to `path`. So no reader sees half a key, and if two daemons
 * start together, one key wins. */
static bool create_key(const char *path, struct sower_problem *problem)
{
    char draft[PATH_MAX], hex[SOWER_HEX_SIZE];
    struct sower_seed seed;
    int length = snprintf(draft, sizeof draft, "%s.%ld", path, (long)getpid());
    if (length < 0 || (size_t)length >= sizeof draft) {
        errno = ENAMETOOLONG;
        return refuse(path, problem);
    }
    int file = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file < 0) {
        return refuse(path, problem);
    }
    randombytes_buf(seed.bytes, sizeof seed.bytes);
    sower_hex_print(seed.bytes, hex);
    bool created = write(file, hex, sizeof hex - 1) == (ssize_t)sizeof hex - 1 && fsync(file) == 0;
    created = close(file) == 0 && created;
    created = created && (link(draft, path) == 0 || errno == EEXIST);
    if (!created) {
        refuse(path, problem);
    }
    (void)unlink(draft);
    sodium_memzero(&seed, sizeof seed);
    sodium_memzero(hex, sizeof hex);
    return created;
}

bool sower_writer_key_open(const char *state, struct sower_writer_key *writer, struct sower_problem *problem)
{
    char path[PATH_MAX];
    struct sower_seed seed;
    int length = snprintf(path, sizeof path, "%s/writer.key", state);
    if (length < 0 || (size_t)length >= sizeof path) {
        return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "--state",
                                 "The state directory's path is too long.");
    }
    if (access(path, F_OK) != 0 && !create_key(path, problem)) {
        return false;
    }
    if (!sower_directory_sync(state)) { /* also for an old key: its creator may have ended before the flush */
        return refuse(path, problem);
    }
    if (!sower_rootkey_read(path, &seed, problem)) {
        return false;
    }
    crypto_sign_seed_keypair(writer->key, writer->secret, seed.bytes);
    sodium_memzero(&seed, sizeof seed);
    return true;
}

void sower_writer_sign(const struct sower_writer_key *writer, const char *text, size_t length,
                       uint8_t signature[SOWER_SIGNATURE_SIZE])
{
    crypto_sign_detached(signature, NULL, (const unsigned char *)text, length, writer->secret);
}

void sower_writer_key_close(struct sower_writer_key *writer)
{
    sodium_memzero(writer->secret, sizeof writer->secret);
}
