#include "client/sow/ledger/pages.h"

#include <stdio.h>
#include <string.h>

enum {
    STEPS = 20000,      /* instructions of SQLite's virtual machine between two updates of the progress */
    STEPS_PER_LINE = 70 /* measured with a ledger of draws */
};

struct check {
    struct progress *progress;
    uint64_t stop, steps, expected;
};

static int show(void *context)
{
    struct check *check = context;
    check->steps += STEPS;
    double part = (double)check->steps / (double)check->expected;
    progress_update(check->progress, (uint64_t)((double)check->stop * (part < 1 ? part : 1)));
    return 0;
}

/* Copies the first fault, without the line before it, which names the database. */
static void copy_finding(const char *text, char finding[PAGES_SIZE])
{
    const char *line = strncmp(text, "***", 3) == 0 ? strchr(text, '\n') : NULL;
    line = line == NULL ? text : line + 1;
    snprintf(finding, PAGES_SIZE, "%.*s", (int)strcspn(line, "\n"), line);
}

int pages_check(sqlite3 *database, uint64_t lines, struct progress *progress, uint64_t stop,
                char finding[PAGES_SIZE])
{
    struct check check = {.progress = progress, .stop = stop, .expected = STEPS_PER_LINE * (lines + 1)};
    sqlite3_stmt *statement = NULL;
    sqlite3_progress_handler(database, STEPS, show, &check);
    int step = sqlite3_prepare_v2(database, "PRAGMA integrity_check(1)", -1, &statement, NULL);
    if (step == SQLITE_OK && (step = sqlite3_step(statement)) == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(statement, 0);
        step = text == NULL ? SQLITE_NOMEM : strcmp(text, "ok") == 0 ? SQLITE_DONE : SQLITE_ROW;
        if (step == SQLITE_ROW) {
            copy_finding(text, finding);
        }
    }
    sqlite3_finalize(statement);
    sqlite3_progress_handler(database, 0, NULL, NULL);
    return step;
}
