#include "server/ledger/sqlite/schema.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "proto/ledger_tables.h"
#include "server/ledger/sqlite/lines.h"
#include "server/ledger/sqlite/quotas.h"
#include "server/ledger/sqlite/statement.h"
#include "server/ledger/sqlite/wal.h"

enum {
    UNLINKED_VERSION = 3, /* the last one without chains */
};

/* `probe` holds one row that is rewritten to see whether writing works. */
static const char rest_of_schema[] =
    "CREATE TABLE manifest (hash BLOB PRIMARY KEY, time INTEGER NOT NULL, text BLOB NOT NULL) "
    "STRICT;" SOWER_SQLITE_QUOTAS_SCHEMA
    "CREATE TABLE probe (id INTEGER PRIMARY KEY, count INTEGER NOT NULL) STRICT;"
    "INSERT INTO probe VALUES (0, 0);";

/* The steps to versions 2 and 3 from the version before. */
static const char *const unlinked_steps[] = {
    "ALTER TABLE draw ADD COLUMN manifest BLOB;"
    "CREATE TABLE manifest (hash BLOB PRIMARY KEY, time INTEGER NOT NULL, text BLOB NOT NULL) STRICT;",
    "CREATE TABLE trial (root BLOB NOT NULL, experiment TEXT NOT NULL, first INTEGER NOT NULL,"
    " count INTEGER NOT NULL, time INTEGER NOT NULL, key TEXT,"
    " PRIMARY KEY (root, experiment, first)) STRICT, WITHOUT ROWID;",
};

static bool execute(sqlite3 *database, const char *text)
{
    return sqlite3_exec(database, text, NULL, NULL, NULL) == SQLITE_OK;
}

/* Reads the first column of a query that returns one row. */
static bool ask(sqlite3 *database, const char *query, int64_t *answer)
{
    sqlite3_stmt *statement;
    bool found;
    if (sqlite3_prepare_v2(database, query, -1, &statement, NULL) != SQLITE_OK) {
        return false;
    }
    if (sower_sqlite_seek(statement, &found) && found) {
        *answer = sqlite3_column_int64(statement, 0);
    }
    return sqlite3_finalize(statement) == SQLITE_OK && found;
}

static void read_draw(sqlite3_stmt *statement, struct sower_record *record)
{
    memset(record, 0, sizeof *record);
    record->kind = SOWER_RECORD_DRAW;
    record->ledger = sower_sqlite_read_number(statement, 0);
    record->time = sqlite3_column_int64(statement, 1);
    sower_sqlite_read_bytes(statement, 2, record->draw.bytes);
    sower_sqlite_read_bytes(statement, 3, record->seed.bytes);
    sower_sqlite_read_bytes(statement, 4, record->root_id.bytes);
    record->spec = (unsigned)sower_sqlite_read_number(statement, 5);
    sower_sqlite_read_text(statement, 6, record->experiment, sizeof record->experiment);
    record->trial = sower_sqlite_read_number(statement, 7);
    sower_sqlite_read_text(statement, 8, record->name, sizeof record->name);
    sower_sqlite_read_text(statement, 9, record->shape, sizeof record->shape);
    sower_sqlite_read_text(statement, 10, record->dtype, sizeof record->dtype);
    sower_sqlite_read_text(statement, 11, record->initializer, sizeof record->initializer);
    sower_sqlite_read_text(statement, 12, record->layout, sizeof record->layout);
    record->has_manifest = sqlite3_column_type(statement, 13) != SQLITE_NULL;
    sower_sqlite_read_bytes(statement, 13, record->manifest);
}

static void read_trials(sqlite3_stmt *statement, struct sower_record *record)
{
    memset(record, 0, sizeof *record);
    record->kind = SOWER_RECORD_TRIALS;
    sower_sqlite_read_bytes(statement, 0, record->root_id.bytes);
    sower_sqlite_read_text(statement, 1, record->experiment, sizeof record->experiment);
    record->trial = sower_sqlite_read_number(statement, 2);
    record->count = sower_sqlite_read_number(statement, 3);
    record->time = sqlite3_column_int64(statement, 4);
    sower_sqlite_read_text(statement, 5, record->key, sizeof record->key);
}

