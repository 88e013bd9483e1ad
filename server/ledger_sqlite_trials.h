/* Trial numbers on SQLite: the table `trial`, a row for each block of numbers that was given out.
 *
 * The numbers of a root and an experiment begin at 0 and have no gaps: a block begins where the last one
 * ends. The primary key lets no number begin two blocks, even for two daemons on one file. Here are no
 * transactions; those are the store's (ledger_sqlite.c). What returns false leaves SQLite's error in the
 * connection. */
#ifndef SOWER_SERVER_LEDGER_SQLITE_TRIALS_H
#define SOWER_SERVER_LEDGER_SQLITE_TRIALS_H

#include <stdbool.h>

#include <sqlite3.h>

#include "store.h"

#define SOWER_SQLITE_TRIALS_SCHEMA                                                                           \
    "CREATE TABLE trial (root BLOB NOT NULL, experiment TEXT NOT NULL, first INTEGER NOT NULL,"              \
    " count INTEGER NOT NULL, time INTEGER NOT NULL, key TEXT,"                                              \
    " PRIMARY KEY (root, experiment, first)) STRICT, WITHOUT ROWID;"                                         \
    "CREATE UNIQUE INDEX trial_key ON trial (root, experiment, key) WHERE key IS NOT NULL;"

struct sower_sqlite_trials {
    sqlite3_stmt *find_key, *find_last, *insert;
};

/* All zeros before; finalized with sower_sqlite_trials_close, also after a failure. */
bool sower_sqlite_trials_prepare(struct sower_sqlite_trials *trials, sqlite3 *writer);
void sower_sqlite_trials_close(struct sower_sqlite_trials *trials);

/* Sets the outcome to GIVEN or KEY_TAKEN when there is a block under the request's key, and to NONE when
 * there is none or no key. */
bool sower_sqlite_trials_find(struct sower_sqlite_trials *trials, struct sower_store_trials *request);

/* The same, and gives out a block when there is none. */
bool sower_sqlite_trials_give(struct sower_sqlite_trials *trials, struct sower_store_trials *request);

#endif
