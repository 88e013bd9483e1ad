/* Bookkeeping: what the daemon's SQLite database keeps beside the lines, held against the lines.
 *
 * No link covers it, as all of it follows from the lines: how many draws an experiment and each of its trials
 * has, which numbers were given out, whether it is pinned, when a writer last wrote; and the text of a
 * manifest, which has its hash for a name. The daemon goes by it, though: a count of given numbers that was
 * set back has it give a number twice. And trial numbers must have been given out one after another, which no
 * chain shows when several daemons write. */
#ifndef SOWER_CLIENT_SOW_LEDGER_BOOKKEEPING_H
#define SOWER_CLIENT_SOW_LEDGER_BOOKKEEPING_H

#include <sqlite3.h>

enum { BOOKKEEPING_SIZE = 1024 };

/* SQLITE_DONE: all of it fits. SQLITE_ROW: something does not, and `finding` names it, as what stands behind
 * "what it keeps of". Otherwise the error of the database. Within the transaction in which the lines are
 * read; they have the form of lines. */
int bookkeeping_check(sqlite3 *database, char finding[BOOKKEEPING_SIZE]);

#endif
