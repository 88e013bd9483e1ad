#include "server/ledger/sqlite/store.h"

#include <stdlib.h>

#include <sqlite3.h>

#include "server/ledger/sqlite/file.h"
#include "server/ledger/sqlite/lines.h"
#include "server/ledger/sqlite/pages.h"
#include "server/ledger/sqlite/schema.h"
#include "server/ledger/sqlite/statement.h"
#include "server/ledger/sqlite/wal.h"
#include "server/ledger/store_records.h"

enum { BUSY_MILLISECONDS = 1000 }; /* how long a lock of another process is waited for */

/* The log grows to 16,000 pages (64 MB) before it is written back: pages that every commit writes are written
 * back once and not sixteen times, and of 400 requests one meets a commit that has to. 16 MB of pages are
 * kept in memory: a new draw has its place anywhere in an index. */
static const char writer_pragmas[] = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                                     "PRAGMA wal_autocheckpoint = 16000; PRAGMA cache_size = -16384;";

enum statement {
    BEGIN_READING,
    BEGIN,
    COMMIT,
    ROLLBACK,
    PROBE,
    FIND_MANIFEST,
    INSERT_MANIFEST,
    STATEMENT_COUNT
};

static const char *const statement_text[STATEMENT_COUNT] = {
    [BEGIN_READING] = "BEGIN",
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
    [ROLLBACK] = "ROLLBACK",
    [PROBE] = "UPDATE probe SET count = count + 1",
    [FIND_MANIFEST] = "SELECT 1 FROM manifest WHERE hash = ?1",
    [INSERT_MANIFEST] = "INSERT INTO manifest (hash, time, text) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
};

struct sqlite_store {
    struct sower_store store;
    sqlite3 *writer;
    sqlite3_stmt *statements[STATEMENT_COUNT];
    struct sower_sqlite_lines lines; /* the writer's */
    struct sower_sqlite_pages pages; /* the reader */
};

static struct sqlite_store *of(struct sower_store *store)
{
    return (struct sqlite_store *)store;
}

/* Runs one of the writer's statements that give no row. */
static bool run(struct sqlite_store *store, enum statement which, struct sower_problem *problem)
{
    sqlite3_stmt *statement = store->statements[which];
    bool done = sqlite3_step(statement) == SQLITE_DONE || sower_sqlite_fail(store->writer, problem);
    sower_sqlite_finish(statement);
    return done;
}

/* Ends the transaction, if there is one. One that cannot be ended, for a lack of memory perhaps, is ended
 * before the next one begins. */
