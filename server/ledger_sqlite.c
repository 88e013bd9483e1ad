#include "ledger_sqlite.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "ledger_sqlite_trials.h"

enum {
    APPLICATION_ID = 0x536f7772, /* "Sowr": which program a SQLite file belongs to */
    SCHEMA_VERSION = 3,
    BUSY_MILLISECONDS = 1000, /* how long a lock of another process is waited for */
};

/* One entry for each version: what leads to it from the one before.
 *
 * One row per line. Ids and seeds are blobs of 32 bytes; the rest reads as in the printed line. `probe` holds
 * one row that is rewritten to see whether writing works. */
static const char *const schema[SCHEMA_VERSION] = {
    "CREATE TABLE draw (ledger INTEGER PRIMARY KEY, time INTEGER NOT NULL, draw BLOB NOT NULL UNIQUE,"
    " seed BLOB NOT NULL, root BLOB NOT NULL, spec INTEGER NOT NULL, experiment TEXT NOT NULL,"
    " trial INTEGER NOT NULL, name TEXT NOT NULL, shape TEXT NOT NULL, dtype TEXT NOT NULL, init TEXT NOT "
    "NULL,"
    " layout TEXT NOT NULL) STRICT;"
    "CREATE INDEX draw_experiment ON draw (experiment);"
    "CREATE TABLE probe (id INTEGER PRIMARY KEY, count INTEGER NOT NULL) STRICT;"
    "INSERT INTO probe VALUES (0, 0);",
    "ALTER TABLE draw ADD COLUMN manifest BLOB;"
    "CREATE TABLE manifest (hash BLOB PRIMARY KEY, time INTEGER NOT NULL, text BLOB NOT NULL) STRICT;",
    SOWER_SQLITE_TRIALS_SCHEMA,
};

#define COLUMNS                                                                                              \
    "ledger, time, draw, seed, root, spec, experiment, trial, name, shape, dtype, init, layout, manifest"

enum statement {
    FIND,
    INSERT,
    FIND_MANIFEST,
    INSERT_MANIFEST,
    BEGIN_READING,
    BEGIN,
    COMMIT,
    PROBE,
    LAST, /* from here on they are the reader's */
    PAGE,
    PAGE_EXPERIMENT,
    MANIFEST,
    STATEMENT_COUNT
};

static const char *const statement_text[STATEMENT_COUNT] = {
    [FIND] = "SELECT ledger FROM draw WHERE draw = ?1",
    [INSERT] = "INSERT INTO draw (" COLUMNS
               ") VALUES (NULL, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)"
               " ON CONFLICT (draw) DO NOTHING",
    [FIND_MANIFEST] = "SELECT 1 FROM manifest WHERE hash = ?1",
    [INSERT_MANIFEST] = "INSERT INTO manifest (hash, time, text) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
    [BEGIN_READING] = "BEGIN",
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
    [PROBE] = "UPDATE probe SET count = count + 1",
    [LAST] = "SELECT coalesce(max(ledger), 0) FROM draw",
    [PAGE] = "SELECT " COLUMNS " FROM draw WHERE ledger > ?1 AND ledger <= ?2 ORDER BY ledger LIMIT ?3",
    [PAGE_EXPERIMENT] = "SELECT " COLUMNS " FROM draw WHERE experiment = ?4 AND ledger > ?1 AND ledger <= ?2"
                        " ORDER BY ledger LIMIT ?3",
    [MANIFEST] = "SELECT text FROM manifest WHERE hash = ?1",
};

struct sqlite_store {
    struct sower_store store;
    sqlite3 *writer, *reader;
    pthread_mutex_t reading; /* guards `reader` and its statements */
    sqlite3_stmt *statements[STATEMENT_COUNT];
    struct sower_sqlite_trials trials; /* the writer's */
};

static struct sqlite_store *of(struct sower_store *store)
{
    return (struct sqlite_store *)store;
}

static bool is_readers(enum statement statement)
{
    return statement >= LAST;
}

