/* The write-ahead log of a ledger on SQLite, at start: what it says must be on the disk.
 *
 * When a flush fails, the kernel may take what it could not write for written: it goes on showing it to all
 * who read, and does not try again. The commit that needed the flush is refused, and the next one writes over
 * it. But if the daemon ends before that, the next one finds the refused commit in the log, whole by all
 * signs, and takes its lines for recorded: a power cut would take them away again, and all that was written
 * behind them. So before a line of it is believed, the log is written once more, and flushed. */
#ifndef SOWER_SERVER_LEDGER_SQLITE_WAL_H
#define SOWER_SERVER_LEDGER_SQLITE_WAL_H

#include <stdbool.h>

#include <sqlite3.h>

/* Writes the log again as it is. Within a transaction that writes, so that nobody else writes to it. False
 * when that fails. */
bool sower_sqlite_wal_rewrite(sqlite3 *database);

/* Writes what a transaction has changed so far to the log, and flushes it, without a commit: nobody reads it,
 * and the next transaction writes over it. SQLITE_OK, or SQLite's code of what failed. */
int sower_sqlite_wal_flush(sqlite3 *database);

#endif
