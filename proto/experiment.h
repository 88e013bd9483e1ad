/* Names of experiments in addresses. A name may be any text, and appears in a path or a query. */
#ifndef SOWER_PROTO_EXPERIMENT_H
#define SOWER_PROTO_EXPERIMENT_H

#include <stdbool.h>
#include <stddef.h>

#include "core/problem.h"
#include "core/seed.h"

/* Reads a name that is percent-decoded already: 1 to SOWER_EXPERIMENT_MAX bytes of UTF-8 without a NUL. */
bool sower_experiment_read(const char *bytes, size_t length, char name[SOWER_EXPERIMENT_MAX + 1],
                           struct sower_problem *problem);

/* Prints an address: `before`, the name, `after`. In the name every byte is escaped that could have a meaning in
 * a path or a query. `before` and `after` together have at most SOWER_EXPERIMENT_AROUND_MAX bytes. Returns
 * `address`. */
enum {
    SOWER_EXPERIMENT_AROUND_MAX = 120,
    SOWER_EXPERIMENT_ADDRESS_SIZE = SOWER_EXPERIMENT_AROUND_MAX + 3 * SOWER_EXPERIMENT_MAX + 1
};
const char *sower_experiment_address(const char *before, const char *name, const char *after,
                                     char address[SOWER_EXPERIMENT_ADDRESS_SIZE]);

#endif