static void roll_back(struct sqlite_store *store)
{
    if (!sqlite3_get_autocommit(store->writer)) {
        (void)sower_sqlite_run(store->statements[ROLLBACK]);
    }
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

/* A transaction that looks locks the file once and not for every look. */
static bool begin_reading(struct sqlite_store *store, struct sower_problem *problem)
{
    sower_sqlite_lines_forget(&store->lines);
    roll_back(store);
    return run(store, BEGIN_READING, problem);
}

static bool begin_writing(struct sqlite_store *store, struct sower_problem *problem)
{
    roll_back(store);
    return check_in_place(store, problem) && run(store, BEGIN, problem) &&
           sower_sqlite_lines_begin(&store->lines, problem);
}

/* Ends a writing transaction in which all went well (`done`), or takes it back. */
static bool end_writing(struct sqlite_store *store, bool done, struct sower_problem *problem)
{
    if (done && sower_sqlite_lines_end(&store->lines, problem) && run(store, COMMIT, problem)) {
        store->store.chain_time = store->lines.append.time;
        return true;
    }
    roll_back(store); /* some failures did that by themselves */
    return false;
}

static bool find(struct sower_store *base, struct sower_store_draw *const *draws, size_t count,
                 struct sower_problem *problem)
{
    struct sqlite_store *store = of(base);
    bool done = begin_reading(store, problem);
    for (size_t i = 0; i < count && done; i++) {
        done = sower_sqlite_lines_find(&store->lines, draws[i], problem);
    }
    roll_back(store);
    return done;
}

/* Adds a draw that is new and not to be refused. */
static bool add(struct sqlite_store *store, struct sower_store_draw *draw, struct sower_problem *problem)
{
    if (!sower_sqlite_lines_find(&store->lines, draw, problem)) {
        return false;
    }
    if (draw->outcome != SOWER_DRAW_NEW) {
        return true;
    }
    draw->outcome = SOWER_DRAW_RECORDED;
    return sower_sqlite_lines_add(&store->lines, &draw->record, problem);
}

static bool append(struct sower_store *base, struct sower_store_draw *const *draws, size_t count,
                   struct sower_problem *problem)
{
    struct sqlite_store *store = of(base);
    bool done = begin_writing(store, problem);
    for (size_t i = 0; i < count && done; i++) {
        done = add(store, draws[i], problem);
    }
    return end_writing(store, done, problem);
}

static bool find_manifest(struct sqlite_store *store, const uint8_t hash[32], bool *found,
                          struct sower_problem *problem)
{
    sqlite3_stmt *statement = store->statements[FIND_MANIFEST];
    bool done = (sower_sqlite_bind_bytes(statement, 1, hash) && sower_sqlite_seek(statement, found)) ||
                sower_sqlite_fail(store->writer, problem);
    sower_sqlite_finish(statement);
    return done;
}

/* Whether all of a model is there; or one of its draws refused. Unless `all` draws are to be looked at, the
 * first look tells of a new one that it is not. */
static bool look_for_model(struct sqlite_store *store, struct sower_store_model *model, bool all, bool *found,
                           struct sower_problem *problem)
{
    struct sower_store_draw draw;
    model->written = model->refused = false;
    model->drift = 0;
    bool done = begin_reading(store, problem) && find_manifest(store, model->manifest, found, problem);
    for (size_t n = 0; n < model->count && done && (*found || all) && !model->refused; n++) {
        sower_store_model_draw(model, n, &draw);
        done = sower_store_model_goes_on(model, problem) &&
               sower_sqlite_lines_find(&store->lines, &draw, problem);
        sower_store_model_note(model, n, &draw);
        *found = *found && draw.outcome != SOWER_DRAW_NEW;
    }
    roll_back(store);
    return done;
}

static bool find_model(struct sower_store *base, struct sower_store_model *model,
                       struct sower_problem *problem)
{
    bool found;
    return look_for_model(of(base), model, true, &found, problem);
}

static bool insert_manifest(struct sqlite_store *store, const struct sower_store_model *model,
                            struct sower_problem *problem)
{
    sqlite3_stmt *statement = store->statements[INSERT_MANIFEST];
    bool done = (sower_sqlite_bind_bytes(statement, 1, model->manifest) &&
                 sqlite3_bind_int64(statement, 2, model->time) == SQLITE_OK &&
                 sqlite3_bind_blob64(statement, 3, model->text, model->length, SQLITE_STATIC) == SQLITE_OK &&
                 sqlite3_step(statement) == SQLITE_DONE) ||
                sower_sqlite_fail(store->writer, problem);
    sower_sqlite_finish(statement);
    return done;
}

static bool append_model(struct sower_store *base, struct sower_store_model *model,
                         struct sower_problem *problem)
{
    struct sqlite_store *store = of(base);
    struct sower_store_draw draw;
    bool found;
    if (!look_for_model(store, model, false, &found, problem)) {
        return false;
    }
    if (found || model->refused) {
        return true;
    }
    model->drift = 0;
    bool done = begin_writing(store, problem) && insert_manifest(store, model, problem);
    for (size_t n = 0; n < model->count && done && !model->refused; n++) {
        sower_store_model_draw(model, n, &draw);
        done = sower_store_model_goes_on(model, problem) && add(store, &draw, problem);
        sower_store_model_note(model, n, &draw);
    }
    if (done && model->refused) {
        roll_back(store);
        return true;
    }
    model->written = end_writing(store, done, problem);
    return model->written;
}

static bool find_trials(struct sower_store *base, struct sower_store_trials *const *requests, size_t count,
                        struct sower_problem *problem)
{
    struct sqlite_store *store = of(base);
    bool done = begin_reading(store, problem);
    for (size_t i = 0; i < count && done; i++) {
        done = sower_sqlite_lines_find_trials(&store->lines, requests[i], problem);
    }
    roll_back(store);
    return done;
}

static bool give(struct sqlite_store *store, struct sower_store_trials *request,
                 struct sower_problem *problem)
{
    struct sower_sqlite_lines *lines = &store->lines;
    struct sower_record record;
    if (!sower_sqlite_lines_find_trials(lines, request, problem)) {
        return false;
    }
    if (request->outcome != SOWER_TRIALS_NONE) {
        return true;
    }
    if (!sower_sqlite_lines_experiment(lines, &request->root_id, request->experiment, false, problem)) {
        return false;
    }
    if (!sower_store_trials_record(request, lines->experiment.given, &record)) {
        return true;
    }
    if (!sower_sqlite_lines_add(lines, &record, problem)) {
        return false;
    }
    sower_store_trials_given(request, &record);
    return true;
}

static bool give_trials(struct sower_store *base, struct sower_store_trials *const *requests, size_t count,
                        struct sower_problem *problem)
{
    struct sqlite_store *store = of(base);
    bool done = begin_writing(store, problem);
    for (size_t i = 0; i < count && done; i++) {
        done = give(store, requests[i], problem);
    }
    return end_writing(store, done, problem);
}

static bool pin(struct sower_store *base, struct sower_store_pin *pin, struct sower_problem *problem)
{
    struct sqlite_store *store = of(base);
    struct sower_sqlite_lines *lines = &store->lines;
    struct sower_record record;
    sower_store_pin_record(pin, &record);
    bool done = begin_writing(store, problem) &&
                sower_sqlite_lines_experiment(lines, &pin->root_id, pin->experiment, false, problem);
    if (done && (lines->experiment.pinned != 0) == pin->pinned) {
        pin->ledger = lines->experiment.pinned;
        roll_back(store);
        return true;
    }
    done = end_writing(store, done && sower_sqlite_lines_add(lines, &record, problem), problem);
    pin->ledger = record.ledger;
    return done;
}

/* Brings all that a commit of one draw would write to the disk. A page more is changed than that needs, as
 * the place of another draw in an index may need one. */
static bool write_probe(struct sqlite_store *store, int64_t time, struct sower_problem *problem)
{
    struct sower_record record;
    sower_store_probe_record(time, &record);
    if (!sower_sqlite_lines_add(&store->lines, &record, problem) ||
        !sower_sqlite_lines_end(&store->lines, problem) || !run(store, PROBE, problem)) {
        return false;
    }
    int code = sower_sqlite_wal_flush(store->writer);
    return code == SQLITE_OK || sower_sqlite_fail_as(code, problem);
}

static bool probe(struct sower_store *base, int64_t time, struct sower_problem *problem)
{
    struct sqlite_store *store = of(base);
    bool well = begin_writing(store, problem);
    int64_t chain_time = store->lines.append.time;
    well = well && write_probe(store, time, problem);
    roll_back(store);
    if (well) {
        base->chain_time = chain_time;
    }
    return well;
}

static bool last(struct sower_store *base, uint64_t *line, struct sower_problem *problem)
{
    return sower_sqlite_pages_last(&of(base)->pages, line, problem);
}

static bool page(struct sower_store *base, const struct sower_page *page, sower_visit_record *visit,
                 void *context, struct sower_problem *problem)
{
    return sower_sqlite_pages_page(&of(base)->pages, page, visit, context, problem);
}

static bool experiments(struct sower_store *base, uint64_t before, size_t count,
                        sower_visit_experiment *visit, void *context, struct sower_problem *problem)
{
    return sower_sqlite_pages_experiments(&of(base)->pages, before, count, visit, context, problem);
}

static bool experiment(struct sower_store *base, const struct sower_seed *root_id, const char *name,
                       struct sower_experiment *experiment, struct sower_problem *problem)
{
    return sower_sqlite_pages_experiment(&of(base)->pages, root_id, name, experiment, problem);
}

static bool trials(struct sower_store *base, uint64_t experiment, uint64_t from, size_t count,
                   sower_visit_trial *visit, void *context, struct sower_problem *problem)
{
    return sower_sqlite_pages_trials(&of(base)->pages, experiment, from, count, visit, context, problem);
}

static bool heads(struct sower_store *base, size_t count, uint64_t *lines, sower_visit_link *visit,
                  void *context, struct sower_problem *problem)
{
    return sower_sqlite_pages_heads(&of(base)->pages, count, lines, visit, context, problem);
}

static bool manifest(struct sower_store *base, const uint8_t hash[32], char **text, size_t *length,
                     struct sower_problem *problem)
{
    return sower_sqlite_pages_manifest(&of(base)->pages, hash, text, length, problem);
}

static void close_store(struct sower_store *base)
{
    struct sqlite_store *store = of(base);
    for (size_t i = 0; i < STATEMENT_COUNT; i++) {
        sqlite3_finalize(store->statements[i]);
    }
    sower_sqlite_lines_close(&store->lines);
    sower_sqlite_pages_close(&store->pages);
    sqlite3_close(store->writer);
    free(store);
}

static const struct sower_store_methods methods = {
    .find = find,
    .append = append,
    .find_model = find_model,
    .append_model = append_model,
    .find_trials = find_trials,
    .give_trials = give_trials,
    .pin = pin,
    .probe = probe,
    .last = last,
    .page = page,
    .experiments = experiments,
    .experiment = experiment,
    .trials = trials,
    .heads = heads,
    .manifest = manifest,
    .close = close_store,
};

static bool open_connection(const char *path, const char *pragmas, sqlite3 **database,
                            struct sower_problem *problem)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    if (sqlite3_open_v2(path, database, flags, NULL) != SQLITE_OK ||
        sqlite3_busy_timeout(*database, BUSY_MILLISECONDS) != SQLITE_OK ||
        sqlite3_exec(*database, pragmas, NULL, NULL, NULL) != SQLITE_OK) {
        return sower_sqlite_refuse(*database, path, problem);
    }
    return true;
}

