#include "server/ledger/opening.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "server/base/private_file.h"
#include "server/ledger/postgres/store.h"
#include "server/ledger/sqlite/store.h"

static bool has_scheme(const char *url, const char *scheme)
{
    return strncmp(url, scheme, strlen(scheme)) == 0;
}

/* The database file, and the two files beside it while a daemon runs or after it was killed. */
static void make_private(const char *path, const struct sower_log *log)
{
    static const char *const ends[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        char file[PATH_MAX + 8];
        snprintf(file, sizeof file, "%s%s", path, ends[i]);
        sower_private_file(file, log);
    }
}

static struct sower_store *open_sqlite(const char *named, const char *state,
                                       const uint8_t writer[SOWER_WRITER_SIZE], const struct sower_log *log,
                                       struct sower_problem *problem)
{
    char path[PATH_MAX];
    int length = named[0] != '\0' ? snprintf(path, sizeof path, "%s", named)
                                  : snprintf(path, sizeof path, "%s/ledger.sqlite", state);
    if (length < 0 || (size_t)length >= sizeof path) {
        sower_problem_set(problem, SOWER_PROBLEM_INVALID, "--ledger", "The ledger's path is too long.");
        return NULL;
    }
    struct sower_store *store = sower_ledger_sqlite_open(path, writer, log, problem);
    if (store != NULL) { /* not before: a file that is not a ledger stays as it is */
        make_private(path, log);
    }
    return store;
}

struct sower_store *sower_store_open(const char *url, const char *state,
                                     const uint8_t writer[SOWER_WRITER_SIZE], const struct sower_log *log,
                                     struct sower_problem *problem)
{
    static const char sqlite[] = "sqlite:";
    if (has_scheme(url, sqlite)) {
        return open_sqlite(url + sizeof sqlite - 1, state, writer, log, problem);
    }
    if (has_scheme(url, "postgresql://") || has_scheme(url, "postgres://")) {
        return sower_ledger_postgres_open(url, writer, problem);
    }
    /* Quote only the scheme: the rest may contain a password. */
    sower_problem_set(problem, SOWER_PROBLEM_INVALID, "--ledger",
                      "The ledger's URL begins with \"%.*s\", which this sowerd does not know; use "
                      "sqlite:PATH or postgresql://USER@HOST/DATABASE.",
                      (int)strcspn(url, ":/@"), url);
    return NULL;
}
