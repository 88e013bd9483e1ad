#include "core/seed.h"

#include <string.h>

#include <sodium.h>

/* BLAKE2b-256 of a message with an optional key; `personal` is padded with zeros to 16 bytes. */
static struct sower_seed hash(const struct sower_seed *key, const char *personal, const void *message,
                              size_t length)
{
    uint8_t padded[crypto_generichash_blake2b_PERSONALBYTES] = {0};
    struct sower_seed seed;
    memcpy(padded, personal, strlen(personal));
    /* Cannot fail: the lengths of output and key are constants within libsodium's limits. */
    (void)crypto_generichash_blake2b_salt_personal(seed.bytes, sizeof seed.bytes, message, length,
                                                   key ? key->bytes : NULL, key ? sizeof key->bytes : 0, NULL,
                                                   padded);
    return seed;
}

struct sower_seed sower_seed_public_root(void)
{
    static const char message[] = "sower public root";
    return hash(NULL, "", message, sizeof message - 1);
}

struct sower_seed sower_seed_root_id(const struct sower_seed *root)
{
    static const char message[] = "sower root id";
    return hash(root, "", message, sizeof message - 1);
}

struct sower_seed sower_seed_experiment(const struct sower_seed *root, const char *experiment, size_t length)
{
    return hash(root, "sower.experiment", experiment, length);
}

struct sower_seed sower_seed_trial(const struct sower_seed *experiment, uint64_t trial)
{
    uint8_t message[8];
    for (size_t i = 0; i < sizeof message; i++) {
        message[i] = (uint8_t)(trial >> (8 * i));
    }
    return hash(experiment, "sower.trial", message, sizeof message);
}

struct sower_seed sower_seed_tensor(const struct sower_seed *trial, const char *name, size_t length)
{
    return hash(trial, "sower.tensor", name, length);
}

struct sower_seed sower_seed_substream(const struct sower_seed *tensor, const char *personal)
{
    return hash(tensor, personal, "", 0);
}

uint64_t sower_seed_purpose(const struct sower_seed *trial, const char *purpose, size_t length)
{
    const struct sower_seed seed = hash(trial, "sower.purpose", purpose, length);
    uint64_t number = 0;
    for (size_t i = 0; i < sizeof number; i++) {
        number |= (uint64_t)seed.bytes[i] << (8 * i);
    }
    return number;
}