/* Without a write-ahead log (a database in memory, some network file systems) a reader would stop the writer.
 */
static bool check_log(sqlite3 *database, const char *path, struct sower_problem *problem)
{
    sqlite3_stmt *statement;
    bool logs = false;
    if (sqlite3_prepare_v2(database, "SELECT 1 FROM pragma_journal_mode WHERE journal_mode = 'wal'", -1,
                           &statement, NULL) != SQLITE_OK ||
        !sower_sqlite_seek(statement, &logs)) {
        sower_sqlite_refuse(database, path, problem);
        sqlite3_finalize(statement);
        return false;
    }
    sqlite3_finalize(statement);
    return logs || sower_problem_set(problem, SOWER_PROBLEM_INVALID, "--ledger",
                                     "The ledger %s is in a place that takes no write-ahead log.", path);
}

static bool open_reader(struct sqlite_store *store, const char *path, const uint8_t writer[SOWER_WRITER_SIZE],
                        struct sower_problem *problem)
{
    sqlite3 *reader;
    if (!open_connection(path, "PRAGMA query_only = ON;", &reader, problem)) {
        sqlite3_close(reader);
        return false;
    }
    return sower_sqlite_pages_prepare(&store->pages, reader, writer) ||
           sower_sqlite_refuse(reader, path, problem);
}

static bool prepare(struct sqlite_store *store, const char *path, const uint8_t writer[SOWER_WRITER_SIZE],
                    struct sower_problem *problem)
{
    return (sower_sqlite_prepare(store->writer, statement_text, STATEMENT_COUNT, store->statements) &&
            sower_sqlite_lines_prepare(&store->lines, store->writer, writer)) ||
           sower_sqlite_refuse(store->writer, path, problem);
}

struct sower_store *sower_ledger_sqlite_open(const char *path, const uint8_t writer[SOWER_WRITER_SIZE],
                                             const struct sower_log *log, struct sower_problem *problem)
{
    if (!sower_sqlite_file_check(path, problem)) {
        return NULL;
    }
    struct sqlite_store *store = calloc(1, sizeof *store);
    if (store == NULL) {
        sower_sqlite_refuse(NULL, path, problem);
        return NULL;
    }
    store->store.methods = &methods;
    if (open_connection(path, writer_pragmas, &store->writer, problem) &&
        check_log(store->writer, path, problem) &&
        sower_sqlite_schema_check(store->writer, path, writer, log, problem) &&
        prepare(store, path, writer, problem) && open_reader(store, path, writer, problem)) {
        return &store->store;
    }
    close_store(&store->store);
    return NULL;
}
