/* The root of all seeds: the public root, the private root of --root-key-file, or the root of the daemon,
 * of which only the id is known. */
#ifndef SOWER_CLIENT_SOW_TENSORS_ROOT_H
#define SOWER_CLIENT_SOW_TENSORS_ROOT_H

#include <stdbool.h>

#include "client/sow/options.h"
#include "core/attributes.h"
#include "core/problem.h"
#include "core/seed.h"

extern const struct option_group root_options;

/* Whether --root-key-file is given. */
bool root_is_given(const struct options *options);

/* Reads the root for tensors that are derived here: that of --root-key-file, else the public root. The
 * caller wipes it (sodium_memzero). */
SOWER_MUST_USE bool root_read(const struct options *options, struct sower_seed *root,
                              struct sower_problem *problem);

/* Asks the daemon for the id of its root: requests a plan, whose draw id must follow from the root id that
 * it contains. *is_private: the root is not the public one. Failures are reported. */
SOWER_MUST_USE enum sow_exit root_learn(const struct options *options, struct sower_seed *root_id,
                                        bool *is_private);

#endif
