/* Seeds: from names to 32 bytes.
 *
 * Seeds form a tree of keyed, personalised BLAKE2b-256 hashes. Each seed is the key of the next one. So the
 * seed of an experiment gives the seeds of all its trials and tensors, but nothing above or beside the
 * experiment.
 *
 *     root ── experiment ── trial ── tensor
 *
 *     public root = H(key: none,       message: "sower public root",      personal: none)
 *     experiment  = H(key: root,       message: experiment, UTF-8,        personal: "sower.experiment")
 *     trial       = H(key: experiment, message: trial, u64 little-endian, personal: "sower.trial")
 *     tensor      = H(key: trial,      message: tensor name, UTF-8,       personal: "sower.tensor")
 *     purpose     = H(key: trial,      message: purpose, UTF-8,           personal: "sower.purpose")
 *
 * A private root instead of the public one gives completely different seeds. Its id may be published,
 * because it is a one-way hash. */
#ifndef SOWER_CORE_SEED_H
#define SOWER_CORE_SEED_H

#include <stddef.h>
#include <stdint.h>

enum { SOWER_SEED_SIZE = 32, SOWER_DRAW_ID_SIZE = 32 };

enum {
    SOWER_EXPERIMENT_MAX = 256,
    SOWER_NAME_MAX = 512,
    SOWER_PURPOSE_MAX = 256
}; /* bytes, without a terminator */

/* The greatest trial number: 2^63 - 1. */
#define SOWER_TRIAL_MAX ((uint64_t)INT64_MAX)

struct sower_seed {
    uint8_t bytes[SOWER_SEED_SIZE];
};

struct sower_seed sower_seed_public_root(void);

/* H(key: root, message: "sower root id"): identifies a root without revealing it. */
struct sower_seed sower_seed_root_id(const struct sower_seed *root);

struct sower_seed sower_seed_experiment(const struct sower_seed *root, const char *experiment, size_t length);
struct sower_seed sower_seed_trial(const struct sower_seed *experiment, uint64_t trial);
struct sower_seed sower_seed_tensor(const struct sower_seed *trial, const char *name, size_t length);

/* A number for other randomness of the trial, such as the order of the data: the first 8 bytes of the purpose's
 * hash, little-endian. */
uint64_t sower_seed_purpose(const struct sower_seed *trial, const char *purpose, size_t length);

/* H(key: tensor seed, message: empty, personal: `personal`): the seed of a second stream of the tensor,
 * for an initializer that needs more than one word per element. `personal` has at most 16 bytes. */
struct sower_seed sower_seed_substream(const struct sower_seed *tensor, const char *personal);

#endif
