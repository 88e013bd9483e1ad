/* Reads the lines of a ledger from the SQLite database of a daemon. */
#ifndef SOWER_CLIENT_SOW_LEDGER_RECORDS_SQLITE_H
#define SOWER_CLIENT_SOW_LEDGER_RECORDS_SQLITE_H

#include "client/sow/ledger/records.h"
#include "core/attributes.h"

/* Reads all lines in the order of their numbers. If `take_end` is set, it also checks the pages of the file,
 * reads the ends of the chains, and checks the data that the database derives from the lines. The progress of
 * `records` has begun, with the size of the file as its total. */
SOWER_MUST_USE enum records_end records_read_database(struct records *records, const char *path);

#endif
