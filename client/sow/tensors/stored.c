#include "client/sow/tensors/stored.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/sow/daemon/report.h"

/* Reads up to `size` bytes at `at`. Returns how many; fewer only at the end of the file. -1 with errno. */
static ssize_t read_at(const struct stored *stored, uint8_t *bytes, size_t size, uint64_t at)
{
    size_t done = 0;
    while (done < size) {
        const ssize_t count = pread(stored->file, bytes + done, size - done, (off_t)(at + done));
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0) {
            return -1;
        }
        if (count == 0) {
            break;
        }
        done += (size_t)count;
    }
    return (ssize_t)done;
}

static bool fail_reading(struct sower_problem *problem)
{
    return sower_problem_set(problem, SOWER_PROBLEM_UNAVAILABLE, "", "It cannot be read: %s.",
                             strerror(errno));
}

/* Reads the header of a NumPy file, of which `first` has the first bytes. */
static bool read_npy(struct stored *stored, const uint8_t *first, size_t size, struct sower_problem *problem)
{
    stored->is_npy = true;
    if (!sower_npy_read(first, size, &stored->npy, problem)) {
        return false;
    }
    stored->data = stored->npy.header_size;
    return true;
}

/* Reads the header of a safetensors file. A length of more bytes than the file has is refused, before memory is taken. */
static bool read_safetensors(struct stored *stored, const uint8_t *first, size_t size,
                             struct sower_problem *problem)
{
    uint8_t bytes[SOWER_SAFETENSORS_LENGTH_SIZE] = {0};
    size_t length;
    memcpy(bytes, first, size < sizeof bytes ? size : sizeof bytes);
    if (!sower_safetensors_length(bytes, stored->size, &length, problem)) {
        return false;
    }
    stored->data = sizeof bytes + length;
    char *header = malloc(length + 1);
    if (header == NULL) {
        return sower_problem_memory(problem);
    }
    const ssize_t count = read_at(stored, (uint8_t *)header, length, sizeof bytes);
    bool read = count >= 0 || fail_reading(problem);
    read = read && sower_safetensors_list(header, (size_t)count, stored->size - stored->data,
                                          &stored->entries, problem);
    free(header);
    return read;
}

/* What a file is that is no file of tensors, with the command for it; NULL: not known. */
static const char *explain(const uint8_t *first, size_t size)
{
    static const char database[] = "SQLite format 3";
    if (size >= sizeof database && memcmp(first, database, sizeof database) == 0) {
        return "It is a database; 'sow ledger verify' verifies the ledger of a daemon.";
    }
    return size > 0 && first[0] == '{'
               ? "It is JSON, not a file of tensors; 'sow ledger verify' verifies lines of a ledger."
               : NULL;
}

static bool read_header(struct stored *stored, struct sower_problem *problem)
{
    uint8_t *first = malloc(SOWER_NPY_HEADER_MAX);
    if (first == NULL) {
        return sower_problem_memory(problem);
    }
    const ssize_t count = read_at(stored, first, SOWER_NPY_HEADER_MAX, 0);
    const size_t size = count > 0 ? (size_t)count : 0;
    const char *other = explain(first, size);
    bool read = count >= 0 || fail_reading(problem);
    if (read && other != NULL) {
        read = sower_problem_set(problem, SOWER_PROBLEM_INVALID, "", "%s", other);
    } else if (read) {
        read = sower_npy_is(first, size) ? read_npy(stored, first, size, problem)
                                         : read_safetensors(stored, first, size, problem);
    }
    free(first);
    return read;
}

enum sow_exit stored_open(struct stored *stored, const struct options *options, const char *path)
{
    struct sower_problem problem;
    struct stat status;
    *stored = (struct stored){.file = open(path, O_RDONLY | O_CLOEXEC)};
    if (stored->file < 0 || fstat(stored->file, &status) != 0) {
        return report_failure(options, "%s cannot be read: %s.", path, strerror(errno));
    }
    if (!S_ISREG(status.st_mode)) {
        return report_failure(options, "%s is not a regular file.", path);
    }
    stored->size = (uint64_t)status.st_size;
    if (read_header(stored, &problem)) {
        return SOW_DONE;
    }
    report_failure(options, "%s: %s", path, problem.sentence);
    return problem.code == SOWER_PROBLEM_INVALID ? SOW_REFUSED : SOW_TRANSPORT;
}

void stored_close(struct stored *stored)
{
    if (stored->file >= 0) {
        close(stored->file);
    }
    sower_safetensors_free(&stored->entries);
}

const char *stored_metadata(const struct stored *stored, const char *key)
{
    return json_string_value(json_object_get(stored->entries.metadata, key));
}
