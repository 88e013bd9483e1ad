#include "client/sow/terminal/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/sow/terminal/cleanup.h"

static const char SUFFIX[] = ".XXXXXX.part";

enum { SUFFIX_FIXED = sizeof ".part" - 1 };

/* mkostemps creates files that only their owner may access. The finished file gets the mode and owner of
 * the file that it replaces, or the usual mode of a new file. Only root may change the owner, so a failure
 * to do so is accepted. */
static bool set_mode(const struct output *output)
{
    if (output->replaces) {
        const struct stat *before = &output->before;
        bool given = fchown(output->file, before->st_uid, before->st_gid) == 0;
        return (given || errno == EPERM || errno == EINVAL) &&
               fchmod(output->file, before->st_mode & 0777) == 0;
    }
    mode_t mask = umask(0);
    umask(mask);
    return fchmod(output->file, 0666 & ~mask) == 0;
}

/* The index where the last component of a path begins. */
static size_t base_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? 0 : (size_t)(slash - path) + 1;
}

/* The file descriptor of this process that a path such as /proc/self/fd/1 names; -1 for another path. */
static int find_descriptor(const char *path)
{
    char directory[PATH_MAX], ours[64], real[PATH_MAX];
    size_t base = base_of(path);
    const char *name = path + base;
    if (base == 0 || *name == '\0' || strlen(name) > 6 || strspn(name, "0123456789") != strlen(name)) {
        return -1;
    }
    snprintf(directory, sizeof directory, "%.*s", (int)base, path);
    snprintf(ours, sizeof ours, "/proc/%ld/fd", (long)getpid());
    return realpath(directory, real) != NULL && strcmp(real, ours) == 0 ? atoi(name) : -1;
}

/* If output->path is a symbolic link, replaces its last component by the target, one step. False with
 * errno; EINVAL means that it is not a link. */
static bool follow_link(struct output *output)
{
    char target[PATH_MAX];
    ssize_t size = readlink(output->path, target, sizeof target - 1);
    if (size < 0) {
        return false;
    }
    target[size] = '\0';
    size_t base = target[0] == '/' ? 0 : base_of(output->path);
    if (base + (size_t)size >= sizeof output->path) {
        errno = ENAMETOOLONG;
        return false;
    }
    memcpy(output->path + base, target, (size_t)size + 1);
    return true;
}

/* Resolves `path`: sets output->path to the target of symbolic links, or, for the name of an open
 * descriptor, sets output->file to a duplicate of it. */
static bool find_file(struct output *output, const char *path)
{
    enum { LINKS_MAX = 40 }; /* the limit of Linux */
    int length = snprintf(output->path, sizeof output->path, "%s", path);
    if (length <= 0 || (size_t)length >= sizeof output->path) {
        errno = length == 0 ? ENOENT : ENAMETOOLONG;
        return false;
    }
    for (int links = 0; links <= LINKS_MAX; links++) {
        int descriptor = find_descriptor(output->path);
        if (descriptor >= 0) {
            output->file = fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
            return output->file >= 0;
        }
        if (!follow_link(output)) {
            return errno == EINVAL || errno == ENOENT;
        }
    }
    errno = ELOOP;
    return false;
}

static bool open_temporary(struct output *output)
{
    int length = snprintf(output->temporary, sizeof output->temporary, "%s%s", output->path, SUFFIX);
    if (length < 0 || (size_t)length >= sizeof output->temporary) {
        output->temporary[0] = '\0';
        errno = ENAMETOOLONG;
        return false;
    }
    sigset_t before;
    cleanup_block(&before);
    output->file = mkostemps(output->temporary, SUFFIX_FIXED, O_CLOEXEC);
    if (output->file >= 0) {
        cleanup_set_file(output->temporary);
    } else {
        output->temporary[0] = '\0';
    }
    cleanup_unblock(&before);
    return output->file >= 0;
}

bool output_open(struct output *output, const char *path)
{
    *output = (struct output){.file = -1};
    if (path == NULL) {
        output->file = STDOUT_FILENO;
        return true;
    }
    if (!find_file(output, path) || output->file >= 0) {
        return output->file >= 0;
    }
    output->replaces = stat(output->path, &output->before) == 0;
    if (output->replaces && !S_ISREG(output->before.st_mode)) {
        output->file = open(output->path, O_WRONLY | O_CLOEXEC);
        return output->file >= 0;
    }
    return open_temporary(output);
}

bool output_write(struct output *output, const void *bytes, size_t size)
{
    const char *at = bytes;
    while (size > 0) {
        ssize_t written = write(output->file, at, size);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written < 0) {
            return false;
        }
        at += written;
        size -= (size_t)written;
    }
    return true;
}

static bool close_file(struct output *output)
{
    int file = output->file;
    output->file = -1;
    return close(file) == 0;
}

/* Makes a rename durable. A directory that may be written but not read cannot be synced, and some file
 * systems do not support it; the file is complete in either case. */
static bool sync_directory(const char *path)
{
    char directory[PATH_MAX];
    snprintf(directory, sizeof directory, "%s", path);
    char *slash = strrchr(directory, '/');
    if (slash == NULL) {
        snprintf(directory, sizeof directory, ".");
    } else {
        slash[slash == directory ? 1 : 0] = '\0';
    }
    int file = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (file < 0) {
        return errno == EACCES;
    }
    bool synced = fsync(file) == 0 || errno == EINVAL;
    close(file);
    return synced;
}

bool output_finish(struct output *output)
{
    if (output->temporary[0] == '\0') {
        return close_file(output);
    }
    if (!set_mode(output) || fsync(output->file) != 0 || !close_file(output) ||
        rename(output->temporary, output->path) != 0) {
        return false;
    }
    cleanup_set_file(NULL);
    output->temporary[0] = '\0';
    return sync_directory(output->path);
}

void output_discard(struct output *output)
{
    if (output->file >= 0) {
        close_file(output);
    }
    if (output->temporary[0] != '\0') {
        unlink(output->temporary);
        cleanup_set_file(NULL);
        output->temporary[0] = '\0';
    }
}
