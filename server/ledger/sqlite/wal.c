#include "server/ledger/sqlite/wal.h"

#include <stdlib.h>

enum { BLOCK = 1 << 16 }; /* the largest page: SQLite never reads or writes more at once */

static bool rewrite_blocks(sqlite3_file *log, sqlite3_int64 size, unsigned char *block)
{
    for (sqlite3_int64 at = 0; at < size; at += BLOCK) {
        int count = size - at < BLOCK ? (int)(size - at) : BLOCK;
        if (log->pMethods->xRead(log, block, count, at) != SQLITE_OK ||
            log->pMethods->xWrite(log, block, count, at) != SQLITE_OK) {
            return false;
        }
    }
    return log->pMethods->xSync(log, SQLITE_SYNC_NORMAL) == SQLITE_OK;
}

/* The log's file, or NULL. */
static sqlite3_file *log_of(sqlite3 *database)
{
    sqlite3_file *log = NULL;
    bool found = sqlite3_file_control(database, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log) == SQLITE_OK &&
                 log != NULL && log->pMethods != NULL;
    return found ? log : NULL;
}

bool sower_sqlite_wal_rewrite(sqlite3 *database)
{
    sqlite3_file *log = log_of(database);
    sqlite3_int64 size;
    if (log == NULL || log->pMethods->xFileSize(log, &size) != SQLITE_OK) {
        return false;
    }
    if (size == 0) {
        return true;
    }
    unsigned char *block = malloc(BLOCK);
    bool done = block != NULL && rewrite_blocks(log, size, block);
    free(block);
    return done;
}

int sower_sqlite_wal_flush(sqlite3 *database)
{
    sqlite3_file *log = log_of(database);
    if (log == NULL) {
        return SQLITE_CANTOPEN;
    }
    int code = sqlite3_db_cacheflush(database);
    return code != SQLITE_OK ? code : log->pMethods->xSync(log, SQLITE_SYNC_NORMAL);
}
