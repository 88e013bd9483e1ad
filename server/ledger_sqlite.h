/* The ledger on SQLite: one file, no server, the default.
 *
 * Write-ahead logging with synchronous=FULL: a commit returns when it is on disk, and readers never wait for
 * it. Two connections: one writes and finds for the ledger's thread, one reads pages for everybody else,
 * under a lock that is held for one page. The schema's version stands in `PRAGMA user_version`; a file of a
 * newer version, or of another program, is refused. */
#ifndef SOWER_SERVER_LEDGER_SQLITE_H
#define SOWER_SERVER_LEDGER_SQLITE_H

#include "store.h"

/* Opens or makes the database at `path`. NULL with a problem. */
struct sower_store *sower_ledger_sqlite_open(const char *path, struct sower_problem *problem);

#endif
