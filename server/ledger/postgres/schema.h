/* The schema of a ledger on PostgreSQL, and the way to it from older ones.
 *
 * All tables stand in the schema `sower` of the database, so that it may hold other programs' too. `ledger`
 * has one row: the version of the schema, and the number of the last line. Who writes locks that row until
 * its commit: so daemons write one after the other, and readers see lines in the order of their numbers.
 * `line` has a row for each line; `experiment` and `trial` count what was written under each of them;
 * `writer` holds the heads of the chains. A row of a line names its experiment and writer by number. */
#ifndef SOWER_SERVER_LEDGER_POSTGRES_SCHEMA_H
#define SOWER_SERVER_LEDGER_POSTGRES_SCHEMA_H

#include "core/problem.h"
#include "server/ledger/postgres/connection.h"

/* Makes the schema where there is none, or brings it to the version of today, in one transaction; daemons
 * that start together do it one after the other. A `cause` says what is wrong. */
bool sower_postgres_schema_check(struct sower_postgres *postgres);

#endif
