/* Directories whose entries survive a power cut. A new file's name is safe only after its directory was
 * flushed to the disk; flushing the file itself is not enough. */
#ifndef SOWER_SERVER_BASE_DIRECTORY_H
#define SOWER_SERVER_BASE_DIRECTORY_H

#include <stdbool.h>

#include "core/attributes.h"

/* Creates a directory and its missing parents, private to the owner (0700), and flushes their entries. False
 * with errno. Changes `path` while it works, and restores it. */
SOWER_MUST_USE bool sower_directory_make(char *path);

/* Flushes the entries of a directory to the disk. False with errno. */
SOWER_MUST_USE bool sower_directory_sync(const char *path);

/* The text of an error number, for the end of a sentence; for a read-only volume also what to do. */
const char *sower_directory_error(int error);

#endif
