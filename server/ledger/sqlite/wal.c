#include "server/ledger/sqlite/wal.h"

#include <stdlib.h>

#include "server/ledger/sqlite/statement.h"

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

uint64_t sower_sqlite_wal_size(sqlite3 *database)
{
    sqlite3_file *log = log_of(database);
    sqlite3_int64 size;
    return log != NULL && log->pMethods->xFileSize(log, &size) == SQLITE_OK && size > 0 ? (uint64_t)size : 0;
}

/* The first checkpoint copies as much as the readers allow, and does not disturb them. New readers then read from the
 * database, so that the second one can empty the log as soon as the old ones have ended. */
bool sower_sqlite_wal_empty(sqlite3 *database)
{
    (void)sqlite3_busy_timeout(database, 0);
    bool done =
        sqlite3_wal_checkpoint_v2(database, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL) == SQLITE_OK &&
        sqlite3_wal_checkpoint_v2(database, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL) == SQLITE_OK;
    (void)sqlite3_busy_timeout(database, SOWER_SQLITE_BUSY_MILLISECONDS);
    return done;
}