/* What a client is told: SQLite's own words for what went wrong hold no paths. */
static bool fail(sqlite3 *database, struct sower_problem *problem)
{
    return sower_problem_set(problem, SOWER_PROBLEM_UNAVAILABLE, "", "The ledger cannot be used now: %s.",
                             sqlite3_errstr(sqlite3_extended_errcode(database)));
}

/* Runs a statement that gives no row. */
static bool run(struct sqlite_store *store, enum statement statement, struct sower_problem *problem)
{
    int code = sqlite3_step(store->statements[statement]);
    bool done = code == SQLITE_DONE || fail(store->writer, problem);
    sqlite3_reset(store->statements[statement]);
    return done;
}

/* A row's bytes are used before the statement is reset, so nothing is copied (SQLITE_STATIC). */
static int bind_bytes(sqlite3_stmt *statement, int column, const uint8_t bytes[32])
{
    return sqlite3_bind_blob(statement, column, bytes, 32, SQLITE_STATIC);
}

static int bind_text(sqlite3_stmt *statement, int column, const char *text)
{
    return sqlite3_bind_text(statement, column, text, -1, SQLITE_STATIC);
}

static bool find_one(struct sqlite_store *store, struct sower_record *record, struct sower_problem *problem)
{
    sqlite3_stmt *statement = store->statements[FIND];
    int code = bind_bytes(statement, 1, record->draw.bytes);
    if (code == SQLITE_OK) {
        code = sqlite3_step(statement);
    }
    record->ledger = code == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(statement, 0) : 0;
    bool found = code == SQLITE_ROW || code == SQLITE_DONE || fail(store->writer, problem);
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return found;
}

/* Ends the transaction, if there is one; nothing can be done about a rollback that fails. */
static void roll_back(struct sqlite_store *store)
{
    if (!sqlite3_get_autocommit(store->writer)) {
        sqlite3_exec(store->writer, "ROLLBACK", NULL, NULL, NULL);
    }
}

/* In one transaction, so that the file is locked once and not for every draw. */
static bool find(struct sower_store *base, struct sower_record *const *records, size_t count,
                 struct sower_problem *problem)
{
    struct sqlite_store *store = of(base);
    bool done = run(store, BEGIN_READING, problem);
    for (size_t i = 0; i < count && done; i++) {
        done = find_one(store, records[i], problem);
    }
    roll_back(store);
    return done;
}

static bool bind_record(sqlite3_stmt *statement, const struct sower_record *record)
{
    return sqlite3_bind_int64(statement, 2, record->time) == SQLITE_OK &&
           bind_bytes(statement, 3, record->draw.bytes) == SQLITE_OK &&
           bind_bytes(statement, 4, record->seed.bytes) == SQLITE_OK &&
           bind_bytes(statement, 5, record->root_id.bytes) == SQLITE_OK &&
           sqlite3_bind_int64(statement, 6, record->spec) == SQLITE_OK &&
           bind_text(statement, 7, record->experiment) == SQLITE_OK &&
           sqlite3_bind_int64(statement, 8, (int64_t)record->trial) == SQLITE_OK &&
           bind_text(statement, 9, record->name) == SQLITE_OK &&
           bind_text(statement, 10, record->shape) == SQLITE_OK &&
           bind_text(statement, 11, record->dtype) == SQLITE_OK &&
           bind_text(statement, 12, record->initializer) == SQLITE_OK &&
           bind_text(statement, 13, record->layout) == SQLITE_OK &&
           (!record->has_manifest || bind_bytes(statement, 14, record->manifest) == SQLITE_OK);
}

static bool insert(struct sqlite_store *store, struct sower_record *record, struct sower_problem *problem)
{
    sqlite3_stmt *statement = store->statements[INSERT];
    bool done = bind_record(statement, record) && sqlite3_step(statement) == SQLITE_DONE;
    if (!done) {
        fail(store->writer, problem);
    }
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    if (!done) {
        return false;
    }
    if (sqlite3_changes(store->writer) == 0) {
        return find_one(store, record, problem);
    }
    record->ledger = (uint64_t)sqlite3_last_insert_rowid(store->writer);
    return true;
}

