/* Directories that outlive a power cut: a name that was made in one is safe only when the directory was
 * flushed to the disk, whatever was done for the file of that name. */
#ifndef SOWER_SERVER_BASE_DIRECTORY_H
#define SOWER_SERVER_BASE_DIRECTORY_H

#include <stdbool.h>

/* Makes a directory and those above it that are missing, for the owner alone, and sees to it that they stay.
 * False with errno; `path` is as it was afterwards. */
bool sower_directory_make(char *path);

/* Flushes the names in a directory. False with errno. */
bool sower_directory_sync(const char *path);

/* What the system says of an error, for the end of a sentence; of a read-only volume also what to do. */
const char *sower_directory_error(int error);

#endif
