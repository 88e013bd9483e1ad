/* Pages of a ledger on SQLite: what is asked of it, read page by page.
 *
 * One connection reads for everybody, under a lock that is held for one page. Each function does what the
 * method of the same name does (store.h). */
#ifndef SOWER_SERVER_LEDGER_SQLITE_PAGES_H
#define SOWER_SERVER_LEDGER_SQLITE_PAGES_H

#include <pthread.h>
#include <stdbool.h>

#include <sqlite3.h>

#include "server/ledger/store.h"

enum { SOWER_SQLITE_PAGES_STATEMENTS = 8 };

struct sower_sqlite_pages {
    sqlite3 *database;
    pthread_mutex_t lock; /* guards the connection and its statements */
    sqlite3_stmt *statements[SOWER_SQLITE_PAGES_STATEMENTS];
    uint8_t writer[SOWER_WRITER_SIZE]; /* the store's own */
};

/* Takes over the connection; the rest is all zeros before. Closed with sower_sqlite_pages_close, also after a
 * failure. */
bool sower_sqlite_pages_prepare(struct sower_sqlite_pages *pages, sqlite3 *database,
                                const uint8_t writer[SOWER_WRITER_SIZE]);
void sower_sqlite_pages_close(struct sower_sqlite_pages *pages);

bool sower_sqlite_pages_last(struct sower_sqlite_pages *pages, uint64_t *line, struct sower_problem *problem);
bool sower_sqlite_pages_page(struct sower_sqlite_pages *pages, const struct sower_page *page,
                             sower_visit_record *visit, void *context, struct sower_problem *problem);
bool sower_sqlite_pages_experiments(struct sower_sqlite_pages *pages, uint64_t before, size_t count,
                                    sower_visit_experiment *visit, void *context,
                                    struct sower_problem *problem);
bool sower_sqlite_pages_experiment(struct sower_sqlite_pages *pages, const struct sower_seed *root_id,
                                   const char *name, struct sower_experiment *experiment,
                                   struct sower_problem *problem);
bool sower_sqlite_pages_trials(struct sower_sqlite_pages *pages, uint64_t experiment, uint64_t from,
                               size_t count, sower_visit_trial *visit, void *context,
                               struct sower_problem *problem);
bool sower_sqlite_pages_heads(struct sower_sqlite_pages *pages, size_t count, uint64_t *lines,
                              sower_visit_link *visit, void *context, struct sower_problem *problem);
bool sower_sqlite_pages_manifest(struct sower_sqlite_pages *pages, const uint8_t hash[32], char **text,
                                 size_t *length, struct sower_problem *problem);

#endif
