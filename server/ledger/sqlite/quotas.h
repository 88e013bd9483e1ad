/* The rows of quotas in a SQLite ledger (server/ledger/quotas.h). */
#ifndef SOWER_SERVER_LEDGER_SQLITE_QUOTAS_H
#define SOWER_SERVER_LEDGER_SQLITE_QUOTAS_H

#include <stdbool.h>
#include <stdint.h>

#include <sqlite3.h>

#include "core/attributes.h"
#include "core/problem.h"
#include "proto/record.h"
#include "server/ledger/quotas.h"

#define SOWER_SQLITE_QUOTAS_SCHEMA                                                                           \
    "CREATE TABLE quota (owner TEXT NOT NULL, writer BLOB NOT NULL, lines INTEGER NOT NULL,"                 \
    " promised INTEGER NOT NULL, PRIMARY KEY (owner, writer)) STRICT, WITHOUT ROWID;"

enum { SOWER_SQLITE_QUOTAS_STATEMENTS = 2 };

/* All zeros before sower_sqlite_quotas_prepare. */
struct sower_sqlite_quotas {
    sqlite3 *database;
    sqlite3_stmt *statements[SOWER_SQLITE_QUOTAS_STATEMENTS];
    uint8_t writer[SOWER_WRITER_SIZE];
    struct sower_quotas *quotas;
};

/* Prepares, and takes back what the daemon promised before it was killed. False: the connection has the error. */
SOWER_MUST_USE bool sower_sqlite_quotas_prepare(struct sower_sqlite_quotas *rows, struct sower_quotas *quotas,
                                                sqlite3 *database, const uint8_t writer[SOWER_WRITER_SIZE]);
void sower_sqlite_quotas_close(struct sower_sqlite_quotas *rows);

/* Reads the count of an account's owner if it is needed and not known yet. `account` may be NULL. In a transaction. */
SOWER_MUST_USE bool sower_sqlite_quotas_find(struct sower_sqlite_quotas *rows,
                                             const struct sower_account *account,
                                             struct sower_problem *problem);

/* Writes the changed counts, before the commit. */
SOWER_MUST_USE bool sower_sqlite_quotas_end(struct sower_sqlite_quotas *rows, struct sower_problem *problem);

#endif
