#include "server/ledger/opening.h"

#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/private_file.h"
#include "server/ledger/postgres/needs.h"
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

static const char sqlite[] = "sqlite:";

static bool sqlite_path(const char *named, const char *state, char path[PATH_MAX])
{
    int length = named[0] != '\0' ? snprintf(path, PATH_MAX, "%s", named)
                                  : snprintf(path, PATH_MAX, "%s/ledger.sqlite", state);
    return length >= 0 && length < PATH_MAX;
}

static struct sower_store *open_sqlite(const char *named, const char *state,
                                       const uint8_t writer[SOWER_WRITER_SIZE], const struct sower_log *log,
                                       struct sower_problem *problem)
{
    char path[PATH_MAX];
    if (!sqlite_path(named, state, path)) {
        sower_problem_set(problem, SOWER_PROBLEM_INVALID, "--ledger", "The ledger's path is too long.");
        return NULL;
    }
    struct sower_store *store = sower_ledger_sqlite_open(path, writer, log, problem);
    if (store != NULL) { /* not before: a file that is not a ledger stays as it is */
        make_private(path, log);
    }
    return store;
}

static bool is_postgres(const char *url)
{
    return has_scheme(url, "postgresql://") || has_scheme(url, "postgres://");
}

struct sower_store *sower_store_open(const char *url, const char *state,
                                     const uint8_t writer[SOWER_WRITER_SIZE], const struct sower_log *log,
                                     struct sower_problem *problem)
{
    if (has_scheme(url, sqlite)) {
        return open_sqlite(url + sizeof sqlite - 1, state, writer, log, problem);
    }
    if (is_postgres(url)) {
        return sower_ledger_postgres_open(url, writer, problem);
    }
    /* Quote only the scheme: the rest may contain a password. */
    sower_problem_set(problem, SOWER_PROBLEM_INVALID, "--ledger",
                      "The ledger's URL begins with \"%.*s\", which this sowerd does not know; use "
                      "sqlite:PATH or postgresql://USER@HOST/DATABASE.",
                      (int)strcspn(url, ":/@"), url);
    return NULL;
}

static void list_sqlite(const char *path, struct sower_sandbox *sandbox)
{
    char directory[PATH_MAX];
    snprintf(directory, sizeof directory, "%s", path);
    sower_sandbox_list_beside(sandbox, path, SOWER_SANDBOX_WRITE);
    (void)setenv("SQLITE_TMPDIR", dirname(directory), 0);
    const char *temporary = getenv("SQLITE_TMPDIR"); /* NULL if memory has run out */
    if (temporary != NULL) {
        sower_sandbox_list(sandbox, temporary, SOWER_SANDBOX_WRITE);
    }
}

void sower_store_list_needs(const char *url, const char *state, struct sower_sandbox *sandbox)
{
    char path[PATH_MAX];
    if (is_postgres(url)) {
        sower_ledger_postgres_list_needs(url, sandbox);
    } else if (has_scheme(url, sqlite) && sqlite_path(url + sizeof sqlite - 1, state, path)) {
        list_sqlite(path, sandbox);
    }
}
