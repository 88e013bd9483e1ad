#include "proto/secret_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct named {
    const char *path, *what, *field;
};

static bool refuse_errno(const struct named *file, struct sower_problem *problem)
{
    return sower_problem_set(problem, SOWER_PROBLEM_INVALID, file->field, "%s %s cannot be read: %s.",
                             file->what, file->path, strerror(errno));
}

static bool check_mode(int descriptor, const struct named *file, struct sower_problem *problem)
{
    struct stat status;
    if (fstat(descriptor, &status) != 0) {
        return refuse_errno(file, problem);
    }
    if (S_ISDIR(status.st_mode)) {
        return sower_problem_set(problem, SOWER_PROBLEM_INVALID, file->field, "%s %s is a directory.",
                                 file->what, file->path);
    }
    mode_t foreign = status.st_mode & (S_IRWXG | S_IRWXO);
    return foreign == 0 || (foreign == S_IRGRP && status.st_gid == 0) ||
           sower_problem_set(problem, SOWER_PROBLEM_INVALID, file->field,
                             "%s %s is open to others (mode %04o); make it private: chmod 600.", file->what,
                             file->path, (unsigned)status.st_mode & 07777U);
}

/* Reads to the end of the file, but at most `size` bytes. Returns the number of bytes, or -1. */
static ssize_t read_all(int descriptor, char *content, size_t size)
{
    size_t length = 0;
    while (length < size) {
        ssize_t count = read(descriptor, content + length, size - length);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0) {
            return -1;
        }
        if (count == 0) {
            break;
        }
        length += (size_t)count;
    }
    return (ssize_t)length;
}

bool sower_secret_file_read(const char *path, const char *what, const char *field, char *content, size_t max,
                            size_t *size, struct sower_problem *problem)
{
    const struct named file = {path, what, field};
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) {
        return refuse_errno(&file, problem);
    }
    bool well = check_mode(descriptor, &file, problem);
    ssize_t length = well ? read_all(descriptor, content, max + 1) : 0;
    if (length < 0) {
        well = refuse_errno(&file, problem);
    }
    close(descriptor);
    *size = well ? (size_t)length : 0;
    return well;
}