/* SQLite goes on writing to a file that was deleted or moved away; those lines would be lost with it. */
static bool check_in_place(struct sqlite_store *store, struct sower_problem *problem)
{
    int moved = 0;
    if (sqlite3_file_control(store->writer, "main", SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK &&
        moved == 0) {
        return true;
    }
    return sower_problem_set(problem, SOWER_PROBLEM_UNAVAILABLE, "",
                             "The ledger cannot be used now: its file was moved or deleted.");
}

/* Ends a transaction in which all went well (`done`), or takes it back. */
static bool end(struct sqlite_store *store, bool done, struct sower_problem *problem)
{
    if (done && run(store, COMMIT, problem)) {
        return true;
    }
    roll_back(store); /* some failures did that by themselves */
    return false;
}

/* A transaction of `count` inserts, or of a probe when there are none. */
static bool write_batch(struct sqlite_store *store, struct sower_record *const *records, size_t count,
                        struct sower_problem *problem)
{
    if (!check_in_place(store, problem) || !run(store, BEGIN, problem)) {
        return false;
    }
    bool done = count > 0 || run(store, PROBE, problem);
    for (size_t i = 0; i < count && done; i++) {
        done = insert(store, records[i], problem);
    }
    return end(store, done, problem);
}

static bool append(struct sower_store *base, struct sower_record *const *records, size_t count,
                   struct sower_problem *problem)
{
    return count == 0 || write_batch(of(base), records, count, problem);
}

/* The n-th draw of a model. */
static void make_record(const struct sower_store_model *model, size_t n, struct sower_record *record)
{
    model->fill(model->context, n, record);
    record->time = model->time;
    record->has_manifest = true;
    memcpy(record->manifest, model->manifest, sizeof record->manifest);
}

static bool find_manifest(struct sqlite_store *store, const uint8_t hash[32], bool *found,
                          struct sower_problem *problem)
{
    sqlite3_stmt *statement = store->statements[FIND_MANIFEST];
    int code = bind_bytes(statement, 1, hash);
    if (code == SQLITE_OK) {
        code = sqlite3_step(statement);
    }
    *found = code == SQLITE_ROW;
    bool done = code == SQLITE_ROW || code == SQLITE_DONE || fail(store->writer, problem);
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return done;
}

/* Whether all of a model is there. For a new one the first look tells that it is not. */
static bool find_model(struct sqlite_store *store, const struct sower_store_model *model, bool *found,
                       struct sower_problem *problem)
{
    struct sower_record record;
    bool done = run(store, BEGIN_READING, problem) && find_manifest(store, model->manifest, found, problem);
    for (size_t n = 0; n < model->count && done && *found; n++) {
        make_record(model, n, &record);
        done = find_one(store, &record, problem);
        *found = record.ledger != 0;
    }
    roll_back(store);
    return done;
}

static bool insert_manifest(struct sqlite_store *store, const struct sower_store_model *model,
                            struct sower_problem *problem)
{
    sqlite3_stmt *statement = store->statements[INSERT_MANIFEST];
    bool done = bind_bytes(statement, 1, model->manifest) == SQLITE_OK &&
                sqlite3_bind_int64(statement, 2, model->time) == SQLITE_OK &&
                sqlite3_bind_blob64(statement, 3, model->text, model->length, SQLITE_STATIC) == SQLITE_OK &&
                sqlite3_step(statement) == SQLITE_DONE;
    if (!done) {
        fail(store->writer, problem);
    }
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return done;
}

static bool append_model(struct sower_store *base, struct sower_store_model *model,
                         struct sower_problem *problem)
{
    struct sqlite_store *store = of(base);
    struct sower_record record;
    bool found;
    if (!find_model(store, model, &found, problem)) {
        return false;
    }
    model->written = !found;
    if (found) {
        return true;
    }
    if (!check_in_place(store, problem) || !run(store, BEGIN, problem)) {
        return false;
    }
    bool done = insert_manifest(store, model, problem);
    for (size_t n = 0; n < model->count && done; n++) {
        make_record(model, n, &record);
        done = insert(store, &record, problem);
    }
    return end(store, done, problem);
}

static bool find_trials(struct sower_store *base, struct sower_store_trials *const *requests, size_t count,
                        struct sower_problem *problem)
{
    struct sqlite_store *store = of(base);
    bool done = run(store, BEGIN_READING, problem);
    for (size_t i = 0; i < count && done; i++) {
        done = sower_sqlite_trials_find(&store->trials, requests[i]) || fail(store->writer, problem);
    }
    roll_back(store);
    return done;
}

static bool give_trials(struct sower_store *base, struct sower_store_trials *const *requests, size_t count,
                        struct sower_problem *problem)
{
    struct sqlite_store *store = of(base);
    if (!check_in_place(store, problem) || !run(store, BEGIN, problem)) {
        return false;
    }
    bool done = true;
    for (size_t i = 0; i < count && done; i++) {
        done = sower_sqlite_trials_give(&store->trials, requests[i]) || fail(store->writer, problem);
    }
    return end(store, done, problem);
}

/* Copies the statement's blob; NULL when memory runs out. */
static char *copy_blob(sqlite3_stmt *statement, size_t *length)
{
    const void *blob = sqlite3_column_blob(statement, 0);
    *length = (size_t)sqlite3_column_bytes(statement, 0);
    char *copy = blob == NULL ? NULL : malloc(*length);
    if (copy != NULL) {
        memcpy(copy, blob, *length);
    }
    return copy;
}

static bool manifest(struct sower_store *base, const uint8_t hash[32], char **text, size_t *length,
                     struct sower_problem *problem)
{
    struct sqlite_store *store = of(base);
    sqlite3_stmt *statement = store->statements[MANIFEST];
    *text = NULL;
    pthread_mutex_lock(&store->reading);
    int code = bind_bytes(statement, 1, hash);
    if (code == SQLITE_OK) {
        code = sqlite3_step(statement);
    }
    bool done = code == SQLITE_ROW || code == SQLITE_DONE || fail(store->reader, problem);
    if (code == SQLITE_ROW && (*text = copy_blob(statement, length)) == NULL) {
        done = sower_problem_set(problem, SOWER_PROBLEM_UNAVAILABLE, "", "The daemon is out of memory.");
    }
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    pthread_mutex_unlock(&store->reading);
    return done;
}

static bool probe(struct sower_store *base, struct sower_problem *problem)
{
    return write_batch(of(base), NULL, 0, problem);
}

static bool last(struct sower_store *base, uint64_t *line, struct sower_problem *problem)
{
    struct sqlite_store *store = of(base);
    sqlite3_stmt *statement = store->statements[LAST];
    pthread_mutex_lock(&store->reading);
    bool found = sqlite3_step(statement) == SQLITE_ROW || fail(store->reader, problem);
    if (found) {
        *line = (uint64_t)sqlite3_column_int64(statement, 0);
    }
    sqlite3_reset(statement);
    pthread_mutex_unlock(&store->reading);
    return found;
}

static void read_bytes(sqlite3_stmt *statement, int column, uint8_t bytes[32])
{
    const void *blob = sqlite3_column_blob(statement, column);
    memset(bytes, 0, 32);
    if (blob != NULL && sqlite3_column_bytes(statement, column) == 32) {
        memcpy(bytes, blob, 32);
    }
}

static void read_text(sqlite3_stmt *statement, int column, char *text, size_t size)
{
    const unsigned char *stored = sqlite3_column_text(statement, column);
    size_t length = stored == NULL ? 0 : (size_t)sqlite3_column_bytes(statement, column);
    if (length >= size) {
        length = size - 1;
    }
    if (length > 0) {
        memcpy(text, stored, length);
    }
    text[length] = '\0';
}

static void read_record(sqlite3_stmt *statement, struct sower_record *record)
{
    record->ledger = (uint64_t)sqlite3_column_int64(statement, 0);
    record->time = sqlite3_column_int64(statement, 1);
    read_bytes(statement, 2, record->draw.bytes);
    read_bytes(statement, 3, record->seed.bytes);
    read_bytes(statement, 4, record->root_id.bytes);
    record->spec = (unsigned)sqlite3_column_int64(statement, 5);
    read_text(statement, 6, record->experiment, sizeof record->experiment);
    record->trial = (uint64_t)sqlite3_column_int64(statement, 7);
    read_text(statement, 8, record->name, sizeof record->name);
    read_text(statement, 9, record->shape, sizeof record->shape);
    read_text(statement, 10, record->dtype, sizeof record->dtype);
    read_text(statement, 11, record->initializer, sizeof record->initializer);
    read_text(statement, 12, record->layout, sizeof record->layout);
    record->has_manifest = sqlite3_column_type(statement, 13) != SQLITE_NULL;
    read_bytes(statement, 13, record->manifest);
}

static bool page(struct sower_store *base, const struct sower_page *page, sower_store_visit *visit,
                 void *context, struct sower_problem *problem)
{
    struct sqlite_store *store = of(base);
    sqlite3_stmt *statement = store->statements[page->experiment != NULL ? PAGE_EXPERIMENT : PAGE];
    struct sower_record record;
    pthread_mutex_lock(&store->reading);
    int code = sqlite3_bind_int64(statement, 1, (int64_t)page->after);
    if (code == SQLITE_OK) {
        code = sqlite3_bind_int64(statement, 2, (int64_t)page->until);
    }
    if (code == SQLITE_OK) {
        code = sqlite3_bind_int64(statement, 3, (int64_t)page->count);
    }
    if (code == SQLITE_OK && page->experiment != NULL) {
        code = bind_text(statement, 4, page->experiment);
    }
    bool going = true;
    while (code == SQLITE_OK && going) {
        code = sqlite3_step(statement);
        if (code != SQLITE_ROW) {
            break;
        }
        read_record(statement, &record);
        going = visit(context, &record);
        code = SQLITE_OK;
    }
    bool done = code == SQLITE_DONE || code == SQLITE_OK || fail(store->reader, problem);
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    pthread_mutex_unlock(&store->reading);
    return done;
}

static void close_store(struct sower_store *base)
{
    struct sqlite_store *store = of(base);
    for (size_t i = 0; i < STATEMENT_COUNT; i++) {
        sqlite3_finalize(store->statements[i]);
    }
    sower_sqlite_trials_close(&store->trials);
    sqlite3_close(store->reader);
    sqlite3_close(store->writer);
    pthread_mutex_destroy(&store->reading);
    free(store);
}

static const struct sower_store_methods methods = {
    .find = find,
    .append = append,
    .append_model = append_model,
    .find_trials = find_trials,
    .give_trials = give_trials,
    .manifest = manifest,
    .probe = probe,
    .last = last,
    .page = page,
    .close = close_store,
};

/* The first column of a query's one row. */
static bool ask(sqlite3 *database, const char *query, int64_t *answer)
{
    sqlite3_stmt *statement;
    if (sqlite3_prepare_v2(database, query, -1, &statement, NULL) != SQLITE_OK) {
        return false;
    }
    bool found = sqlite3_step(statement) == SQLITE_ROW;
    if (found) {
        *answer = sqlite3_column_int64(statement, 0);
    }
    return sqlite3_finalize(statement) == SQLITE_OK && found;
}

static bool refuse_open(sqlite3 *database, const char *path, struct sower_problem *problem)
{
    return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "--ledger",
                             "The ledger %s cannot be opened: %s.", path,
                             database == NULL ? "out of memory" : sqlite3_errmsg(database));
}

