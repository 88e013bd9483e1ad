#include "server/base/directory.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool sower_directory_sync(const char *path)
{
    int file = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (file < 0) {
        return false;
    }
    /* EINVAL: this file system cannot flush a directory. */
    bool done = fsync(file) == 0 || errno == EINVAL;
    int error = errno;
    close(file);
    errno = error;
    return done;
}

/* Flushes the parent of a path. A parent that the daemon may not even read (EACCES) was not created here. */
static bool sync_parent(char *path)
{
    char *slash = strrchr(path, '/');
    if (slash == NULL) {
        return sower_directory_sync(".");
    }
    if (slash == path) {
        return sower_directory_sync("/");
    }
    *slash = '\0';
    bool done = sower_directory_sync(path) || errno == EACCES;
    *slash = '/';
    return done;
}

/* The parent exists. Flushes also when the directory exists: an earlier run may have ended before its flush. */
static bool make_one(char *path)
{
    return (mkdir(path, 0700) == 0 || errno == EEXIST) && sync_parent(path);
}

bool sower_directory_make(char *path)
{
    struct stat status;
    for (char *slash = path + 1; *slash != '\0'; slash++) {
        if (*slash != '/') {
            continue;
        }
        *slash = '\0';
        bool made = stat(path, &status) == 0 || make_one(path);
        *slash = '/';
        if (!made) {
            return false;
        }
    }
    return make_one(path);
}

const char *sower_directory_error(int error)
{
    return error == EROFS ? "its volume is mounted read-only; mount it for writing" : strerror(error);
}
