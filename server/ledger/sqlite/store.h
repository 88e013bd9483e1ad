/* The ledger on SQLite: one file, no server, the default.
 *
 * Write-ahead logging with synchronous=FULL: a commit returns when it is on disk, and readers never wait for
 * it. The ledger's thread writes on one connection (writer.h). All other threads read on another (reader.h). */
#ifndef SOWER_SERVER_LEDGER_SQLITE_STORE_H
#define SOWER_SERVER_LEDGER_SQLITE_STORE_H

#include "core/attributes.h"
#include "server/base/log.h"
#include "server/ledger/store.h"

/* Opens or creates the database at `path`, and upgrades an older one, as in sower_store_open. NULL with a
 * problem. */
SOWER_MUST_USE struct sower_store *sower_ledger_sqlite_open(const char *path,
                                                            const uint8_t writer[SOWER_WRITER_SIZE],
                                                            const struct sower_log *log,
                                                            struct sower_problem *problem);

#endif
