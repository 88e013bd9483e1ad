/* The schema of a ledger on SQLite, and the way to it from older ones.
 *
 * Its version stands in `PRAGMA user_version`. A file of an older version is brought to this one when it is
 * opened, in one transaction; a file of a newer version, or of another program, is refused. */
#ifndef SOWER_SERVER_LEDGER_SQLITE_SCHEMA_H
#define SOWER_SERVER_LEDGER_SQLITE_SCHEMA_H

#include <stdbool.h>
#include <stdint.h>

#include <sqlite3.h>

#include "core/problem.h"
#include "proto/chain.h"
#include "server/base/log.h"

/* Makes the schema in an empty database, or brings it to the version of today. Lines that were written
 * before there were chains are linked to the chain of `writer`; `log`, if it is not NULL, says so first, as
 * it takes long. `path` is for what is said when it fails. */
bool sower_sqlite_schema_check(sqlite3 *database, const char *path, const uint8_t writer[SOWER_WRITER_SIZE],
                               const struct sower_log *log, struct sower_problem *problem);

#endif
