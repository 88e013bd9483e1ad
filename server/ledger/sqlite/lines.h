/* The lines of a SQLite ledger: the rows that a write looks up and adds.
 *
 * Four tables. `line` has a row for each line. `experiment` and `trial` have totals, so that a page of experiments
 * or trials does not have to count millions of lines. `writer` has the heads of the chains. A row of `line` refers
 * to its experiment and writer by number.
 *
 * A draw is found by its seed and its id; the index has the first eight bytes of each. Every draw of one name has
 * the same seed, so the same index shows whether a new draw drifts from an earlier one. The other indexes are for
 * pages (reader.c): one for each kind of page, so that no kind becomes slower as the ledger grows.
 *
 * The transactions themselves are in writer.c. */
#ifndef SOWER_SERVER_LEDGER_SQLITE_LINES_H
#define SOWER_SERVER_LEDGER_SQLITE_LINES_H

#include <stdbool.h>
#include <stdint.h>

#include <sqlite3.h>

#include "core/attributes.h"
#include "server/ledger/append.h"
#include "server/ledger/store.h"

/* The index by which a draw is found by its id alone. Ledgers that were written before it was needed do not have it. */
#define SOWER_SQLITE_LINES_INDEX "CREATE INDEX line_id ON line (draw_key) WHERE draw_key IS NOT NULL;"

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
    "CREATE INDEX line_draw ON line (seed_key, draw_key) WHERE seed_key IS NOT "                             \
    "NULL;" SOWER_SQLITE_LINES_INDEX "CREATE INDEX line_experiment ON line (experiment);"                    \
    "CREATE INDEX line_trial ON line (experiment, trial);"                                                   \
    "CREATE INDEX line_name ON line (experiment, name) WHERE name IS NOT NULL;"                              \
    "CREATE INDEX line_manifest ON line (substr(manifest, 1, 8)) WHERE manifest IS NOT NULL;"                \
    "CREATE INDEX line_model ON line (experiment, substr(manifest, 1, 8)) WHERE manifest IS NOT NULL;"       \
    "CREATE UNIQUE INDEX line_key ON line (experiment, key) WHERE key IS NOT NULL;"

enum { SOWER_SQLITE_LINES_STATEMENTS = 13 };

/* All zeros before sower_sqlite_lines_prepare. `append` and the members after it belong to one transaction. */
struct sower_sqlite_lines {
    sqlite3 *database;
    sqlite3_stmt *statements[SOWER_SQLITE_LINES_STATEMENTS];
    uint8_t writer[SOWER_WRITER_SIZE];
    uint64_t writer_id; /* 0: not known yet, or the writer has no row */
    struct sower_append append;
    struct sower_experiment experiment; /* the current experiment; id 0: none */
    struct sower_trial trial;           /* its current trial; draws 0: none */
    bool experiment_changed, trial_changed;
};

SOWER_MUST_USE bool sower_sqlite_lines_prepare(struct sower_sqlite_lines *lines, sqlite3 *database,
                                               const uint8_t writer[SOWER_WRITER_SIZE]);
void sower_sqlite_lines_close(struct sower_sqlite_lines *lines);

/* Call it at the beginning of a transaction that only reads. */
void sower_sqlite_lines_forget(struct sower_sqlite_lines *lines);

/* Call these at the beginning of a transaction that writes, and at its end before the commit. */
SOWER_MUST_USE bool sower_sqlite_lines_begin(struct sower_sqlite_lines *lines, struct sower_problem *problem);
SOWER_MUST_USE bool sower_sqlite_lines_end(struct sower_sqlite_lines *lines, struct sower_problem *problem);

/* The first eight bytes as a little-endian two's-complement integer: the value for seed_key and draw_key. */
int64_t sower_sqlite_lines_key(const uint8_t bytes[32]);

/* Sets the outcome of a draw (store.h). */
SOWER_MUST_USE bool sower_sqlite_lines_find(struct sower_sqlite_lines *lines, struct sower_store_draw *draw,
                                            struct sower_problem *problem);

/* Makes this experiment the current one. If it has no row: creates the row if `make`, else its id is 0. */
SOWER_MUST_USE bool sower_sqlite_lines_experiment(struct sower_sqlite_lines *lines,
                                                  const struct sower_seed *root_id, const char *name,
                                                  bool make, struct sower_problem *problem);

/* Sets the outcome of a request for trial numbers whose key has been used, else NONE (store.h). */
SOWER_MUST_USE bool sower_sqlite_lines_find_trials(struct sower_sqlite_lines *lines,
                                                   struct sower_store_trials *request,
                                                   struct sower_problem *problem);

/* Adds a line, sets its number and place, and counts it in its experiment, which becomes the current one. */
SOWER_MUST_USE bool sower_sqlite_lines_add(struct sower_sqlite_lines *lines, struct sower_record *record,
                                           struct sower_problem *problem);

#endif
