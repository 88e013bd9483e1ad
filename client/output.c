#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"

static const char SUFFIX[] = ".XXXXXX.part";

enum { SUFFIX_FIXED = sizeof ".part" - 1 };

/* mkostemps makes files for their owner alone; the finished file gets what any new file would have. */
static bool set_usual_mode(int file)
{
    mode_t mask = umask(0);
    umask(mask);
    return fchmod(file, 0666 & ~mask) == 0;
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
    struct stat status;
    bool exists = stat(path, &status) == 0;
    if (exists && !S_ISREG(status.st_mode)) {
        output->file = open(path, O_WRONLY | O_CLOEXEC);
        return output->file >= 0;
    }
    if (!exists && snprintf(output->path, sizeof output->path, "%s", path) >= PATH_MAX) {
        errno = ENAMETOOLONG;
        return false;
    }
    if (exists && realpath(path, output->path) == NULL) {
        return false;
    }
    if (!open_temporary(output)) {
        return false;
    }
    if (!set_usual_mode(output->file)) {
        int reason = errno;
        output_discard(output);
        errno = reason;
        return false;
    }
    return true;
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

/* A rename is durable once the directory is. A directory that may be written but not read cannot be synced,
 * and some file systems sync none: the file is complete all the same. */
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
    if (fsync(output->file) != 0 || !close_file(output) || rename(output->temporary, output->path) != 0) {
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
