/* A connection to PostgreSQL: statements that are sent together, and results within a bounded time.
 *
 * Statements are queued and sent together (libpq's pipeline mode), and their results arrive together. So a
 * transaction of many statements costs only a few round trips. An exchange without a result after some seconds has
 * failed. A lost connection is opened again when it is next needed. If that fails only after some time, the next
 * attempt is not made before the same time has passed, so that many waiting requests do not each wait that long.
 *
 * After a failure, `cause` has the reason, without addresses, paths and passwords. */
#ifndef SOWER_SERVER_LEDGER_POSTGRES_CONNECTION_H
#define SOWER_SERVER_LEDGER_POSTGRES_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <postgresql/libpq-fe.h>

#include "core/attributes.h"
#include "core/problem.h"
#include "server/ledger/postgres/values.h"

enum { SOWER_POSTGRES_QUEUE = 16, SOWER_POSTGRES_CAUSE_SIZE = 320 };

struct sower_postgres {
    PGconn *connection; /* NULL: not connected */
    char *url;
    const char *const *statements; /* prepared on every connection; their names are their numbers */
    size_t statement_count;
    size_t queued;
    bool failed;           /* a statement could not be queued */
    int64_t limit;         /* milliseconds that an exchange may take; 0: the usual limit */
    int64_t refuse_until;  /* no attempt to connect before this time (sower_clock_milliseconds) */
    _Atomic int64_t until; /* no waiting for results after this time (same clock); 0: no such limit */
    char cause[SOWER_POSTGRES_CAUSE_SIZE];
};

/* The results of the queued statements, in the same order. */
struct sower_postgres_results {
    size_t count;
    PGresult *items[SOWER_POSTGRES_QUEUE];
};

/* Connects for the first time. `cause` may have the server's address in this case, because only the person who
 * starts the daemon reads it. Call sower_postgres_close also after a failure. */
SOWER_MUST_USE bool sower_postgres_open(struct sower_postgres *postgres, const char *url,
                                        const char *const *statements, size_t count);
void sower_postgres_close(struct sower_postgres *postgres);

/* Call it before the first statement of a transaction. Connects again if the connection was lost. */
SOWER_MUST_USE bool sower_postgres_ready(struct sower_postgres *postgres);

/* Queues a prepared statement, or a statement as text. `values` NULL: no parameters. */
void sower_postgres_queue(struct sower_postgres *postgres, size_t statement,
                          const struct sower_postgres_values *values);
void sower_postgres_queue_text(struct sower_postgres *postgres, const char *text,
                               const struct sower_postgres_values *values);

/* Sends the queued statements and waits for their results. False if a statement failed (the later ones had no
 * effect then) or no result arrived (the connection is closed then). The caller clears the results after true. */
SOWER_MUST_USE bool sower_postgres_exchange(struct sower_postgres *postgres,
                                            struct sower_postgres_results *results);
void sower_postgres_clear(struct sower_postgres_results *results);

/* The same, without the results. */
SOWER_MUST_USE bool sower_postgres_run(struct sower_postgres *postgres);

/* Rolls back the transaction, if there is one. */
void sower_postgres_roll_back(struct sower_postgres *postgres);

/* From now on waits at most one more second for results, and does not connect. Any thread may call it while
 * another one waits. */
void sower_postgres_hurry(struct sower_postgres *postgres);

/* Sets a problem with the cause, for clients. Returns false. */
bool sower_postgres_fail(const struct sower_postgres *postgres, struct sower_problem *problem);

#endif
