/* The reading side of a SQLite ledger.
 *
 * All threads share one connection, under a lock that a thread holds for one page. The methods are described in
 * store.h. */
#ifndef SOWER_SERVER_LEDGER_SQLITE_READER_H
#define SOWER_SERVER_LEDGER_SQLITE_READER_H

#include <pthread.h>
#include <stdbool.h>

#include <sqlite3.h>

#include "core/attributes.h"
#include "server/ledger/store.h"

enum { SOWER_SQLITE_READER_STATEMENTS = 8 };

struct sower_sqlite_reader {
    struct sower_store_reader reader; /* comes first: the methods cast */
    sqlite3 *database;
    pthread_mutex_t lock; /* guards the connection and its statements */
    sqlite3_stmt *statements[SOWER_SQLITE_READER_STATEMENTS];
    uint8_t writer[SOWER_WRITER_SIZE]; /* this daemon's key */
};

/* Takes over the connection; *reader is all zeros before. False: the connection has the error. Call
 * sower_sqlite_reader_close in either case. */
SOWER_MUST_USE bool sower_sqlite_reader_prepare(struct sower_sqlite_reader *reader, sqlite3 *database,
                                                const uint8_t writer[SOWER_WRITER_SIZE]);
void sower_sqlite_reader_close(struct sower_sqlite_reader *reader);

#endif
