/* The root of offline derivations: the public one, or that of --root-key-file. */
#ifndef SOW_ROOT_H
#define SOW_ROOT_H

#include <stdbool.h>

#include "../core/problem.h"
#include "../core/seed.h"
#include "options.h"

extern const struct option_group root_options;

/* Reads it; the caller wipes it (sodium_memzero). */
bool root_read(const struct options *options, struct sower_seed *root, struct sower_problem *problem);

#endif
