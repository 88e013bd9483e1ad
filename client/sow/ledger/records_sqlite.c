/* Reads the ledger lines of a SQLite database of sowerd. SPEC.md describes its tables. */
#include "client/sow/ledger/records_sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sqlite3.h>

#include "client/sow/daemon/report.h"
#include "client/sow/ledger/bookkeeping.h"
#include "client/sow/ledger/pages.h"
#include "proto/ledger_tables.h"
#include "proto/record_read.h"

enum {
    PROGRESS_EVERY = 1024, /* lines between two updates of the progress */
    URI_SIZE = 3 * PATH_MAX + 32,
};

/* LEFT JOIN: a line without its experiment or writer is not skipped; the missing columns are NULL. */
static const char LINES[] =
    "SELECT " SOWER_LEDGER_RECORD_COLUMNS ", " SOWER_LEDGER_LINE_INDEX_COLUMNS
    " FROM line l LEFT JOIN experiment e ON e.id = l.experiment LEFT JOIN writer w ON "
    "w.id = l.writer"
    " ORDER BY l.ledger";

static const char ENDS[] = "SELECT key, sequence, link FROM writer ORDER BY id";

/* A database that is being read. */
struct database {
    struct records *records;
    const char *path;
    sqlite3 *connection;
    sqlite3_stmt *statement;
    char real_path[PATH_MAX]; /* the path without symbolic links */
    bool immutable;           /* opened as an immutable file, without locks */
    bool unlocked;            /* opened with its write-ahead log, but without locks */
    struct stat wal;          /* for `unlocked`: the state of the log when it was opened */
    uint64_t shown;           /* the part of the progress, in bytes, that the check of the pages takes */
    uint64_t last;            /* the largest line number, for the progress */
    int column;               /* the next column to read */
    int code;                 /* the SQLite error of the last failed `ask`; 0: none */
    struct sower_problem *problem;
};

static bool refuse(struct database *database, const char *member, const char *meaning)
{
    return sower_problem_set(database->problem, SOWER_PROBLEM_INVALID, member, "%s must be %s.", member,
                             meaning);
}

/* The functions below read the next column. */
static bool read_number(struct database *database, const char *member, uint64_t *number)
{
    int column = database->column++;
    if (sqlite3_column_type(database->statement, column) != SQLITE_INTEGER ||
        sqlite3_column_int64(database->statement, column) < 0) {
        return refuse(database, member, "a whole number");
    }
    *number = (uint64_t)sqlite3_column_int64(database->statement, column);
    return true;
}

static bool read_bytes(struct database *database, const char *member, uint8_t bytes[32])
{
    int column = database->column++;
    const void *blob = sqlite3_column_blob(database->statement, column);
    if (sqlite3_column_type(database->statement, column) != SQLITE_BLOB ||
        sqlite3_column_bytes(database->statement, column) != 32) {
        return refuse(database, member, "32 bytes");
    }
    memcpy(bytes, blob, 32);
    return true;
}

static bool read_text(struct database *database, const char *member, char *text, size_t size)
{
    int column = database->column++;
    const unsigned char *found = sqlite3_column_text(database->statement, column);
    size_t length = (size_t)sqlite3_column_bytes(database->statement, column);
    if (sqlite3_column_type(database->statement, column) != SQLITE_TEXT || found == NULL || length >= size ||
        memchr(found, '\0', length) != NULL) {
        return refuse(database, member, "text that is not too long");
    }
    memcpy(text, found, length);
    text[length] = '\0';
    return true;
}

/* Whether the next column is NULL; skips the column if it is. */
static bool is_null(struct database *database)
{
    bool null = sqlite3_column_type(database->statement, database->column) == SQLITE_NULL;
    database->column += null;
    return null;
}

/* Skips columns that do not apply to lines of this kind: they must be NULL. */
static bool read_nothing(struct database *database, int count)
{
    for (int i = 0; i < count; i++) {
        if (!is_null(database)) {
            return refuse(database, sqlite3_column_name(database->statement, database->column),
                          "NULL in a line of this kind");
        }
    }
    return true;
}

/* A value that does not apply must be NULL, because 0 or an empty text would be a second form of the same
 * line. */
static bool read_drift(struct database *database, uint64_t *drift)
{
    return read_number(database, "drift", drift) &&
           (*drift > 0 || refuse(database, "drift", "NULL or at least 1"));
}

static bool read_key(struct database *database, char *key, size_t size)
{
    return read_text(database, "key", key, size) &&
           (key[0] != '\0' || refuse(database, "key", "NULL or not empty"));
}

