/* Reads the lines of a ledger, one after another.
 *
 * A file is an export (NDJSON, as from /v1/ledger) or the SQLite database of the daemon; its first bytes show
 * which. "-" is an export on standard input; without a name the lines come from the daemon. Lines are read as a
 * stream in their order in the source; in a database that is the order of their numbers. A database is only
 * read, in one transaction, and may be in use. */
#ifndef SOWER_CLIENT_SOW_LEDGER_RECORDS_READ_H
#define SOWER_CLIENT_SOW_LEDGER_RECORDS_READ_H

#include "client/sow/ledger/records.h"
#include "core/attributes.h"

/* Reads all lines. The caller has set the first members of `records`, up to `context`. `path` is NULL for the
 * daemon. */
SOWER_MUST_USE enum records_end records_read(struct records *records, const char *path);

#endif
