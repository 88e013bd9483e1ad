/* Socket files: Unix sockets that the daemon binds to a path.
 *
 * A daemon that was killed leaves its file behind. Nobody can connect to such a file, and binding to its path
 * fails. So a file without a listening daemon is replaced, and one with a daemon is refused. Two daemons that
 * start at the same time must not replace each other's file: they lock the directory (flock) while they look
 * and bind. The file is private until its permissions are set. */
#ifndef SOWER_SERVER_BASE_SOCKET_FILE_H
#define SOWER_SERVER_BASE_SOCKET_FILE_H

#include <stdbool.h>
#include <sys/types.h>

#include "core/attributes.h"
#include "core/problem.h"

/* Identifies the file, so that only this file is removed later. */
struct sower_socket_file {
    bool bound;
    dev_t device;
    ino_t inode;
};

/* Whether a path fits into a socket's address; false with a problem. */
SOWER_MUST_USE bool sower_socket_file_check(const char *path, const char *field,
                                            struct sower_problem *problem);

/* Binds a non-blocking socket to the path, sets the permissions `mode`, and listens. Returns the socket, or -1
 * with a problem. */
SOWER_MUST_USE int sower_socket_file_listen(const char *path, mode_t mode, struct sower_socket_file *file,
                                            struct sower_problem *problem);

/* Removes the file at the path if it is still this one. */
void sower_socket_file_remove(const char *path, const struct sower_socket_file *file);

#endif
