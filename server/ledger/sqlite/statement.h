/* Statements of SQLite: what all who read and write rows do with them.
 *
 * A value is used before its statement is finished, so nothing is copied on its way in (SQLITE_STATIC). */
#ifndef SOWER_SERVER_LEDGER_SQLITE_STATEMENT_H
#define SOWER_SERVER_LEDGER_SQLITE_STATEMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sqlite3.h>

#include "core/problem.h"

/* Refuses to open the database of that path, for what SQLite says of it, or NULL, and the system behind it.
 * Returns false. */
bool sower_sqlite_refuse(sqlite3 *database, const char *path, struct sower_problem *problem);

/* Says why the database failed, in SQLite's own words, which hold no paths, or that memory ran out; returns
 * false. */
bool sower_sqlite_fail(sqlite3 *database, struct sower_problem *problem);

/* The same for a code of SQLite's. */
bool sower_sqlite_fail_as(int code, struct sower_problem *problem);

/* Prepares `count` statements that stay; false when one of them cannot be. */
bool sower_sqlite_prepare(sqlite3 *database, const char *const *texts, size_t count,
                          sqlite3_stmt **statements);

bool sower_sqlite_bind_bytes(sqlite3_stmt *statement, int column, const uint8_t bytes[32]);
bool sower_sqlite_bind_text(sqlite3_stmt *statement, int column, const char *text);
bool sower_sqlite_bind_number(sqlite3_stmt *statement, int column, uint64_t number);

/* 32 bytes; zeros for anything else. */
void sower_sqlite_read_bytes(sqlite3_stmt *statement, int column, uint8_t bytes[32]);
/* What fits, and a NUL. */
void sower_sqlite_read_text(sqlite3_stmt *statement, int column, char *text, size_t size);
uint64_t sower_sqlite_read_number(sqlite3_stmt *statement, int column);

/* Whether all columns that were read of a row were there: SQLite gives NULL for one that it has no memory
 * for, and says so only when asked. To be asked before any other call. */
bool sower_sqlite_has_memory(sqlite3_stmt *statement);

/* Makes the statement ready for its next use, without what was bound. */
void sower_sqlite_finish(sqlite3_stmt *statement);

/* Runs a statement that gives no row, and finishes it. */
bool sower_sqlite_run(sqlite3_stmt *statement);

/* Runs a statement that gives one row or none, up to there; *found tells which. */
bool sower_sqlite_seek(sqlite3_stmt *statement, bool *found);

#endif