/* Adds an old line with its time and, for draws, its number. */
static bool link_line(struct sower_sqlite_lines *lines, struct sower_record *record,
                      struct sower_problem *problem)
{
    struct sower_store_draw draw = {.record = *record};
    lines->append.time = record->time;
    if (record->kind != SOWER_RECORD_DRAW) {
        return sower_sqlite_lines_add(lines, record, problem);
    }
    lines->append.ledger = record->ledger - 1;
    return sower_sqlite_lines_find(lines, &draw, problem) && /* sets its drift */
           sower_sqlite_lines_add(lines, &draw.record, problem);
}

/* Links the rows of a query. */
static bool link_rows(struct sower_sqlite_lines *lines, const char *query,
                      void (*read)(sqlite3_stmt *statement, struct sower_record *record),
                      struct sower_problem *problem)
{
    struct sower_record record;
    sqlite3_stmt *statement;
    bool found = true;
    if (sqlite3_prepare_v2(lines->database, query, -1, &statement, NULL) != SQLITE_OK) {
        return sower_sqlite_fail(lines->database, problem);
    }
    bool done = true;
    while (done && found) {
        done = sower_sqlite_seek(statement, &found) || sower_sqlite_fail(lines->database, problem);
        if (done && found) {
            read(statement, &record);
            done = link_line(lines, &record, problem);
        }
    }
    sqlite3_finalize(statement);
    return done;
}

static bool link_all(sqlite3 *database, const uint8_t writer[SOWER_WRITER_SIZE],
                     struct sower_problem *problem)
{
    struct sower_sqlite_lines lines = {0};
    bool done =
        (sower_sqlite_lines_prepare(&lines, database, writer) || sower_sqlite_fail(database, problem)) &&
        sower_sqlite_lines_begin(&lines, problem) &&
        link_rows(&lines,
                  "SELECT ledger, time, draw, seed, root, spec, experiment, trial, name, shape, "
                  "dtype, init, layout, manifest FROM draw ORDER BY ledger",
                  read_draw, problem) &&
        link_rows(&lines,
                  "SELECT root, experiment, first, count, time, key FROM old_trial"
                  " ORDER BY time, root, experiment, first",
                  read_trials, problem) &&
        sower_sqlite_lines_end(&lines, problem);
    sower_sqlite_lines_close(&lines);
    return done;
}

/* From version 3 or older to this one. */
static bool link_old_lines(sqlite3 *database, int64_t version, const char *path,
                           const uint8_t writer[SOWER_WRITER_SIZE], struct sower_problem *problem)
{
    for (int64_t step = version; step < UNLINKED_VERSION; step++) {
        if (!execute(database, unlinked_steps[step - 1])) {
            return sower_sqlite_refuse(database, path, problem);
        }
    }
    if (!execute(database, "ALTER TABLE trial RENAME TO old_trial;" SOWER_SQLITE_LINES_SCHEMA)) {
        return sower_sqlite_refuse(database, path, problem);
    }
    return link_all(database, writer, problem) &&
           (execute(database, "DROP TABLE draw; DROP TABLE old_trial;") ||
            sower_sqlite_refuse(database, path, problem));
}

static bool set_version(sqlite3 *database, const char *path, struct sower_problem *problem)
{
    char pragmas[96];
    sqlite3_snprintf((int)sizeof pragmas, pragmas, "PRAGMA application_id = %d; PRAGMA user_version = %d;",
                     SOWER_LEDGER_APPLICATION_ID, SOWER_LEDGER_SQLITE_VERSION);
    return execute(database, pragmas) || sower_sqlite_refuse(database, path, problem);
}