static bool open_connection(const char *path, const char *pragmas, sqlite3 **database,
                            struct sower_problem *problem)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    if (sqlite3_open_v2(path, database, flags, NULL) != SQLITE_OK ||
        sqlite3_busy_timeout(*database, BUSY_MILLISECONDS) != SQLITE_OK ||
        sqlite3_exec(*database, pragmas, NULL, NULL, NULL) != SQLITE_OK) {
        return refuse_open(*database, path, problem);
    }
    return true;
}

/* Without a write-ahead log (a database in memory, some network file systems) a reader would stop the writer.
 */
static bool check_log(sqlite3 *database, const char *path, struct sower_problem *problem)
{
    int64_t log;
    if (!ask(database, "SELECT journal_mode = 'wal' FROM pragma_journal_mode", &log)) {
        return refuse_open(database, path, problem);
    }
    return log != 0 || sower_problem_set(problem, SOWER_PROBLEM_INVALID, "--ledger",
                                         "The ledger %s is in a place that takes no write-ahead log.", path);
}

/* Takes a file of version `version` (0: new) to this one, step by step. */
static bool make_schema(sqlite3 *database, int64_t version, const char *path, struct sower_problem *problem)
{
    char pragmas[96];
    sqlite3_snprintf((int)sizeof pragmas, pragmas, "PRAGMA application_id = %d; PRAGMA user_version = %d;",
                     APPLICATION_ID, SCHEMA_VERSION);
    for (int64_t step = version; step < SCHEMA_VERSION; step++) {
        if (sqlite3_exec(database, schema[step], NULL, NULL, NULL) != SQLITE_OK) {
            return refuse_open(database, path, problem);
        }
    }
    return sqlite3_exec(database, pragmas, NULL, NULL, NULL) == SQLITE_OK ||
           refuse_open(database, path, problem);
}

