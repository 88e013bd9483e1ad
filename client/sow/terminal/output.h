/* Outputs: the bytes of a response, written completely or not at all.
 *
 * A file is written under a temporary name beside its final one (NAME.XXXXXX.part), synced to disk, and
 * then renamed. If something fails before that, the final name is unchanged. A replaced file passes on its
 * mode, and its owner where that is allowed. A target that cannot be replaced by a rename (standard output,
 * also as /dev/stdout or /dev/fd/N; a device; a named pipe) is written directly. */
#ifndef SOWER_CLIENT_SOW_TERMINAL_OUTPUT_H
#define SOWER_CLIENT_SOW_TERMINAL_OUTPUT_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "core/attributes.h"

struct output {
    int file;
    char path[PATH_MAX];      /* the final name */
    char temporary[PATH_MAX]; /* empty: `path` is written directly */
    bool replaces;            /* a file exists under the final name */
    struct stat before;       /* that file */
};

/* These functions return false after a failure, with errno set. After a failed output_open there is nothing
 * to clean up; after the others the caller still calls output_discard. */

/* Opens the file at `path`, or standard output for NULL. If the path is a symbolic link, its target is
 * replaced or created. The struct must not move in memory before output_discard. */
SOWER_MUST_USE bool output_open(struct output *output, const char *path);

SOWER_MUST_USE bool output_write(struct output *output, const void *bytes, size_t size);

/* Syncs the file to disk and gives it its final name. */
SOWER_MUST_USE bool output_finish(struct output *output);

/* Closes the output and removes the temporary file. May be called after output_finish, and twice. */
void output_discard(struct output *output);

#endif
