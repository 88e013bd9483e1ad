/* Pages: whether the file of a SQLite database is whole, whatever its tables hold.
 *
 * SQLite's integrity check looks at every page of the file: each is in use at one place or free, each can be
 * read as what it is used for, and each index has exactly the entries that its table comes to. Nobody reads
 * the bytes of free pages and those between the cells of a page, so they may be anything.
 *
 * It takes some 10 seconds of a processor for a million lines, twice as long as the lines themselves. */
#ifndef SOWER_CLIENT_SOW_LEDGER_PAGES_H
#define SOWER_CLIENT_SOW_LEDGER_PAGES_H

#include <stdint.h>

#include <sqlite3.h>

#include "client/sow/terminal/progress.h"

enum { PAGES_SIZE = 512 };

/* SQLITE_DONE: the file is whole. SQLITE_ROW: it is not, and `finding` is the first fault in SQLite's words.
 * Otherwise the error of the database. Shows the progress up to `stop` bytes; a guess, from how many lines
 * there are. */
int pages_check(sqlite3 *database, uint64_t lines, struct progress *progress, uint64_t stop,
                char finding[PAGES_SIZE]);

#endif
