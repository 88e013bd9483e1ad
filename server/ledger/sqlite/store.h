/* The ledger on SQLite: one file, no server, the default.
 *
 * Write-ahead logging with synchronous=FULL: a commit returns when it is on disk, and readers never wait for
 * it. The ledger's thread writes on one connection (writer.h). All other threads read on another (reader.h). */
#ifndef SOWER_SERVER_LEDGER_SQLITE_STORE_H
#define SOWER_SERVER_LEDGER_SQLITE_STORE_H

#include "server/base/log.h"
#include "server/ledger/store.h"

/* Opens or makes the database at `path`, or brings it to the version of today, as sower_store_open says. NULL
 * with a problem. */
struct sower_store *sower_ledger_sqlite_open(const char *path, const uint8_t writer[SOWER_WRITER_SIZE],
                                             const struct sower_log *log, struct sower_problem *problem);

#endif
