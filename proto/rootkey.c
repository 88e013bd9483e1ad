#include "proto/rootkey.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

enum {
    HEX_DIGITS = 2 * SOWER_SEED_SIZE,
    FILE_SIZE_MAX = HEX_DIGITS + 2, /* the digits and \r\n */
};

static bool refuse_errno(const char *path, struct sower_problem *problem)
{
    return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "root_key_file",
                             "The key file %s cannot be read: %s.", path, strerror(errno));
}

/* Whether only the owner can access the file (or the group of root can read it too). A pipe (a shell's <(…)) passes the same check. */
static bool check_mode(int file, const char *path, struct sower_problem *problem)
{
    struct stat status;
    if (fstat(file, &status) != 0) {
        return refuse_errno(path, problem);
    }
    if (S_ISDIR(status.st_mode)) {
        return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "root_key_file",
                                 "The key file %s is a directory.", path);
    }
    mode_t foreign = status.st_mode & (S_IRWXG | S_IRWXO);
    if (foreign == 0 || (foreign == S_IRGRP && status.st_gid == 0)) {
        return true;
    }
    return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "root_key_file",
                             "The key file %s is open to others (mode %04o); make it private: chmod 600.",
                             path, (unsigned)status.st_mode & 07777U);
}

/* Reads to the end of the file, but at most one byte more than a key file can have, to detect a longer file.
 * Returns the number of bytes, or -1. */
static ssize_t read_all(int file, unsigned char content[FILE_SIZE_MAX + 1])
{
    size_t size = 0;
    while (size < FILE_SIZE_MAX + 1) {
        ssize_t count = read(file, content + size, FILE_SIZE_MAX + 1 - size);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0) {
            return -1;
        }
        if (count == 0) {
            break;
        }
        size += (size_t)count;
    }
    return (ssize_t)size;
}

/* The key in `size` bytes of content, raw or hex; false when it is neither. */
static bool decode(const unsigned char *content, size_t size, struct sower_seed *root)
{
    if (size == SOWER_SEED_SIZE) {
        memcpy(root->bytes, content, SOWER_SEED_SIZE);
        return true;
    }
    if (size > HEX_DIGITS && content[size - 1] == '\n') {
        size -= size > HEX_DIGITS + 1 && content[size - 2] == '\r' ? 2 : 1;
    }
    size_t decoded;
    return size == HEX_DIGITS &&
           sodium_hex2bin(root->bytes, SOWER_SEED_SIZE, (const char *)content, size, NULL, &decoded, NULL) ==
               0 &&
           decoded == SOWER_SEED_SIZE;
}

bool sower_rootkey_read(const char *path, struct sower_seed *root, struct sower_problem *problem)
{
    unsigned char content[FILE_SIZE_MAX + 1];
    bool read_well = false;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        return refuse_errno(path, problem);
    }
    if (!check_mode(file, path, problem)) {
        goto out;
    }
    ssize_t size = read_all(file, content);
    if (size < 0) {
        refuse_errno(path, problem);
        goto out;
    }
    read_well = decode(content, (size_t)size, root);
    if (!read_well) {
        sower_problem_set(problem, SOWER_PROBLEM_INVALID, "root_key_file",
                          "The key file %s must hold 32 raw bytes or 64 hex digits.", path);
    }
out:
    close(file);
    sodium_memzero(content, sizeof content);
    return read_well;
}
