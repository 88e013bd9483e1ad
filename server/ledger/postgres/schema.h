/* The schema of a PostgreSQL ledger, and the upgrade from older versions.
 *
 * All tables are in the schema `sower` of the database, which other programs may use too. `ledger` has one row:
 * the version of the schema and the number of the last line. A writer locks that row until its commit, so daemons
 * write one after the other, and readers see lines in the order of their numbers. `line` has a row for each line,
 * `experiment` and `trial` have totals, `writer` has the heads of the chains. A row of `line` refers to its
 * experiment and writer by number. */
#ifndef SOWER_SERVER_LEDGER_POSTGRES_SCHEMA_H
#define SOWER_SERVER_LEDGER_POSTGRES_SCHEMA_H

#include "core/attributes.h"
#include "core/problem.h"
#include "server/ledger/postgres/connection.h"

/* Creates the schema or upgrades an older one, in one transaction. Daemons that start together do it one after the
 * other. False: postgres->cause says why. */
SOWER_MUST_USE bool sower_postgres_schema_check(struct sower_postgres *postgres);

#endif
