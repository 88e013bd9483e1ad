/* The writing side of a SQLite ledger: its transactions. The rows that they look up and add are in lines.h. */
#ifndef SOWER_SERVER_LEDGER_SQLITE_WRITER_H
#define SOWER_SERVER_LEDGER_SQLITE_WRITER_H

#include <stdbool.h>
#include <stdint.h>

#include <sqlite3.h>

#include "core/attributes.h"
#include "server/ledger/sqlite/lines.h"
#include "server/ledger/sqlite/quotas.h"
#include "server/ledger/store.h"

enum { SOWER_SQLITE_WRITER_STATEMENTS = 7 };

/* All zeros before sower_sqlite_writer_prepare. */
struct sower_sqlite_writer {
    struct sower_store_writer writer; /* comes first: the methods cast */
    sqlite3 *database;                /* the store closes it */
    sqlite3_stmt *statements[SOWER_SQLITE_WRITER_STATEMENTS];
    struct sower_sqlite_lines lines;
    struct sower_sqlite_quotas quotas;
};

/* Prepares for the daemon with this key. The schema must be current. False if a statement cannot be prepared; the
 * connection has the error. Call sower_sqlite_writer_close in either case. */
SOWER_MUST_USE bool sower_sqlite_writer_prepare(struct sower_sqlite_writer *writer, sqlite3 *database,
                                                const uint8_t key[SOWER_WRITER_SIZE]);
void sower_sqlite_writer_close(struct sower_sqlite_writer *writer);

#endif
