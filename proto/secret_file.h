/* Secret files: a root key, tokens, the key of a certificate. They must be private to their owner.
 *
 * A file that other users may read is refused, as ssh does with its keys. There is one exception, because systemd
 * passes credentials so: besides the owner, the group of root may have read access. A pipe (a shell's <(…)) passes
 * the same check. */
#ifndef SOWER_PROTO_SECRET_FILE_H
#define SOWER_PROTO_SECRET_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "core/attributes.h"
#include "core/problem.h"

/* Reads a file of at most `max` bytes into `content`, which has room for max + 1, and sets *size. Reads max + 1 bytes
 * of a longer file, so that the caller sees that it is too long. `what` names the file in the sentences ("The key file"),
 * `field` is the problem's field. The caller wipes `content`, also after false. */
SOWER_MUST_USE bool sower_secret_file_read(const char *path, const char *what, const char *field,
                                           char *content, size_t max, size_t *size,
                                           struct sower_problem *problem);

#endif
