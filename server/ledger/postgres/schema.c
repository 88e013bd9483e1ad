#include "server/ledger/postgres/schema.h"

#include <inttypes.h>
#include <stdio.h>

#include "proto/ledger_tables.h"

enum { INDEX_MILLISECONDS = 3600 * 1000 }; /* for a ledger of some thousand million lines */

/* The statements that lead to each version from the one before. A draw is found by the first eight bytes of its seed
 * and of its id. Every draw of one name has the same seed, so the same index shows whether a new draw drifts from
 * an earlier one. A query must repeat the expressions of an index exactly to use it. Every index for pages ends in
 * the line's number, so that a page needs no sorting. */
static const char *const version_1[] = {
    "CREATE TABLE sower.ledger (one boolean PRIMARY KEY DEFAULT true CHECK (one),"
    " version bigint NOT NULL, last bigint NOT NULL)",
    "CREATE TABLE sower.experiment (id bigint PRIMARY KEY, root bytea NOT NULL,"
    " name text COLLATE \"C\" NOT NULL, draws bigint NOT NULL, given bigint NOT NULL, first bigint NOT NULL,"
    " last bigint NOT NULL, pinned bigint NOT NULL, UNIQUE (name, root)) WITH (fillfactor = 70)",
    "CREATE TABLE sower.trial (experiment bigint, trial bigint, draws bigint NOT NULL, first bigint NOT NULL,"
    " last bigint NOT NULL, PRIMARY KEY (experiment, trial)) WITH (fillfactor = 70)",
    "CREATE TABLE sower.writer (id bigint PRIMARY KEY, key bytea NOT NULL UNIQUE, sequence bigint NOT NULL,"
    " link bytea NOT NULL, time bigint NOT NULL)",
    "CREATE TABLE sower.manifest (hash bytea PRIMARY KEY, time bigint NOT NULL, text bytea NOT NULL)",
    "CREATE TABLE sower.line (ledger bigint PRIMARY KEY, time bigint NOT NULL, experiment bigint NOT NULL,"
    " writer bigint NOT NULL, sequence bigint NOT NULL, trial bigint, count bigint, drift bigint,"
    " kind smallint NOT NULL, spec integer, link bytea NOT NULL, draw bytea, seed bytea, manifest bytea,"
    " name text COLLATE \"C\", shape text COLLATE \"C\", dtype text COLLATE \"C\", init text COLLATE \"C\","
    " layout text COLLATE \"C\", key text COLLATE \"C\")",
    "CREATE INDEX line_draw ON sower.line (substr(seed, 1, 8), substr(draw, 1, 8)) WHERE seed IS NOT NULL",
    "CREATE INDEX line_experiment ON sower.line (experiment, ledger)",
    "CREATE INDEX line_trial ON sower.line (experiment, trial, ledger)",
    "CREATE INDEX line_name ON sower.line (experiment, name, ledger) WHERE name IS NOT NULL",
    "CREATE INDEX line_manifest ON sower.line (substr(manifest, 1, 8), ledger) WHERE manifest IS NOT NULL",
    "CREATE UNIQUE INDEX line_key ON sower.line (experiment, key) WHERE key IS NOT NULL",
    "INSERT INTO sower.ledger (version, last) VALUES (1, 0)",
    NULL,
};

static const char *const *const steps[SOWER_LEDGER_POSTGRES_VERSION] = {version_1};

/* An index by which a draw is found by its id alone. Ledgers of version 1 that were written before sowerd needed it do not
 * have it. An index changes no table, so it is not a new version. */
static const char index_of_draws[] =
    "CREATE INDEX line_id ON sower.line (substr(draw, 1, 8)) WHERE draw IS NOT NULL";
static const char look_for_index[] = "SELECT (to_regclass('sower.line_id') IS NOT NULL)::int::bigint";

/* Of daemons that start together, the second waits here. The number is "Sowr" in ASCII. */
static const char lock[] = "SELECT pg_advisory_xact_lock(1399748466)";

/* Whether the schema exists, how many relations it has, and whether one of them is `ledger`. */
static const char look[] =
    "SELECT (to_regnamespace('sower') IS NOT NULL)::int::bigint,"
    " (SELECT count(*) FROM pg_catalog.pg_class WHERE relnamespace = to_regnamespace('sower')::oid),"
    " (to_regclass('sower.ledger') IS NOT NULL)::int::bigint";

