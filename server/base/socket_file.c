#include "server/base/socket_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static bool refuse(const char *path, const char *reason, struct sower_problem *problem)
{
    return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "--listen", "Cannot listen on unix:%s: %s.",
                             path, reason);
}

bool sower_socket_file_check(const char *path, const char *field, struct sower_problem *problem)
{
    enum { LONGEST = sizeof((struct sockaddr_un *)NULL)->sun_path - 1 };
    if (path[0] == '\0') {
        return sower_problem_set(problem, SOWER_PROBLEM_INVALID, field,
                                 "unix: needs the path of the socket, for example unix:/run/sower/socket.");
    }
    return strlen(path) <= LONGEST ||
           sower_problem_set(problem, SOWER_PROBLEM_INVALID, field,
                             "The path %s is too long for a Unix socket; it may have %d bytes.", path,
                             (int)LONGEST);
}

static struct sockaddr_un address_of(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, path, strnlen(path, sizeof address.sun_path - 1));
    return address;
}

/* Opens and locks the directory of a path. Returns its descriptor, or -1. Closing it unlocks it. */
static int lock_directory(const char *path)
{
    char directory[PATH_MAX];
    const char *slash = strrchr(path, '/');
    snprintf(directory, sizeof directory, "%.*s",
             slash == NULL   ? 1
             : slash == path ? 1
                             : (int)(slash - path),
             slash == NULL ? "." : path);
    int file = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (file >= 0 && flock(file, LOCK_EX) != 0) {
        close(file);
        return -1;
    }
    return file;
}

/* Whether a daemon listens on the socket of a path. */
static bool is_live(const struct sockaddr_un *address)
{
    int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool dead = probe >= 0 && connect(probe, (const struct sockaddr *)address, sizeof *address) != 0 &&
                errno == ECONNREFUSED;
    if (probe >= 0) {
        close(probe);
    }
    return !dead;
}

/* Removes the file of a daemon that has ended. False with a problem if the path is in use. */
static bool make_way(const char *path, struct sower_problem *problem)
{
    struct sockaddr_un address = address_of(path);
    struct stat status;
    if (lstat(path, &status) != 0) {
        return errno == ENOENT || refuse(path, strerror(errno), problem);
    }
    if (!S_ISSOCK(status.st_mode)) {
        return refuse(path, "there is a file that is not a socket", problem);
    }
    if (is_live(&address)) {
        return refuse(path, "another program listens there", problem);
    }
    return unlink(path) == 0 || refuse(path, strerror(errno), problem);
}

/* The directory is locked. */
static bool bind_file(int socket, const char *path, mode_t mode, struct sower_socket_file *file,
                      struct sower_problem *problem)
{
    struct sockaddr_un address = address_of(path);
    struct stat status;
    if (!make_way(path, problem)) {
        return false;
    }
    if (bind(socket, (const struct sockaddr *)&address, sizeof address) != 0) {
        return refuse(path, strerror(errno), problem);
    }
    if (lstat(path, &status) == 0) {
        *file = (struct sower_socket_file){true, status.st_dev, status.st_ino};
    }
    if (!file->bound || chmod(path, mode) != 0 || listen(socket, SOMAXCONN) != 0) {
        refuse(path, strerror(errno), problem);
        sower_socket_file_remove(path, file);
        return false;
    }
    return true;
}

int sower_socket_file_listen(const char *path, mode_t mode, struct sower_socket_file *file,
                             struct sower_problem *problem)
{
    *file = (struct sower_socket_file){0};
    int directory = lock_directory(path);
    int listener = directory >= 0 ? socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0) : -1;
    if (listener < 0) {
        refuse(path, strerror(errno), problem);
    } else if (!bind_file(listener, path, mode, file, problem)) {
        close(listener);
        listener = -1;
    }
    if (directory >= 0) {
        close(directory);
    }
    return listener;
}

void sower_socket_file_remove(const char *path, const struct sower_socket_file *file)
{
    struct stat status;
    if (file->bound && lstat(path, &status) == 0 && status.st_dev == file->device &&
        status.st_ino == file->inode) {
        (void)unlink(path);
    }
}
