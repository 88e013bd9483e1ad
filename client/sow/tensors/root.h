/* The root of all seeds: the public one, that of --root-key-file, or the daemon's, by its id. */
#ifndef SOWER_CLIENT_SOW_TENSORS_ROOT_H
#define SOWER_CLIENT_SOW_TENSORS_ROOT_H

#include <stdbool.h>

#include "client/sow/options.h"
#include "core/problem.h"
#include "core/seed.h"

extern const struct option_group root_options;

/* Whether --root-key-file is given. */
bool root_is_given(const struct options *options);

/* Reads the root of what is derived here; the caller wipes it (sodium_memzero). */
bool root_read(const struct options *options, struct sower_seed *root, struct sower_problem *problem);

/* Asks the daemon for the id of its root, by a plan, which must be consistent with it; *is_private tells
 * whether it is another one than the public root. What goes wrong has been told. */
enum sow_exit root_learn(const struct options *options, struct sower_seed *root_id, bool *is_private);

#endif
