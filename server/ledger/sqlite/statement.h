/* Helpers for SQLite statements, shared by the reading and the writing side.
 *
 * Bound values are not copied (SQLITE_STATIC): they must exist until the statement is finished. */
#ifndef SOWER_SERVER_LEDGER_SQLITE_STATEMENT_H
#define SOWER_SERVER_LEDGER_SQLITE_STATEMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sqlite3.h>

#include "core/attributes.h"
#include "core/problem.h"

/* How long a connection waits for a lock of another process. */
enum { SOWER_SQLITE_BUSY_MILLISECONDS = 1000 };

/* Sets a problem: the database at `path` cannot be opened, with the error texts of SQLite and the system.
 * `database` NULL: out of memory. Returns false. */
bool sower_sqlite_refuse(sqlite3 *database, const char *path, struct sower_problem *problem);

/* Sets a problem: the ledger cannot be used now, with SQLite's text for the last error (these texts contain no
 * paths), or that memory ran out. Returns false. */
bool sower_sqlite_fail(sqlite3 *database, struct sower_problem *problem);

/* The same for a given SQLite result code. */
bool sower_sqlite_fail_as(int code, struct sower_problem *problem);

/* Prepares `count` statements for repeated use. False if one of them fails. */
SOWER_MUST_USE bool sower_sqlite_prepare(sqlite3 *database, const char *const *texts, size_t count,
                                         sqlite3_stmt **statements);

/* Parameters are counted from 1. False if memory runs out. */
SOWER_MUST_USE bool sower_sqlite_bind_bytes(sqlite3_stmt *statement, int column, const uint8_t bytes[32]);
SOWER_MUST_USE bool sower_sqlite_bind_text(sqlite3_stmt *statement, int column, const char *text);
SOWER_MUST_USE bool sower_sqlite_bind_number(sqlite3_stmt *statement, int column, uint64_t number);

/* Columns are counted from 0. All zeros if the value is not a blob of 32 bytes. */
void sower_sqlite_read_bytes(sqlite3_stmt *statement, int column, uint8_t bytes[32]);
/* Truncates a text that does not fit; always ends it with a NUL. */
void sower_sqlite_read_text(sqlite3_stmt *statement, int column, char *text, size_t size);
uint64_t sower_sqlite_read_number(sqlite3_stmt *statement, int column);

/* Whether SQLite had the memory for all columns that were read. It returns NULL for a column when memory runs out
 * and reports that only here. Call it before any other function of SQLite. */
SOWER_MUST_USE bool sower_sqlite_has_memory(sqlite3_stmt *statement);

/* Resets the statement for its next use and clears its parameters. */
void sower_sqlite_finish(sqlite3_stmt *statement);

/* Runs a statement that returns no rows, and finishes it. A caller may ignore a failed rollback. */
bool sower_sqlite_run(sqlite3_stmt *statement);

/* Steps to the next row. *found: there is one. The caller finishes the statement. */
SOWER_MUST_USE bool sower_sqlite_seek(sqlite3_stmt *statement, bool *found);

#endif
