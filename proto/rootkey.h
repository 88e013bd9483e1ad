/* Key files: where a private root, or another secret, comes from.
 *
 * The file holds 32 bytes, either as they are (exactly 32 bytes) or as 64 hex digits of either
 * case, with one line end allowed after them. Whoever reads a root can derive every seed of that universe, so a
 * file that others may read is refused, as ssh does with its keys. One exception: a file that only the group
 * of root may read besides its owner is taken, because that is how systemd hands over credentials. */
#ifndef SOWER_PROTO_ROOTKEY_H
#define SOWER_PROTO_ROOTKEY_H

#include <stdbool.h>

#include "core/problem.h"
#include "core/seed.h"

/* Reads the root from the file at `path`. Problems carry the field "root_key_file" and never quote the file's
 * content. The caller wipes *root when it is done with it (sodium_memzero). */
bool sower_rootkey_read(const char *path, struct sower_seed *root, struct sower_problem *problem);

#endif