/* The first eight bytes as a number, by which the daemon finds a draw. */
static bool read_index(struct database *database, const char *member, const uint8_t bytes[32])
{
    int column = database->column++;
    uint64_t expected = 0;
    for (size_t i = 0; i < 8; i++) {
        expected |= (uint64_t)bytes[i] << 8 * i;
    }
    return (sqlite3_column_type(database->statement, column) == SQLITE_INTEGER &&
            (uint64_t)sqlite3_column_int64(database->statement, column) == expected) ||
           refuse(database, member, "the first eight bytes as a number");
}

static bool read_draw(struct database *database, struct sower_record *record)
{
    uint64_t spec = 0;
    bool read = read_nothing(database, 2) && read_bytes(database, "draw", record->draw.bytes) &&
                read_bytes(database, "seed", record->seed.bytes) && read_number(database, "spec", &spec) &&
                read_text(database, "name", record->name, sizeof record->name) &&
                read_text(database, "shape", record->shape, sizeof record->shape) &&
                read_text(database, "dtype", record->dtype, sizeof record->dtype) &&
                read_text(database, "init", record->initializer, sizeof record->initializer) &&
                read_text(database, "layout", record->layout, sizeof record->layout) &&
                (is_null(database) ||
                 (record->has_manifest = true, read_bytes(database, "manifest", record->manifest))) &&
                (is_null(database) || read_drift(database, &record->drift)) &&
                read_index(database, "seed_key", record->seed.bytes) &&
                read_index(database, "draw_key", record->draw.bytes);
    record->spec = spec <= INT32_MAX ? (unsigned)spec : 0;
    return read;
}

static bool read_rest(struct database *database, struct sower_record *record)
{
    switch (record->kind) {
    case SOWER_RECORD_DRAW:
        return read_number(database, "trial", &record->trial) && read_draw(database, record);
    case SOWER_RECORD_TRIALS:
        return read_number(database, "trial", &record->trial) &&
               read_number(database, "count", &record->count) &&
               (is_null(database) || read_key(database, record->key, sizeof record->key)) &&
               read_nothing(database, 12);
    default:
        return read_nothing(database, 15);
    }
}

static bool read_record(struct database *database, struct sower_record *record)
{
    uint64_t time = 0, kind = 0;
    memset(record, 0, sizeof *record);
    database->column = 0;
    bool read = read_number(database, "ledger", &record->ledger) && read_number(database, "time", &time) &&
                read_number(database, "kind", &kind) && read_bytes(database, "root", record->root_id.bytes) &&
                read_text(database, "experiment", record->experiment, sizeof record->experiment) &&
                read_bytes(database, "writer", record->place.writer) &&
                read_number(database, "sequence", &record->place.sequence) &&
                read_bytes(database, "link", record->place.link);
    record->time = (int64_t)time;
    record->kind = kind <= SOWER_RECORD_UNPIN ? (enum sower_record_kind)kind : 0;
    return read && read_rest(database, record) && sower_record_check(record, database->problem);
}

static bool take_record(struct database *database)
{
    struct records *records = database->records;
    struct sower_record record;
    if (!read_record(database, &record)) {
        return false;
    }
    bool taken = records->take(records->context, &record);
    records->count += taken;
    if (records->count % PROGRESS_EVERY == 0 && database->last > 0) {
        double rest = (double)(records->progress.total - database->shown);
        progress_update(&records->progress,
                        database->shown + (uint64_t)(rest * (double)records->count / (double)database->last));
    }
    return taken;
}

static bool take_end(struct database *database)
{
    struct sower_link end;
    database->column = 0;
    return read_bytes(database, "writer", end.writer) && read_number(database, "sequence", &end.sequence) &&
           read_bytes(database, "link", end.link) &&
           database->records->take_end(database->records->context, &end);
}

static enum records_end fail(struct database *database, const char *reason)
{
    struct records *records = database->records;
    progress_end(&records->progress);
    records->result =
        report_failure(records->options, "the database %s cannot be read: %s.", database->path, reason);
    records_hint(records, database->path);
    return RECORDS_FAILED;
}

/* Runs a query and passes each row to `take`. */
static enum records_end read_rows(struct database *database, const char *query,
                                  bool (*take)(struct database *database))
{
    int step = SQLITE_ERROR;
    bool going = true;
    database->problem->sentence[0] = '\0';
    if (sqlite3_prepare_v2(database->connection, query, -1, &database->statement, NULL) == SQLITE_OK) {
        while (going && (step = sqlite3_step(database->statement)) == SQLITE_ROW) {
            going = take(database);
        }
    }
    /* If SQLite had no memory for a column, only sqlite3_errcode says so. */
    enum records_end end = !going && sqlite3_errcode(database->connection) == SQLITE_NOMEM
                               ? fail(database, sqlite3_errstr(SQLITE_NOMEM))
                           : !going && database->problem->sentence[0] != '\0' ? RECORDS_MALFORMED
                           : !going                                           ? RECORDS_STOPPED
                           : step == SQLITE_DONE                              ? RECORDS_DONE
                                                 : fail(database, sqlite3_errmsg(database->connection));
    sqlite3_finalize(database->statement);
    database->statement = NULL;
    return end;
}

