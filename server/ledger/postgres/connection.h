/* A connection to PostgreSQL: statements that travel together, and answers within a bounded time.
 *
 * Statements are queued and leave in one go (libpq's pipeline mode); their answers come back together, so
 * that a transaction of many statements costs a few round trips. An exchange that is not answered in some
 * seconds has failed. A connection that was lost is made anew when it is next needed; when that fails
 * after some time, it is not tried again for as long, so that many who wait are not each made to wait for it.
 *
 * After a failure `cause` says why, in words without addresses, paths and passwords. */
#ifndef SOWER_SERVER_LEDGER_POSTGRES_CONNECTION_H
#define SOWER_SERVER_LEDGER_POSTGRES_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <postgresql/libpq-fe.h>

#include "core/problem.h"
#include "server/ledger/postgres/values.h"

enum { SOWER_POSTGRES_QUEUE = 16, SOWER_POSTGRES_CAUSE_SIZE = 320 };

struct sower_postgres {
    PGconn *connection; /* NULL: none now */
    char *url;
    const char *const *statements; /* prepared on every connection, under their numbers */
    size_t statement_count;
    size_t queued;
    bool failed;           /* a statement could not be queued */
    int64_t refuse_until;  /* no new connection is tried before, on the monotonic clock */
    _Atomic int64_t until; /* no answer is waited for beyond, on the monotonic clock; 0: no such end */
    char cause[SOWER_POSTGRES_CAUSE_SIZE];
};

/* The answers to what was queued, in its order. */
struct sower_postgres_answers {
    size_t count;
    PGresult *results[SOWER_POSTGRES_QUEUE];
};

/* Connects for the first time; a `cause` may hold the server's address then, as it is for who starts the
 * daemon. Closed with sower_postgres_close, also after a failure. */
bool sower_postgres_open(struct sower_postgres *postgres, const char *url, const char *const *statements,
                         size_t count);
void sower_postgres_close(struct sower_postgres *postgres);

/* Before the first statement of a transaction: connects again if need be. */
bool sower_postgres_ready(struct sower_postgres *postgres);

/* Queues a prepared statement, or one that is given as text. NULL for `values`: there are none. */
void sower_postgres_queue(struct sower_postgres *postgres, size_t statement,
                          const struct sower_postgres_values *values);
void sower_postgres_queue_text(struct sower_postgres *postgres, const char *text,
                               const struct sower_postgres_values *values);

/* Sends what is queued and waits for the answers. False when one of the statements failed (those behind it
 * did nothing then), or no answer came: the connection is gone then. The answers are cleared by the caller
 * when it returned true. */
bool sower_postgres_exchange(struct sower_postgres *postgres, struct sower_postgres_answers *answers);
void sower_postgres_clear(struct sower_postgres_answers *answers);

/* The same where nobody reads the answers. */
bool sower_postgres_run(struct sower_postgres *postgres);

/* Takes back the transaction, if there is one. */
void sower_postgres_roll_back(struct sower_postgres *postgres);

/* No answer is waited for longer than a second from now on, and no connection is made; any thread may say so
 * while another one waits. */
void sower_postgres_hurry(struct sower_postgres *postgres);

/* Says the cause in a sentence for clients; returns false. */
bool sower_postgres_fail(const struct sower_postgres *postgres, struct sower_problem *problem);

#endif
