/* Pages: checks the file of a SQLite database, whatever its tables contain.
 *
 * SQLite's integrity check reads every page: each page must be used in exactly one place or be free, its
 * content must be valid for its use, and each index must have exactly the entries that follow from its
 * table. Free pages, and the gaps between the cells of a page, may have any content.
 *
 * The check takes about 10 seconds of CPU time for a million lines, twice as long as the check of the
 * lines. */
#ifndef SOWER_CLIENT_SOW_LEDGER_PAGES_H
#define SOWER_CLIENT_SOW_LEDGER_PAGES_H

#include <stdint.h>

#include <sqlite3.h>

#include "client/sow/terminal/progress.h"
#include "core/attributes.h"

enum { PAGES_SIZE = 512 };

/* SQLITE_DONE: the file is intact. SQLITE_ROW: it is damaged, and `finding` is the first fault in SQLite's
 * words. Any other result: the error of the database. Shows progress up to `stop` bytes, estimated from the
 * number of lines. */
SOWER_MUST_USE int pages_check(sqlite3 *database, uint64_t lines, struct progress *progress, uint64_t stop,
                               char finding[PAGES_SIZE]);

#endif
