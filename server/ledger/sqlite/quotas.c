#include "server/ledger/sqlite/quotas.h"

#include <string.h>

#include "proto/ledger_tables.h"
#include "server/ledger/sqlite/statement.h"

enum statement { FIND_QUOTA, WRITE_QUOTA, STATEMENT_COUNT };

_Static_assert((int)STATEMENT_COUNT == (int)SOWER_SQLITE_QUOTAS_STATEMENTS,
               "the header says how many there are");

static const char *const statement_text[STATEMENT_COUNT] = {
    /* Of this daemon's own promises memory has the newest state. */
    [FIND_QUOTA] = "SELECT coalesce(sum(lines + CASE WHEN writer = ?2 THEN 0 ELSE promised END), 0)"
                   " FROM quota WHERE owner = ?1",
    [WRITE_QUOTA] = "INSERT INTO quota (" SOWER_LEDGER_QUOTA_COLUMNS ") VALUES (?1, ?2, ?3, ?4)"
                    " ON CONFLICT DO UPDATE SET lines = lines + ?3, promised = ?4",
};

static bool take_back(struct sower_sqlite_quotas *rows)
{
    sqlite3_stmt *statement;
    if (sqlite3_prepare_v2(rows->database,
                           "UPDATE quota SET promised = 0 WHERE writer = ?1 AND promised <> 0", -1,
                           &statement, NULL) != SQLITE_OK) {
        return false;
    }
    bool done = sower_sqlite_bind_bytes(statement, 1, rows->writer) && sqlite3_step(statement) == SQLITE_DONE;
    sqlite3_finalize(statement);
    return done;
}

bool sower_sqlite_quotas_prepare(struct sower_sqlite_quotas *rows, struct sower_quotas *quotas,
                                 sqlite3 *database, const uint8_t writer[SOWER_WRITER_SIZE])
{
    rows->database = database;
    rows->quotas = quotas;
    memcpy(rows->writer, writer, sizeof rows->writer);
    return sower_sqlite_prepare(database, statement_text, STATEMENT_COUNT, rows->statements) &&
           take_back(rows);
}

void sower_sqlite_quotas_close(struct sower_sqlite_quotas *rows)
{
    for (size_t i = 0; i < STATEMENT_COUNT; i++) {
        sqlite3_finalize(rows->statements[i]);
    }
}

static bool finish(struct sower_sqlite_quotas *rows, enum statement which, bool done,
                   struct sower_problem *problem)
{
    done = (done && sower_sqlite_has_memory(rows->statements[which])) ||
           sower_sqlite_fail(rows->database, problem);
    sower_sqlite_finish(rows->statements[which]);
    return done;
}

bool sower_sqlite_quotas_find(struct sower_sqlite_quotas *rows, const struct sower_account *account,
                              struct sower_problem *problem)
{
    struct sower_quota *quota = sower_quotas_find(rows->quotas, account);
    sqlite3_stmt *statement = rows->statements[FIND_QUOTA];
    bool found = false;
    if (!sower_quota_needs_reading(quota)) {
        return true;
    }
    bool done = sower_sqlite_bind_text(statement, 1, quota->owner) &&
                sower_sqlite_bind_bytes(statement, 2, rows->writer) && sower_sqlite_seek(statement, &found);
    quota->used = found ? sower_sqlite_read_number(statement, 0) : 0;
    quota->read = done && found;
    return finish(rows, FIND_QUOTA, done, problem);
}

static bool write_quota(struct sower_sqlite_quotas *rows, const struct sower_quota *quota,
                        struct sower_problem *problem)
{
    sqlite3_stmt *statement = rows->statements[WRITE_QUOTA];
    const uint64_t promised = sower_quotas_promised(rows->quotas, quota->owner);
    return finish(rows, WRITE_QUOTA,
                  sower_sqlite_bind_text(statement, 1, quota->owner) &&
                      sower_sqlite_bind_bytes(statement, 2, rows->writer) &&
                      sower_sqlite_bind_number(statement, 3, quota->added) &&
                      sower_sqlite_bind_number(statement, 4, promised) &&
                      sqlite3_step(statement) == SQLITE_DONE,
                  problem);
}

bool sower_sqlite_quotas_end(struct sower_sqlite_quotas *rows, struct sower_problem *problem)
{
    struct sower_quotas *quotas = rows->quotas;
    bool done = true;
    sower_quotas_add_stale(quotas);
    for (size_t i = 0; i < quotas->count && done; i++) {
        done = !quotas->list[i].changed || write_quota(rows, &quotas->list[i], problem);
    }
    return done;
}