/* Reads the numbers of a query that returns one row. */
static bool ask(struct sower_postgres *postgres, const char *query, int count, uint64_t *numbers)
{
    struct sower_postgres_results results;
    sower_postgres_queue_text(postgres, query, NULL);
    if (!sower_postgres_exchange(postgres, &results)) {
        return false;
    }
    for (int i = 0; i < count; i++) {
        numbers[i] = sower_postgres_read_number(results.items[0], 0, i);
    }
    sower_postgres_clear(&results);
    return true;
}

static bool execute(struct sower_postgres *postgres, const char *text)
{
    sower_postgres_queue_text(postgres, text, NULL);
    return sower_postgres_run(postgres);
}

/* Upgrades from a version to the current one. */
static bool upgrade(struct sower_postgres *postgres, uint64_t version)
{
    char text[96];
    for (uint64_t step = version; step < SOWER_LEDGER_POSTGRES_VERSION; step++) {
        for (const char *const *statement = steps[step]; *statement != NULL; statement++) {
            if (!execute(postgres, *statement)) {
                return false;
            }
        }
    }
    snprintf(text, sizeof text, "UPDATE sower.ledger SET version = %d", SOWER_LEDGER_POSTGRES_VERSION);
    return version == SOWER_LEDGER_POSTGRES_VERSION || execute(postgres, text);
}

/* The index of a large ledger takes longer than other statements may: about a second per million lines. */
static bool create_index(struct sower_postgres *postgres)
{
    postgres->limit = INDEX_MILLISECONDS;
    const bool created =
        execute(postgres, "SET LOCAL statement_timeout = 0") && execute(postgres, index_of_draws);
    postgres->limit = 0;
    return created;
}

static bool add_index(struct sower_postgres *postgres)
{
    uint64_t found;
    return ask(postgres, look_for_index, 1, &found) && (found != 0 || create_index(postgres));
}

/* Adds the table that early ledgers of version 1 do not have. No other table refers to it, and a daemon that does not know it
 * leaves it as it is, so it is not a new version. */
static bool add_quotas(struct sower_postgres *postgres)
{
    uint64_t found;
    return ask(postgres, "SELECT (to_regclass('sower.quota') IS NOT NULL)::int::bigint", 1, &found) &&
           (found != 0 ||
            execute(postgres,
                    "CREATE TABLE sower.quota (owner text COLLATE \"C\", writer bytea, lines bigint NOT "
                    "NULL, promised bigint NOT NULL, PRIMARY KEY (owner, writer))"));
}

/* Creates the schema, upgrades it, or refuses the database. */
static bool create_or_upgrade(struct sower_postgres *postgres)
{
    uint64_t found[3], version = 0;
    if (!ask(postgres, look, 3, found)) {
        return false;
    }
    /* A user without the right to create a schema can use an empty one that somebody else created. */
    if (found[0] == 0 && !execute(postgres, "CREATE SCHEMA sower")) {
        return false;
    }
    if (found[1] != 0 && found[2] == 0) {
        snprintf(postgres->cause, sizeof postgres->cause,
                 "the schema \"sower\" of the database belongs to another program");
        return false;
    }
    if (found[2] != 0 && !ask(postgres, "SELECT version FROM sower.ledger", 1, &version)) {
        return false;
    }
    if (version > SOWER_LEDGER_POSTGRES_VERSION) {
        snprintf(postgres->cause, sizeof postgres->cause,
                 "it was written by a newer sowerd (schema %" PRIu64
                 "; this sowerd knows up to %d); use the newer sowerd",
                 version, SOWER_LEDGER_POSTGRES_VERSION);
        return false;
    }
    return upgrade(postgres, version) && add_index(postgres) && add_quotas(postgres);
}

bool sower_postgres_schema_check(struct sower_postgres *postgres)
{
    bool done = execute(postgres, "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE") &&
                execute(postgres, lock) && create_or_upgrade(postgres) && execute(postgres, "COMMIT");
    if (!done) {
        sower_postgres_roll_back(postgres);
    }
    return done;
}