static void announce(const struct sower_log *log, int64_t version)
{
    char sentence[160];
    snprintf(sentence, sizeof sentence,
             "Upgrading the ledger from schema %" PRId64 " to %d, about 20 seconds per million "
             "lines. If the upgrade is interrupted, the next start begins it again.",
             version, SOWER_LEDGER_SQLITE_VERSION);
    if (log != NULL) {
        sower_log_sentence(log, SOWER_LOG_WARNING, "ledger_upgrade", sentence);
    }
}

/* Adds the index that early ledgers of this version do not have. An index changes no table, so it is not a new version. */
static bool add_index(sqlite3 *database, const char *path, const struct sower_log *log,
                      struct sower_problem *problem)
{
    int64_t found;
    if (!ask(database, "SELECT count(*) FROM sqlite_schema WHERE name = 'line_id'", &found)) {
        return sower_sqlite_refuse(database, path, problem);
    }
    if (found == 0 && log != NULL) {
        sower_log_sentence(log, SOWER_LOG_WARNING, "ledger_upgrade",
                           "Adding an index to the ledger, about a second per million lines.");
    }
    return found > 0 || execute(database, SOWER_SQLITE_LINES_INDEX) ||
           sower_sqlite_refuse(database, path, problem);
}

/* Adds the table that early ledgers of this version do not have. No other table refers to it, and a daemon that does not know
 * it leaves it as it is, so it is not a new version. */
static bool add_quotas(sqlite3 *database, const char *path, struct sower_problem *problem)
{
    int64_t found;
    return (ask(database, "SELECT count(*) FROM sqlite_schema WHERE name = 'quota'", &found) &&
            (found > 0 || execute(database, SOWER_SQLITE_QUOTAS_SCHEMA))) ||
           sower_sqlite_refuse(database, path, problem);
}

/* Creates the schema, upgrades it, or refuses the database. */
static bool create_or_upgrade(sqlite3 *database, const char *path, const uint8_t writer[SOWER_WRITER_SIZE],
                              const struct sower_log *log, struct sower_problem *problem)
{
    int64_t application, version, tables;
    if (!ask(database, "PRAGMA application_id", &application) ||
        !ask(database, "PRAGMA user_version", &version) ||
        !ask(database, "SELECT count(*) FROM sqlite_schema", &tables)) {
        return sower_sqlite_refuse(database, path, problem);
    }
    if (tables == 0 && application == 0 && version == 0) {
        return ((execute(database, SOWER_SQLITE_LINES_SCHEMA) && execute(database, rest_of_schema)) ||
                sower_sqlite_refuse(database, path, problem)) &&
               set_version(database, path, problem);
    }
    if (application != SOWER_LEDGER_APPLICATION_ID || version < 1) {
        return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "--ledger",
                                 "The file %s is a database of another program, not a ledger.", path);
    }
    if (version > SOWER_LEDGER_SQLITE_VERSION) {
        return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "--ledger",
                                 "The ledger %s was written by a newer sowerd (schema %" PRId64
                                 "; this sowerd knows up to %d). Use the newer sowerd.",
                                 path, version, SOWER_LEDGER_SQLITE_VERSION);
    }
    if (version == SOWER_LEDGER_SQLITE_VERSION) {
        return add_index(database, path, log, problem) && add_quotas(database, path, problem);
    }
    announce(log, version);
    return link_old_lines(database, version, path, writer, problem) && add_quotas(database, path, problem) &&
           set_version(database, path, problem);
}

/* In one transaction, so that daemons that start together do it one after the other. */
bool sower_sqlite_schema_check(sqlite3 *database, const char *path, const uint8_t writer[SOWER_WRITER_SIZE],
                               const struct sower_log *log, struct sower_problem *problem)
{
    if (!execute(database, "BEGIN IMMEDIATE")) {
        return sower_sqlite_refuse(database, path, problem);
    }
    if (!sower_sqlite_wal_rewrite(database)) {
        return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "--ledger",
                                 "The ledger %s cannot be opened: its write-ahead log cannot be written.",
                                 path);
    }
    return create_or_upgrade(database, path, writer, log, problem) &&
           (execute(database, "COMMIT") || sower_sqlite_refuse(database, path, problem));
}
