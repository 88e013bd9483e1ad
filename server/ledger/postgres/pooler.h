/* Poolers: programs between the daemon and PostgreSQL that let many connections share few sessions.
 *
 * The daemon prepares statements and sets parameters once for each connection, so each needs a session of its
 * own. A pooler that hands out transactions (pgbouncer with pool_mode = transaction) gives them the sessions
 * in turn, and what goes wrong then names no cause. So one is looked for at start, by the numbers of the
 * server's processes: a session has one process, which serves no other session. */
#ifndef SOWER_SERVER_LEDGER_POSTGRES_POOLER_H
#define SOWER_SERVER_LEDGER_POSTGRES_POOLER_H

#include <stdbool.h>

#include "server/ledger/postgres/connection.h"

/* Whether a connection has a session of its own; false with `cause` set. Opens another one to find out, if
 * the process that serves it is not the one that it was told of when it connected, as is so behind a pooler.
 */
bool sower_postgres_pooler_check(struct sower_postgres *postgres);

#endif
