/* The schema of a SQLite ledger, and the upgrade from older versions.
 *
 * `PRAGMA user_version` has the schema's version. Opening an older file upgrades it in one transaction. A file of
 * a newer version or of another program is refused. */
#ifndef SOWER_SERVER_LEDGER_SQLITE_SCHEMA_H
#define SOWER_SERVER_LEDGER_SQLITE_SCHEMA_H

#include <stdbool.h>
#include <stdint.h>

#include <sqlite3.h>

#include "core/attributes.h"
#include "core/problem.h"
#include "proto/chain.h"
#include "server/base/log.h"

/* Creates the schema in an empty database, or upgrades an older one. Old lines without a chain are linked to the
 * chain of `writer`. An upgrade takes long, so it is logged first; `log` may be NULL. `path` is for the problem's
 * sentence. */
SOWER_MUST_USE bool sower_sqlite_schema_check(sqlite3 *database, const char *path,
                                              const uint8_t writer[SOWER_WRITER_SIZE],
                                              const struct sower_log *log, struct sower_problem *problem);

#endif
