#include "server/ledger/sqlite/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/base/directory.h"

enum { BEGINNING = 64 }; /* bytes that are enough to recognize the content */

static bool refuse(const char *path, const char *why, struct sower_problem *problem)
{
    return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "--ledger",
                             "The ledger %s cannot be opened: %s.", path, why);
}

/* What a file may be that does not begin like a SQLite database. */
static const char *guess(const char *beginning)
{
    if (strncmp(beginning, "version https://git-lfs", 23) == 0) {
        return "the file is a git-lfs pointer; run git lfs pull to fetch the ledger itself";
    }
    if (beginning[0] == '{') {
        return "the file is JSON, perhaps an export; sow ledger verify and sow replay read exports";
    }
    return "the file is not a SQLite database";
}

static bool check_content(const char *path, struct sower_problem *problem)
{
    char beginning[BEGINNING + 1] = "";
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t size = file < 0 ? -1 : read(file, beginning, BEGINNING);
    int error = errno;
    if (file >= 0) {
        close(file);
    }
    if (size < 0) {
        return refuse(path, sower_directory_error(error), problem);
    }
    /* An empty file becomes a ledger. */
    return size == 0 || strcmp(beginning, "SQLite format 3") == 0 || refuse(path, guess(beginning), problem);
}

static bool check_kind(const char *path, const struct stat *status, struct sower_problem *problem)
{
    return S_ISREG(status->st_mode) ||
           refuse(path,
                  S_ISDIR(status->st_mode) ? "it is a directory; name a file in it" : "it is not a file",
                  problem);
}

static bool check_writable(const char *path, const struct stat *status, struct sower_problem *problem)
{
    char why[160];
    if (access(path, W_OK) == 0) {
        return true;
    }
    if (errno != EACCES) {
        return refuse(path, sower_directory_error(errno), problem);
    }
    snprintf(why, sizeof why,
             "the file belongs to user %ju (mode %04o), and sowerd, as user %ju, may not write it",
             (uintmax_t)status->st_uid, (unsigned)status->st_mode & 07777U, (uintmax_t)geteuid());
    return refuse(path, why, problem);
}

/* SQLite creates two more files beside the database. */
static bool check_directory(const char *path, struct sower_problem *problem)
{
    char directory[PATH_MAX], why[PATH_MAX + 128];
    const char *slash = strrchr(path, '/');
    snprintf(directory, sizeof directory, "%.*s",
             slash == NULL   ? 1
             : slash == path ? 1
                             : (int)(slash - path),
             slash == NULL ? "." : path);
    if (access(directory, W_OK | X_OK) == 0) {
        return true;
    }
    snprintf(why, sizeof why, "no file can be made in %s: %s", directory, sower_directory_error(errno));
    return refuse(path, why, problem);
}

bool sower_sqlite_file_check(const char *path, struct sower_problem *problem)
{
    struct stat status;
    if (stat(path, &status) == 0 &&
        !(check_kind(path, &status, problem) && check_writable(path, &status, problem) &&
          check_content(path, problem))) {
        return false;
    }
    return check_directory(path, problem);
}
