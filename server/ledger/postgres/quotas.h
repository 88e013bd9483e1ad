/* The rows of quotas in a PostgreSQL ledger (server/ledger/quotas.h). The counts are looked up together with the draws, and
 * written together with the new lines, so they cost no round trip. */
#ifndef SOWER_SERVER_LEDGER_POSTGRES_QUOTAS_H
#define SOWER_SERVER_LEDGER_POSTGRES_QUOTAS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/attributes.h"
#include "proto/record.h"
#include "server/ledger/postgres/connection.h"
#include "server/ledger/quotas.h"

/* All zeros, but for `writer` and `quotas`, at first. */
struct sower_postgres_quotas {
    const uint8_t *writer; /* this daemon's key */
    struct sower_quotas *quotas;
    struct sower_postgres_array owners, lines, promised;
};

void sower_postgres_quotas_free(struct sower_postgres_quotas *rows);

/* Takes back what the daemon promised before it was killed. Queued alone, and sent. */
SOWER_MUST_USE bool sower_postgres_quotas_take_back(const struct sower_postgres_quotas *rows,
                                                    struct sower_postgres *postgres);

/* Queues a look-up of the counts that are needed and not known. Returns whether there are any. */
bool sower_postgres_quotas_queue_find(struct sower_postgres_quotas *rows, struct sower_postgres *postgres);
void sower_postgres_quotas_read(struct sower_postgres_quotas *rows, const PGresult *found);

/* Queues the changed counts, if there are any. */
void sower_postgres_quotas_queue_changes(struct sower_postgres_quotas *rows, struct sower_postgres *postgres);

#endif
