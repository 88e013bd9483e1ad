#include "store.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "ledger_sqlite.h"

struct sower_store *sower_store_open(const char *url, const char *state,
                                     const uint8_t writer[SOWER_WRITER_SIZE], struct sower_problem *problem)
{
    static const char scheme[] = "sqlite:";
    const size_t scheme_length = sizeof scheme - 1;
    if (strncmp(url, scheme, scheme_length) != 0) {
        sower_problem_set(problem, SOWER_PROBLEM_INVALID, "--ledger",
                          "The ledger %s is of a kind that this sowerd does not know; it knows sqlite:PATH.",
                          url);
        return NULL;
    }
    char path[PATH_MAX];
    const char *named = url + scheme_length;
    int length = named[0] != '\0' ? snprintf(path, sizeof path, "%s", named)
                                  : snprintf(path, sizeof path, "%s/ledger.sqlite", state);
    if (length < 0 || (size_t)length >= sizeof path) {
        sower_problem_set(problem, SOWER_PROBLEM_INVALID, "--ledger", "The ledger's path is too long.");
        return NULL;
    }
    return sower_ledger_sqlite_open(path, writer, problem);
}
