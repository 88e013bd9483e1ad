/* The ledger on PostgreSQL: a database that several daemons write to.
 *
 * Daemons write one after the other: a transaction locks the one row that holds the last line's number until
 * its commit. The ledger's thread writes on one connection (writer.h). All other threads read on another
 * (reader.h). The daemon opens a lost connection again. No wait is longer than some seconds. */
#ifndef SOWER_SERVER_LEDGER_POSTGRES_STORE_H
#define SOWER_SERVER_LEDGER_POSTGRES_STORE_H

#include "core/attributes.h"
#include "server/ledger/store.h"

/* Opens the ledger in the database at `url`; creates it if there is none, upgrades an older one. The database's
 * encoding must be UTF-8. NULL with a problem, which contains no password. */
SOWER_MUST_USE struct sower_store *sower_ledger_postgres_open(const char *url,
                                                              const uint8_t writer[SOWER_WRITER_SIZE],
                                                              struct sower_problem *problem);

#endif
