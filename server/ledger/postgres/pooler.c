#include "server/ledger/postgres/pooler.h"

#include <stdio.h>

static const char process[] = "SELECT pg_backend_pid()::bigint";

/* Reads the id of the process that serves a connection now, after the statement `first` unless that is NULL. */
static bool ask(struct sower_postgres *postgres, const char *first, uint64_t *number)
{
    struct sower_postgres_results results;
    if (first != NULL) {
        sower_postgres_queue_text(postgres, first, NULL);
    }
    sower_postgres_queue_text(postgres, process, NULL);
    if (!sower_postgres_exchange(postgres, &results)) {
        return false;
    }
    *number = sower_postgres_read_number(results.items[results.count - 1], 0, 0);
    sower_postgres_clear(&results);
    return true;
}

/* Sets *keeps if this connection keeps its process while another connection is in a transaction. A pooler in
 * transaction mode gives that process to the other connection, or another process to this one. A pooler in
 * statement mode refuses the transaction. */
static bool keeps_process(struct sower_postgres *postgres, struct sower_postgres *other, uint64_t own,
                          bool *keeps)
{
    uint64_t others, now;
    bool begun = ask(other, "BEGIN", &others);
    *keeps = begun && others != own;
    if (begun && !*keeps) {
        return true;
    }
    bool results = ask(postgres, NULL, &now);
    *keeps = *keeps && results && now == own;
    return results;
}

static bool fail(struct sower_postgres *postgres, const char *cause)
{
    snprintf(postgres->cause, sizeof postgres->cause, "%s", cause);
    return false;
}

bool sower_postgres_pooler_check(struct sower_postgres *postgres)
{
    struct sower_postgres other;
    uint64_t own;
    bool keeps = false;
    if (!ask(postgres, NULL, &own)) {
        return false;
    }
    if ((uint64_t)PQbackendPID(postgres->connection) == own) {
        return true;
    }
    bool opened = sower_postgres_open(&other, postgres->url, NULL, 0) || fail(postgres, other.cause);
    bool done = opened && keeps_process(postgres, &other, own, &keeps);
    sower_postgres_close(&other); /* this ends its transaction */
    return done &&
           (keeps ||
            fail(postgres, "a pooler gives the daemon single transactions or statements, but the daemon "
                           "needs sessions: set pool_mode = session (pgbouncer), or use the URL of the "
                           "database itself"));
}