/* Brings the file to this schema, in one transaction, so that two daemons that start together agree. */
static bool check_schema(sqlite3 *database, const char *path, struct sower_problem *problem)
{
    int64_t application, version, tables;
    if (sqlite3_exec(database, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK ||
        !ask(database, "PRAGMA application_id", &application) ||
        !ask(database, "PRAGMA user_version", &version) ||
        !ask(database, "SELECT count(*) FROM sqlite_schema", &tables)) {
        return refuse_open(database, path, problem);
    }
    if (tables == 0 && application == 0 && version == 0) {
        if (!make_schema(database, 0, path, problem)) {
            return false;
        }
    } else if (application != APPLICATION_ID) {
        return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "--ledger",
                                 "The file %s is a database of another program, not a ledger.", path);
    } else if (version > SCHEMA_VERSION) {
        return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "--ledger",
                                 "The ledger %s was written by a newer sowerd (schema %" PRId64
                                 "; this one knows %d); run that one.",
                                 path, version, SCHEMA_VERSION);
    } else if (version < SCHEMA_VERSION && !make_schema(database, version, path, problem)) {
        return false;
    }
    return sqlite3_exec(database, "COMMIT", NULL, NULL, NULL) == SQLITE_OK ||
           refuse_open(database, path, problem);
}