/* Returns the first column of the only row of a query; -1 when there is none. */
static int64_t ask(struct database *database, const char *query)
{
    sqlite3_stmt *statement = NULL;
    int64_t number = -1;
    int code = sqlite3_prepare_v2(database->connection, query, -1, &statement, NULL);
    if (code == SQLITE_OK && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        number = sqlite3_column_int64(statement, 0);
    }
    database->code = code == SQLITE_ROW || code == SQLITE_DONE ? database->code : code;
    sqlite3_finalize(statement);
    return number;
}

/* Refuses a database of another program or with another schema. */
static enum records_end check_schema(struct database *database)
{
    char reason[160];
    int64_t application = ask(database, "PRAGMA application_id");
    int64_t version = ask(database, "PRAGMA user_version");
    /* Both may be negative in a file that was changed. */
    if (database->code != SQLITE_OK) {
        return fail(database, sqlite3_errstr(database->code));
    }
    if (application == 0 && version == 0 && ask(database, "SELECT count(*) FROM sqlite_schema") == 0) {
        return fail(database, database->records->lacks_wal
                                  ? "it has no tables yet: everything that sowerd wrote is in its "
                                    "write-ahead log, and that file is missing"
                                  : "it is empty");
    }
    if (application != SOWER_LEDGER_APPLICATION_ID) {
        return fail(database, "it belongs to another program and is not a ledger");
    }
    if (version < 1) {
        snprintf(reason, sizeof reason, "its schema version, %" PRId64 ", is unknown", version);
        return fail(database, reason);
    }
    if (version != SOWER_LEDGER_SQLITE_VERSION) {
        snprintf(reason, sizeof reason,
                 version < SOWER_LEDGER_SQLITE_VERSION
                     ? "it has schema %" PRId64 ", and this sow reads %d; start the sowerd of the same "
                       "version as this sow once, it upgrades the database"
                     : "it has schema %" PRId64
                       ", and this sow reads %d; use the sow of the same version as its sowerd",
                 version, SOWER_LEDGER_SQLITE_VERSION);
        return fail(database, reason);
    }
    if (ask(database, "SELECT count(*) FROM sqlite_schema WHERE type = 'table'"
                      " AND name IN (" SOWER_LEDGER_TABLES ")") != SOWER_LEDGER_TABLE_COUNT) {
        return fail(database,
                    database->code != SQLITE_OK ? sqlite3_errstr(database->code) : "its tables are missing");
    }
    return RECORDS_DONE;
}

/* Writes the URI of the database for SQLite, with special characters of the path escaped. */
static void print_uri(const char *path, const char *how, char uri[URI_SIZE])
{
    size_t length = (size_t)snprintf(uri, URI_SIZE, "file:");
    for (const char *c = path; *c != '\0'; c++) {
        length += (size_t)snprintf(uri + length, URI_SIZE - length,
                                   strchr("?#%", *c) != NULL ? "%%%02X" : "%c", (unsigned char)*c);
    }
    snprintf(uri + length, URI_SIZE - length, "?%s", how);
}

/* Finds the write-ahead log. It exists from the first opening of the database until the last process closes
 * it. */
static bool find_wal(const char *path, struct stat *status)
{
    char wal[PATH_MAX + 8];
    snprintf(wal, sizeof wal, "%s-wal", path);
    return stat(wal, status) == 0;
}

/* Whether the header of the file says that the database uses a write-ahead log: both version numbers are 2. */
static bool uses_wal(const char *path)
{
    unsigned char header[20] = {0};
    int file = open(path, O_RDONLY | O_CLOEXEC);
    bool uses = file >= 0 && pread(file, header, sizeof header, 0) == sizeof header && header[18] == 2 &&
                header[19] == 2;
    if (file >= 0) {
        close(file);
    }
    return uses;
}

