/* Checks on the file of a SQLite ledger before SQLite opens it: what it contains, and whether it is writable.
 *
 * SQLite reports "attempt to write a readonly database" for a file on a read-only volume, and "file is not a
 * database" for a git-lfs pointer. A person who starts the daemon needs the cause and the remedy. */
#ifndef SOWER_SERVER_LEDGER_SQLITE_FILE_H
#define SOWER_SERVER_LEDGER_SQLITE_FILE_H

#include <stdbool.h>

#include "core/attributes.h"
#include "core/problem.h"

/* False with a problem if the file exists and is not a database, or if the file or its directory is not
 * writable. A missing file is fine. */
SOWER_MUST_USE bool sower_sqlite_file_check(const char *path, struct sower_problem *problem);

#endif
