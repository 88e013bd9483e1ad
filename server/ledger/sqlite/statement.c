#include "server/ledger/sqlite/statement.h"

#include <string.h>

bool sower_sqlite_refuse(sqlite3 *database, const char *path, struct sower_problem *problem)
{
    int reason = database == NULL ? 0 : sqlite3_system_errno(database);
    return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "--ledger",
                             "The ledger %s cannot be opened: %s%s%s.", path,
                             database == NULL ? "out of memory" : sqlite3_errmsg(database),
                             reason == 0 ? "" : ": ", reason == 0 ? "" : strerror(reason));
}

bool sower_sqlite_fail_as(int code, struct sower_problem *problem)
{
    if (code == SQLITE_NOMEM || code == SQLITE_IOERR_NOMEM) {
        return sower_problem_memory(problem);
    }
    return sower_problem_set(problem, SOWER_PROBLEM_UNAVAILABLE, "", "The ledger cannot be used now: %s.",
                             sqlite3_errstr(code));
}

bool sower_sqlite_fail(sqlite3 *database, struct sower_problem *problem)
{
    return sower_sqlite_fail_as(sqlite3_extended_errcode(database), problem);
}

bool sower_sqlite_prepare(sqlite3 *database, const char *const *texts, size_t count,
                          sqlite3_stmt **statements)
{
    for (size_t i = 0; i < count; i++) {
        if (sqlite3_prepare_v3(database, texts[i], -1, SQLITE_PREPARE_PERSISTENT, &statements[i], NULL) !=
            SQLITE_OK) {
            return false;
        }
    }
    return true;
}

bool sower_sqlite_bind_bytes(sqlite3_stmt *statement, int column, const uint8_t bytes[32])
{
    return sqlite3_bind_blob(statement, column, bytes, 32, SQLITE_STATIC) == SQLITE_OK;
}

bool sower_sqlite_bind_text(sqlite3_stmt *statement, int column, const char *text)
{
    return sqlite3_bind_text(statement, column, text, -1, SQLITE_STATIC) == SQLITE_OK;
}

bool sower_sqlite_bind_number(sqlite3_stmt *statement, int column, uint64_t number)
{
    return sqlite3_bind_int64(statement, column, (int64_t)number) == SQLITE_OK;
}

void sower_sqlite_read_bytes(sqlite3_stmt *statement, int column, uint8_t bytes[32])
{
    const void *blob = sqlite3_column_blob(statement, column);
    memset(bytes, 0, 32);
    if (blob != NULL && sqlite3_column_bytes(statement, column) == 32) {
        memcpy(bytes, blob, 32);
    }
}

void sower_sqlite_read_text(sqlite3_stmt *statement, int column, char *text, size_t size)
{
    const unsigned char *stored = sqlite3_column_text(statement, column);
    size_t length = stored == NULL ? 0 : (size_t)sqlite3_column_bytes(statement, column);
    if (length >= size) {
        length = size - 1;
    }
    if (length > 0) {
        memcpy(text, stored, length);
    }
    text[length] = '\0';
}

uint64_t sower_sqlite_read_number(sqlite3_stmt *statement, int column)
{
    return (uint64_t)sqlite3_column_int64(statement, column);
}

bool sower_sqlite_has_memory(sqlite3_stmt *statement)
{
    return sqlite3_errcode(sqlite3_db_handle(statement)) != SQLITE_NOMEM;
}

void sower_sqlite_finish(sqlite3_stmt *statement)
{
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
}

bool sower_sqlite_run(sqlite3_stmt *statement)
{
    bool done = sqlite3_step(statement) == SQLITE_DONE;
    sower_sqlite_finish(statement);
    return done;
}

bool sower_sqlite_seek(sqlite3_stmt *statement, bool *found)
{
    int code = sqlite3_step(statement);
    *found = code == SQLITE_ROW;
    return *found || code == SQLITE_DONE;
}
