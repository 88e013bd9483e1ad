/* Poolers: programs between the daemon and PostgreSQL that let many connections share few sessions.
 *
 * The daemon prepares statements and sets parameters once per connection, so each connection needs a session of
 * its own. A pooler in transaction mode (pgbouncer with pool_mode = transaction) gives each transaction any free
 * session; the errors that follow do not name the cause. So the daemon looks for a pooler at start, by the process
 * ids of the server: a session has one process, which serves no other session. */
#ifndef SOWER_SERVER_LEDGER_POSTGRES_POOLER_H
#define SOWER_SERVER_LEDGER_POSTGRES_POOLER_H

#include <stdbool.h>

#include "core/attributes.h"
#include "server/ledger/postgres/connection.h"

/* Whether a connection has a session of its own; false with `cause` set. If the process that serves the connection
 * is not the one that was announced at connection, as behind a pooler, opens a second connection to find out. */
SOWER_MUST_USE bool sower_postgres_pooler_check(struct sower_postgres *postgres);

#endif
