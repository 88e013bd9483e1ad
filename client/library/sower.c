#include "client/library/sower.h"

#include <string.h>

#include <jansson.h>
#include <sodium.h>

#include "client/library/call.h"
#include "core/draw.h"
#include "core/kernel.h"
#include "core/utf8.h"
#include "proto/version.h"

_Static_assert((int)SOWER_KEY_SIZE == (int)SOWER_SEED_SIZE, "sower.h says how large a seed is");
_Static_assert((int)SOWER_AXES_MAX == (int)SOWER_RANK_MAX, "sower.h says how many axes a tensor has");

const char *sower_version(void)
{
    return SOWER_VERSION;
}

int sower_spec(void)
{
    return SOWER_SPEC;
}

const char *sower_kernel_name(void)
{
    return sower_kernel()->name;
}

int sower_start(struct sower_error *error)
{
    struct sower_problem problem;
    bool started = sodium_init() >= 0 || sower_problem_set(&problem, SOWER_PROBLEM_UNAVAILABLE, "",
                                                           "libsodium finds no source of random numbers.");
    if (started) {
        json_object_seed((size_t)randombytes_random() | 1); /* else jansson would read a file for it */
    }
    return sower_call_result(started, &problem, error);
}

void sower_public_root(uint8_t root[SOWER_KEY_SIZE])
{
    const struct sower_seed seed = sower_seed_public_root();
    memcpy(root, seed.bytes, sizeof seed.bytes);
}

void sower_root_id(const uint8_t root[SOWER_KEY_SIZE], uint8_t id[SOWER_KEY_SIZE])
{
    struct sower_seed seed = sower_call_root(root);
    const struct sower_seed hash = sower_seed_root_id(&seed);
    memcpy(id, hash.bytes, sizeof hash.bytes);
    sodium_memzero(&seed, sizeof seed);
}

int sower_trial_seed(const uint8_t root[SOWER_KEY_SIZE], const char *experiment, uint64_t trial,
                     uint8_t seed[SOWER_KEY_SIZE], struct sower_error *error)
{
    char name[SOWER_EXPERIMENT_MAX + 1];
    struct sower_problem problem;
    int code = sower_start(error);
    if (code != SOWER_OK) {
        return code;
    }
    const bool good = sower_call_trial(experiment, trial, name, &problem);
    if (good) {
        struct sower_seed key = sower_call_root(root);
        struct sower_seed made = sower_seed_experiment(&key, name, strlen(name));
        made = sower_seed_trial(&made, trial);
        memcpy(seed, made.bytes, sizeof made.bytes);
        sodium_memzero(&key, sizeof key);
        sodium_memzero(&made, sizeof made);
    }
    return sower_call_result(good, &problem, error);
}

int sower_purpose_seed(const uint8_t trial_seed[SOWER_KEY_SIZE], const char *purpose, uint64_t *seed,
                       struct sower_error *error)
{
    struct sower_problem problem;
    const size_t length = strlen(purpose);
    const bool good = (length > 0 && length <= SOWER_PURPOSE_MAX && sower_utf8_check(purpose, length)) ||
                      sower_problem_set(&problem, SOWER_PROBLEM_INVALID, "purpose",
                                        "A purpose must be 1 to %d bytes of UTF-8.", SOWER_PURPOSE_MAX);
    if (good) {
        struct sower_seed trial = sower_call_root(trial_seed);
        *seed = sower_seed_purpose(&trial, purpose, length);
        sodium_memzero(&trial, sizeof trial);
    }
    return sower_call_result(good, &problem, error);
}
