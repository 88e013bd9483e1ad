/* The file of a ledger on SQLite, before SQLite sees it: what it is, and whether it can be written.
 *
 * SQLite says of a file on a read-only volume "attempt to write a readonly database", and of a pointer of
 * git-lfs "file is not a database". Whoever starts the daemon needs the cause, and what to do about it. */
#ifndef SOWER_SERVER_LEDGER_SQLITE_FILE_H
#define SOWER_SERVER_LEDGER_SQLITE_FILE_H

#include <stdbool.h>

#include "core/problem.h"

/* False with a problem when there is a file and it is no database, or when it, or one in its directory,
 * cannot be written. */
bool sower_sqlite_file_check(const char *path, struct sower_problem *problem);

#endif
