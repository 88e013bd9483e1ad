/* The lines of a PostgreSQL ledger: what a write looks up and adds.
 *
 * A write transaction costs two round trips. Its beginning, which locks the ledger and reads its state, is sent
 * with the first look-ups. The new lines, which are linked here, are sent with its end. Look-ups and new rows are
 * sent as arrays, one statement for up to SOWER_STORE_CHUNK rows.
 *
 * Call begin, then find and add for each chunk, then end, also after a failure. To read only, call find alone. */
#ifndef SOWER_SERVER_LEDGER_POSTGRES_LINES_H
#define SOWER_SERVER_LEDGER_POSTGRES_LINES_H

#include <stdbool.h>
#include <stdint.h>

#include "core/attributes.h"
#include "server/ledger/append.h"
#include "server/ledger/postgres/columns.h"
#include "server/ledger/postgres/connection.h"
#include "server/ledger/postgres/quotas.h"
#include "server/ledger/store.h"
#include "server/ledger/store_models.h"

enum { SOWER_POSTGRES_KEYS = 4 };

/* All zeros before sower_postgres_lines_open. */
struct sower_postgres_lines {
    struct sower_postgres postgres;
    uint8_t writer[SOWER_WRITER_SIZE];
    struct sower_append append;
    bool writing;         /* in a write transaction */
    bool beginning;       /* its beginning is queued; its results have not arrived */
    bool changed;         /* something was added in it */
    bool counts;          /* a look-up of counts is queued */
    int64_t refuse_until; /* no transaction before this time (sower_clock_milliseconds) */
    struct sower_problem refusal;
    struct sower_postgres_array keys[SOWER_POSTGRES_KEYS]; /* columns of a look-up */
    struct sower_postgres_columns added;
    struct sower_postgres_quotas quotas;
    bool pinned[SOWER_STORE_CHUNK]; /* whether the experiment of each current draw is pinned */
    struct {
        uint64_t bytes, ledger; /* the size, and the last line at that time */
        int64_t until;          /* measure again at this time (sower_clock_milliseconds) */
    } measured;
};

/* Connects. `quotas` is the writer's. False: lines->postgres.cause says why. Call sower_postgres_lines_close in either
 * case. */
SOWER_MUST_USE bool sower_postgres_lines_open(struct sower_postgres_lines *lines, const char *url,
                                              struct sower_quotas *quotas,
                                              const uint8_t writer[SOWER_WRITER_SIZE]);
void sower_postgres_lines_close(struct sower_postgres_lines *lines);

/* Begins a write transaction; it is sent with the next look-up. */
SOWER_MUST_USE bool sower_postgres_lines_begin(struct sower_postgres_lines *lines,
                                               struct sower_problem *problem);

/* Sets the outcome of at most SOWER_STORE_CHUNK draws (store.h). */
SOWER_MUST_USE bool sower_postgres_lines_find(struct sower_postgres_lines *lines,
                                              struct sower_store_draw *const *draws, size_t count,
                                              struct sower_problem *problem);

/* Adds the draws that the last find reported as new. A draw that is twice in the list is added once. */
SOWER_MUST_USE bool sower_postgres_lines_add_draws(struct sower_postgres_lines *lines,
                                                   struct sower_store_draw *const *draws, size_t count,
                                                   struct sower_problem *problem);

/* Sets the outcome of each request for trial numbers whose key has been used, else NONE. given[i] is how many
 * numbers the experiment of the i-th request has given out. */
SOWER_MUST_USE bool sower_postgres_lines_find_trials(struct sower_postgres_lines *lines,
                                                     struct sower_store_trials *const *requests, size_t count,
                                                     uint64_t *given, struct sower_problem *problem);

/* Sets *pinned to the line that pinned an experiment; 0: it is not pinned. */
SOWER_MUST_USE bool sower_postgres_lines_find_pin(struct sower_postgres_lines *lines,
                                                  const struct sower_store_pin *pin, uint64_t *pinned,
                                                  struct sower_problem *problem);

/* Reads the count of an account's owner, unless that is known or not needed. */
SOWER_MUST_USE bool sower_postgres_lines_find_quota(struct sower_postgres_lines *lines,
                                                    const struct sower_account *account,
                                                    struct sower_problem *problem);

/* Sets *found to whether the manifest is stored. */
SOWER_MUST_USE bool sower_postgres_lines_find_manifest(struct sower_postgres_lines *lines,
                                                       const uint8_t hash[32], bool *found,
                                                       struct sower_problem *problem);

/* Adds a line and sets its number and place. */
SOWER_MUST_USE bool sower_postgres_lines_add(struct sower_postgres_lines *lines, struct sower_record *record,
                                             struct sower_problem *problem);

/* Stores a model's manifest. The model must not change until sower_postgres_lines_end. */
void sower_postgres_lines_add_manifest(struct sower_postgres_lines *lines,
                                       const struct sower_store_model *model);

/* Ends the transaction. Commits if everything succeeded (`done`) and something was added; otherwise rolls back and
 * returns whether everything succeeded. If the result of a commit does not arrive, its outcome is unknown: the call
 * fails, and the next look-up shows the outcome. */
bool sower_postgres_lines_end(struct sower_postgres_lines *lines, bool done, struct sower_problem *problem);

/* Sets *bytes to the size of the tables. Asks the database every few seconds only. In between adds the
 * average size of a line for each new line, as far as this daemon has seen new lines. */
SOWER_MUST_USE bool sower_postgres_lines_measure(struct sower_postgres_lines *lines, uint64_t *bytes,
                                                 struct sower_problem *problem);

/* A whole transaction that adds a line with this time, removes it, and commits as durably as any other. The dead row
 * stays in the table's file, as after every rollback, until autovacuum frees its space. */
SOWER_MUST_USE bool sower_postgres_lines_probe(struct sower_postgres_lines *lines, int64_t time,
                                               struct sower_problem *problem);

#endif
