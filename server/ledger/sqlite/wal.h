/* The write-ahead log of a SQLite ledger: making sure that its content is on the disk.
 *
 * When a flush fails, the kernel may treat the unwritten pages as written: it still shows them to all readers, and
 * does not try again. The commit that needed the flush fails, and the next commit overwrites it in the log. But if
 * the daemon ends before that, the next daemon finds the failed commit complete in the log and takes its lines for
 * recorded. A power cut would then remove those lines and all lines after them. So at start, before the daemon
 * trusts a line of the log, it writes the log again and flushes it. */
#ifndef SOWER_SERVER_LEDGER_SQLITE_WAL_H
#define SOWER_SERVER_LEDGER_SQLITE_WAL_H

#include <stdbool.h>
#include <stdint.h>

#include <sqlite3.h>

#include "core/attributes.h"

/* Writes the log again, unchanged, and flushes it. Call it in a write transaction, so that no other process writes
 * to the log. False if that fails. */
SOWER_MUST_USE bool sower_sqlite_wal_rewrite(sqlite3 *database);

/* The bytes of the log; 0: it is empty, or not known. */
uint64_t sower_sqlite_wal_size(sqlite3 *database);

/* Copies the log to the database and empties it, outside of a transaction. False if another process is reading from the
 * log (it does not wait for that) or the disk does not allow it. Nothing is lost then. */
SOWER_MUST_USE bool sower_sqlite_wal_empty(sqlite3 *database);

/* Writes the changes of the current transaction to the log and flushes it, without a commit: no reader sees them,
 * and the next transaction overwrites them. Returns SQLITE_OK or another SQLite result code. */
SOWER_MUST_USE int sower_sqlite_wal_flush(sqlite3 *database);

#endif
