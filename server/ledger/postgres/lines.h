/* The lines of a ledger on PostgreSQL: what writing looks up and adds.
 *
 * A transaction that writes costs two round trips: its beginning, which locks the ledger and reads where it
 * stands, travels with the first look-ups; the new lines, linked here, travel with its end. What is looked up
 * and added goes as arrays, one statement for up to SOWER_POSTGRES_CHUNK rows.
 *
 * The order is: begin, then find and add (for each chunk), then end, also after a failure; where nothing is
 * written, find alone. */
#ifndef SOWER_SERVER_LEDGER_POSTGRES_LINES_H
#define SOWER_SERVER_LEDGER_POSTGRES_LINES_H

#include <stdbool.h>
#include <stdint.h>

#include "server/ledger/append.h"
#include "server/ledger/postgres/columns.h"
#include "server/ledger/postgres/connection.h"
#include "server/ledger/store.h"

enum { SOWER_POSTGRES_CHUNK = 1024, SOWER_POSTGRES_SOUGHT = 4 };

/* All zeros before it is opened. */
struct sower_postgres_lines {
    struct sower_postgres postgres;
    uint8_t writer[SOWER_WRITER_SIZE];
    struct sower_append append;
    bool writing;         /* a transaction was begun */
    bool beginning;       /* its beginning is queued and not yet answered */
    bool changed;         /* something was added in it */
    int64_t refuse_until; /* none is begun before, on the monotonic clock */
    struct sower_problem refusal;
    struct sower_postgres_array sought[SOWER_POSTGRES_SOUGHT];
    struct sower_postgres_columns added;
    bool pinned[SOWER_POSTGRES_CHUNK]; /* the experiments of the draws at hand */
};

/* Connects; what is wrong is said by lines->postgres.cause. Closed in any case. */
bool sower_postgres_lines_open(struct sower_postgres_lines *lines, const char *url,
                               const uint8_t writer[SOWER_WRITER_SIZE]);
void sower_postgres_lines_close(struct sower_postgres_lines *lines);

/* Begins to write, with the next look-up. */
bool sower_postgres_lines_begin(struct sower_postgres_lines *lines, struct sower_problem *problem);

/* Sets the outcome of at most SOWER_POSTGRES_CHUNK draws (store.h). */
bool sower_postgres_lines_find(struct sower_postgres_lines *lines, struct sower_store_draw *const *draws,
                               size_t count, struct sower_problem *problem);

/* Adds those of the draws that were just found to be new; a draw that is twice among them is added once. */
bool sower_postgres_lines_add_draws(struct sower_postgres_lines *lines, struct sower_store_draw *const *draws,
                                    size_t count, struct sower_problem *problem);

/* Sets the outcome of each request for trials whose key is there, and NONE for another; given[i] is how many
 * numbers the i-th one's experiment has given out. */
bool sower_postgres_lines_find_trials(struct sower_postgres_lines *lines,
                                      struct sower_store_trials *const *requests, size_t count,
                                      uint64_t *given, struct sower_problem *problem);

/* The line that pinned an experiment; 0: it is not pinned. */
bool sower_postgres_lines_find_pin(struct sower_postgres_lines *lines, const struct sower_store_pin *pin,
                                   uint64_t *pinned, struct sower_problem *problem);

/* Whether a manifest is kept. */
bool sower_postgres_lines_find_manifest(struct sower_postgres_lines *lines, const uint8_t hash[32],
                                        bool *found, struct sower_problem *problem);

/* Adds a line, which gets its number and place. */
bool sower_postgres_lines_add(struct sower_postgres_lines *lines, struct sower_record *record,
                              struct sower_problem *problem);

/* Keeps a manifest; what stands in the model must stay until the end. */
void sower_postgres_lines_add_manifest(struct sower_postgres_lines *lines,
                                       const struct sower_store_model *model);

/* Ends what was begun: commits when all went well (`done`) and something was added, otherwise takes it back;
 * then it returns whether all went well. When the answer to a commit does not come, it is not known what
 * became of it: that is a failure, and the next look will tell. */
bool sower_postgres_lines_end(struct sower_postgres_lines *lines, bool done, struct sower_problem *problem);

/* A whole transaction that adds a line of this time, takes it back, and is as durable as any. The row that was
 * taken back stays in the table's file, as after every rollback, until autovacuum gives its place away. */
bool sower_postgres_lines_probe(struct sower_postgres_lines *lines, int64_t time,
                                struct sower_problem *problem);

#endif
