/* The lines of a ledger on SQLite: the rows that writing looks up and adds.
 *
 * Four tables. `line` has a row for each line. `experiment` and `trial` count what was written under each of
 * them, so that a page of them is not counted from millions of lines. `writer` holds the heads of the chains.
 * A row of a line names its experiment and writer by number.
 *
 * A draw is found by its seed and its id, of which eight bytes each make the index: every draw of one name
 * has the same seed, so the same index tells whether a new draw drifts from an earlier one. Other indexes are
 * for pages (reader.c), one for each kind, so that none is slower in a long ledger.
 *
 * Here are no transactions; those are the writer's (writer.c). */
#ifndef SOWER_SERVER_LEDGER_SQLITE_LINES_H
#define SOWER_SERVER_LEDGER_SQLITE_LINES_H

#include <stdbool.h>
#include <stdint.h>

#include <sqlite3.h>

#include "server/ledger/append.h"
#include "server/ledger/store.h"

/* The tables. The expressions of the indexes must be written in the same way where they are to be used. Lines
 * that are the same in an index stand in it by their number, which is the order of a page. */
#define SOWER_SQLITE_LINES_SCHEMA                                                                            \
    "CREATE TABLE experiment (id INTEGER PRIMARY KEY, root BLOB NOT NULL, name TEXT NOT NULL,"               \
    " draws INTEGER NOT NULL, given INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,"        \
    " pinned INTEGER NOT NULL, UNIQUE (name, root)) STRICT;"                                                 \
    "CREATE TABLE trial (experiment INTEGER NOT NULL, trial INTEGER NOT NULL, draws INTEGER NOT NULL,"       \
    " first INTEGER NOT NULL, last INTEGER NOT NULL, PRIMARY KEY (experiment, trial)) STRICT, WITHOUT "      \
    "ROWID;"                                                                                                 \
    "CREATE TABLE writer (id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, sequence INTEGER NOT NULL,"      \
    " link BLOB NOT NULL, time INTEGER NOT NULL) STRICT;"                                                    \
    "CREATE TABLE line (ledger INTEGER PRIMARY KEY, time INTEGER NOT NULL, kind INTEGER NOT NULL,"           \
    " experiment INTEGER NOT NULL, trial INTEGER, count INTEGER, key TEXT, draw BLOB, seed BLOB,"            \
    " spec INTEGER, name TEXT, shape TEXT, dtype TEXT, init TEXT, layout TEXT, manifest BLOB, drift "        \
    "INTEGER,"                                                                                               \
    " writer INTEGER NOT NULL, sequence INTEGER NOT NULL, link BLOB NOT NULL, seed_key INTEGER,"             \
    " draw_key INTEGER) STRICT;"                                                                             \
    "CREATE INDEX line_draw ON line (seed_key, draw_key) WHERE seed_key IS NOT NULL;"                        \
    "CREATE INDEX line_experiment ON line (experiment);"                                                     \
    "CREATE INDEX line_trial ON line (experiment, trial);"                                                   \
    "CREATE INDEX line_name ON line (experiment, name) WHERE name IS NOT NULL;"                              \
    "CREATE INDEX line_manifest ON line (substr(manifest, 1, 8)) WHERE manifest IS NOT NULL;"                \
    "CREATE INDEX line_model ON line (experiment, substr(manifest, 1, 8)) WHERE manifest IS NOT NULL;"       \
    "CREATE UNIQUE INDEX line_key ON line (experiment, key) WHERE key IS NOT NULL;"

enum { SOWER_SQLITE_LINES_STATEMENTS = 12 };

/* All zeros before it is prepared. What stands behind the statements belongs to one transaction. */
struct sower_sqlite_lines {
    sqlite3 *database;
    sqlite3_stmt *statements[SOWER_SQLITE_LINES_STATEMENTS];
    uint8_t writer[SOWER_WRITER_SIZE];
    uint64_t writer_id; /* 0: it is not known yet, or has not written */
    struct sower_append append;
    struct sower_experiment experiment; /* the one at hand; id 0: none */
    struct sower_trial trial;           /* of it; draws 0: none */
    bool experiment_changed, trial_changed;
};

bool sower_sqlite_lines_prepare(struct sower_sqlite_lines *lines, sqlite3 *database,
                                const uint8_t writer[SOWER_WRITER_SIZE]);
void sower_sqlite_lines_close(struct sower_sqlite_lines *lines);

/* At the beginning of a transaction that only looks, before the first look. */
void sower_sqlite_lines_forget(struct sower_sqlite_lines *lines);

/* At the beginning of a transaction that writes, and at its end, before the commit. */
bool sower_sqlite_lines_begin(struct sower_sqlite_lines *lines, struct sower_problem *problem);
bool sower_sqlite_lines_end(struct sower_sqlite_lines *lines, struct sower_problem *problem);

/* The first eight bytes, as the columns seed_key and draw_key hold them: two's complement, the first byte the
 * lowest. */
int64_t sower_sqlite_lines_key(const uint8_t bytes[32]);

/* Sets the outcome of a draw (store.h). */
bool sower_sqlite_lines_find(struct sower_sqlite_lines *lines, struct sower_store_draw *draw,
                             struct sower_problem *problem);

/* Takes the experiment to hand, and makes its row if `make`; its id is 0 when there is none. */
bool sower_sqlite_lines_experiment(struct sower_sqlite_lines *lines, const struct sower_seed *root_id,
                                   const char *name, bool make, struct sower_problem *problem);

/* Sets the outcome of a request for trials whose key is there, and NONE for another (store.h). */
bool sower_sqlite_lines_find_trials(struct sower_sqlite_lines *lines, struct sower_store_trials *request,
                                    struct sower_problem *problem);

/* Adds a line, which gets its number and place, and counts it under its experiment, which stays at hand. */
bool sower_sqlite_lines_add(struct sower_sqlite_lines *lines, struct sower_record *record,
                            struct sower_problem *problem);

#endif
