/* Pages of a ledger on SQLite: what is asked of it, read page by page.
 *
 * One connection reads for everybody, under a lock that is held for one page. Each function does what the
 * method of the same name does (store.h). */
#ifndef SOWER_SERVER_LEDGER_SQLITE_READER_H
#define SOWER_SERVER_LEDGER_SQLITE_READER_H

#include <pthread.h>
#include <stdbool.h>

#include <sqlite3.h>

#include "server/ledger/store.h"

enum { SOWER_SQLITE_READER_STATEMENTS = 8 };

struct sower_sqlite_reader {
    struct sower_store_reader reader; /* comes first: the methods cast */
    sqlite3 *database;
    pthread_mutex_t lock; /* guards the connection and its statements */
    sqlite3_stmt *statements[SOWER_SQLITE_READER_STATEMENTS];
    uint8_t writer[SOWER_WRITER_SIZE]; /* the store's own */
};

/* Takes over the connection; the rest is all zeros before. Closed with sower_sqlite_reader_close, also after a
 * failure. */
bool sower_sqlite_reader_prepare(struct sower_sqlite_reader *reader, sqlite3 *database,
                                 const uint8_t writer[SOWER_WRITER_SIZE]);
void sower_sqlite_reader_close(struct sower_sqlite_reader *reader);

#endif
