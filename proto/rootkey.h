/* Key files: they contain a private root, or another secret.
 *
 * The file has 32 bytes, either raw (exactly 32 bytes) or as 64 hex digits of either case, optionally with one
 * line end after them. Somebody who can read a root can derive every seed under it, so the file must be
 * private (secret_file.h). */
#ifndef SOWER_PROTO_ROOTKEY_H
#define SOWER_PROTO_ROOTKEY_H

#include <stdbool.h>

#include "core/attributes.h"
#include "core/problem.h"
#include "core/seed.h"

/* Reads the root from the file at `path`. Problems have the field "root_key_file" and never quote the file's
 * content. The caller wipes *root after use (sodium_memzero). */
SOWER_MUST_USE bool sower_rootkey_read(const char *path, struct sower_seed *root,
                                       struct sower_problem *problem);

#endif
