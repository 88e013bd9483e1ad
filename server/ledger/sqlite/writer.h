/* The writing side of a ledger on SQLite: its transactions. lines.h has the rows that a transaction looks up and adds. */
#ifndef SOWER_SERVER_LEDGER_SQLITE_WRITER_H
#define SOWER_SERVER_LEDGER_SQLITE_WRITER_H

#include <stdbool.h>
#include <stdint.h>

#include <sqlite3.h>

#include "server/ledger/sqlite/lines.h"
#include "server/ledger/store.h"

enum { SOWER_SQLITE_WRITER_STATEMENTS = 7 };

/* All zeros before it is prepared. */
struct sower_sqlite_writer {
    struct sower_store_writer writer; /* comes first: the methods cast */
    sqlite3 *database;                /* of the store, which closes it */
    sqlite3_stmt *statements[SOWER_SQLITE_WRITER_STATEMENTS];
    struct sower_sqlite_lines lines;
};

/* Prepares for the daemon of this key; the schema is the current one. False when a statement cannot be prepared; the connection has the
 * error. Closed with sower_sqlite_writer_close in either case. */
bool sower_sqlite_writer_prepare(struct sower_sqlite_writer *writer, sqlite3 *database,
                                 const uint8_t key[SOWER_WRITER_SIZE]);
void sower_sqlite_writer_close(struct sower_sqlite_writer *writer);

#endif
