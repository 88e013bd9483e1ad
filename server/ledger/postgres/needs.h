/* What libpq needs of the system to connect to a database, again and again while the daemon runs. */
#ifndef SOWER_SERVER_LEDGER_POSTGRES_NEEDS_H
#define SOWER_SERVER_LEDGER_POSTGRES_NEEDS_H

#include "server/sandbox/sandbox.h"

/* Lists the ports of the database's hosts and of DNS, the configuration and the libraries of the system (names of
 * hosts, certificates), and the files that the URL and the environment name (passwords, certificates). Not listed:
 * tickets of Kerberos. */
void sower_ledger_postgres_list_needs(const char *url, struct sower_sandbox *sandbox);

#endif
