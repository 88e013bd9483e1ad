/* The files of the state directory are private to their owner, because they contain the names of experiments
 * and keys of clients. Files that the daemon creates are private from the beginning (main.c sets the umask).
 * Files that an older version created, or that somebody copied there, become private at start. */
#ifndef SOWER_SERVER_BASE_PRIVATE_FILE_H
#define SOWER_SERVER_BASE_PRIVATE_FILE_H

#include "server/base/log.h"

/* Removes all permissions of group and others from a file, if it exists and has any, and logs that; logs a
 * warning if it fails. `log` may be NULL. */
void sower_private_file(const char *path, const struct sower_log *log);

#endif