static int open_as(struct database *database, const char *how)
{
    char uri[URI_SIZE];
    print_uri(database->real_path, how, uri);
    int result = sqlite3_open_v2(uri, &database->connection, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, NULL);
    if (result == SQLITE_OK) {
        sqlite3_busy_timeout(database->connection, 1000);
        sqlite3_db_config(database->connection, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    }
    return result;
}

/* Whether SQLite cannot create the -shm file that it needs beside the log, as on a read-only volume. */
static bool cannot_create_shm(struct database *database)
{
    int result = sqlite3_exec(database->connection, "SELECT 1 FROM sqlite_schema", NULL, NULL, NULL);
    return (result & 0xff) == SQLITE_CANTOPEN || (result & 0xff) == SQLITE_READONLY;
}

/* With a write-ahead log, the database is opened like by any reader. If no file can be created beside it,
 * it is opened without locks; that is safe unless the log changes, which was_changed checks. Without a log,
 * the file is opened as immutable. */
static enum records_end open_database(struct database *database)
{
    if (realpath(database->path, database->real_path) == NULL) {
        return fail(database, strerror(errno));
    }
    database->immutable = !find_wal(database->real_path, &database->wal);
    database->records->lacks_wal = database->immutable && uses_wal(database->real_path);
    int result = open_as(database, database->immutable ? "mode=ro&immutable=1" : "mode=ro");
    if (result == SQLITE_OK && !database->immutable && cannot_create_shm(database)) {
        sqlite3_close(database->connection);
        database->unlocked = true;
        result = open_as(database, "mode=ro&vfs=unix-none");
        if (result == SQLITE_OK) {
            result = sqlite3_exec(database->connection, "PRAGMA locking_mode = EXCLUSIVE", NULL, NULL, NULL);
        }
    }
    return result == SQLITE_OK ? RECORDS_DONE : fail(database, sqlite3_errmsg(database->connection));
}

/* Whether another process may have changed the database while it was read without locks. */
static bool was_changed(const struct database *database)
{
    struct stat wal;
    if (database->immutable) {
        return find_wal(database->real_path, &wal);
    }
    return database->unlocked &&
           (!find_wal(database->real_path, &wal) || wal.st_size != database->wal.st_size ||
            wal.st_mtim.tv_sec != database->wal.st_mtim.tv_sec ||
            wal.st_mtim.tv_nsec != database->wal.st_mtim.tv_nsec);
}

static enum records_end check_pages(struct database *database)
{
    struct records *records = database->records;
    char finding[PAGES_SIZE];
    database->shown = records->progress.total / 2;
    int found =
        pages_check(database->connection, database->last, &records->progress, database->shown, finding);
    if (found == SQLITE_DONE) {
        return RECORDS_DONE;
    }
    if (found != SQLITE_ROW) {
        return fail(database, sqlite3_errmsg(database->connection));
    }
    progress_end(&records->progress);
    report_failure(records->options, "the database %s is damaged: %s.", database->path, finding);
    records_hint(records, database->path);
    records->result = SOW_REFUSED;
    return RECORDS_FAILED;
}

static enum records_end check_bookkeeping(struct database *database)
{
    struct records *records = database->records;
    char finding[BOOKKEEPING_SIZE];
    int found = bookkeeping_check(database->connection, finding);
    if (found == SQLITE_DONE) {
        return RECORDS_DONE;
    }
    if (found != SQLITE_ROW) {
        return fail(database, sqlite3_errmsg(database->connection));
    }
    progress_end(&records->progress);
    report_failure(
        records->options,
        "the lines of %s are intact, but its entry for %s does not follow from them: it was changed.",
        database->path, finding);
    records_hint(records, database->path);
    records->result = SOW_REFUSED;
    return RECORDS_FAILED;
}

/* If the caller wants the ends of the chains, everything is checked; otherwise only the lines are read. */
static enum records_end read_all(struct database *database)
{
    const bool check_all = database->records->take_end != NULL;
    enum records_end end = check_schema(database);
    if (end == RECORDS_DONE) {
        int64_t last = ask(database, "SELECT coalesce(max(ledger), 0) FROM line");
        database->last = last > 0 ? (uint64_t)last : 0;
    }
    end = end == RECORDS_DONE && check_all ? check_pages(database) : end;
    end = end == RECORDS_DONE ? read_rows(database, LINES, take_record) : end;
    end = end == RECORDS_DONE && check_all ? read_rows(database, ENDS, take_end) : end;
    return end == RECORDS_DONE && check_all ? check_bookkeeping(database) : end;
}

enum records_end records_read_database(struct records *records, const char *path)
{
    records->is_database = true;
    struct database database = {.records = records, .path = path, .problem = &records->problem};
    enum records_end end = open_database(&database);
    if (end == RECORDS_DONE) {
        end = sqlite3_exec(database.connection, "BEGIN", NULL, NULL, NULL) == SQLITE_OK
                  ? read_all(&database)
                  : fail(&database, sqlite3_errmsg(database.connection));
    }
    sqlite3_close(database.connection);
    if (end != RECORDS_FAILED && was_changed(&database)) {
        end = fail(&database, "a daemon has opened it in the meantime; try again");
    }
    return end;
}