static bool prepare(struct sqlite_store *store, const char *path, struct sower_problem *problem)
{
    for (enum statement i = 0; i < STATEMENT_COUNT; i++) {
        sqlite3 *database = is_readers(i) ? store->reader : store->writer;
        if (sqlite3_prepare_v3(database, statement_text[i], -1, SQLITE_PREPARE_PERSISTENT,
                               &store->statements[i], NULL) != SQLITE_OK) {
            return refuse_open(database, path, problem);
        }
    }
    return sower_sqlite_trials_prepare(&store->trials, store->writer) ||
           refuse_open(store->writer, path, problem);
}

struct sower_store *sower_ledger_sqlite_open(const char *path, struct sower_problem *problem)
{
    struct sqlite_store *store = calloc(1, sizeof *store);
    if (store == NULL) {
        refuse_open(NULL, path, problem);
        return NULL;
    }
    store->store.methods = &methods;
    pthread_mutex_init(&store->reading, NULL);
    if (open_connection(path, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;", &store->writer,
                        problem) &&
        check_log(store->writer, path, problem) && check_schema(store->writer, path, problem) &&
        open_connection(path, "PRAGMA query_only = ON;", &store->reader, problem) &&
        prepare(store, path, problem)) {
        return &store->store;
    }
    close_store(&store->store);
    return NULL;
}
