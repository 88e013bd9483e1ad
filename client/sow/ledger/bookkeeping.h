/* Bookkeeping: checks the data that the SQLite database of the daemon derives from the lines.
 *
 * This data is: for each experiment the number of draws, the next trial number, the pin, and the times; for
 * each trial the number of draws and the times; for each writer the time of its last line; and the text of
 * each manifest, which must have the hash under which it is stored. No link covers this data. The daemon
 * uses it, however: if the next trial number is set back, the daemon gives out a number twice.
 *
 * The check also finds trial numbers that were not given out one after another. With several writers no
 * chain shows that. */
#ifndef SOWER_CLIENT_SOW_LEDGER_BOOKKEEPING_H
#define SOWER_CLIENT_SOW_LEDGER_BOOKKEEPING_H

#include <sqlite3.h>

#include "core/attributes.h"

enum { BOOKKEEPING_SIZE = 1024 };

/* SQLITE_DONE: the data follows from the lines. SQLITE_ROW: something does not; `finding` names the entry:
 * "experiment e (pinned)". Any other result: the error of the database. Call in the transaction in which
 * the lines were read and checked. */
SOWER_MUST_USE int bookkeeping_check(sqlite3 *database, char finding[BOOKKEEPING_SIZE]);

#endif
