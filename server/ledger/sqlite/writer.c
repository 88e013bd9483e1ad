#include "server/ledger/sqlite/writer.h"

#include <sys/statvfs.h>

#include "proto/ledger_tables.h"
#include "server/ledger/sqlite/statement.h"
#include "server/ledger/sqlite/wal.h"
#include "server/ledger/store_models.h"
#include "server/ledger/store_records.h"

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
    [INSERT_MANIFEST] =
        "INSERT INTO manifest (" SOWER_LEDGER_MANIFEST_COLUMNS ") VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
};

_Static_assert((int)STATEMENT_COUNT == (int)SOWER_SQLITE_WRITER_STATEMENTS,
               "the header says how many there are");

static struct sower_sqlite_writer *of(struct sower_store_writer *writer)
{
    return (struct sower_sqlite_writer *)writer;
}

/* Runs one of the writer's statements that return no rows. */
static bool run(struct sower_sqlite_writer *writer, enum statement which, struct sower_problem *problem)
{
    sqlite3_stmt *statement = writer->statements[which];
    bool done = sqlite3_step(statement) == SQLITE_DONE || sower_sqlite_fail(writer->database, problem);
    sower_sqlite_finish(statement);
    return done;
}

/* Rolls back the transaction, if there is one. If that fails (out of memory, for example), the rollback before the
 * next transaction does it. */
static void roll_back(struct sower_sqlite_writer *writer)
{
    if (!sqlite3_get_autocommit(writer->database)) {
        (void)sower_sqlite_run(writer->statements[ROLLBACK]);
    }
}

/* SQLite would go on writing to a file that was deleted or moved, and the lines would be lost with it. */
static bool check_in_place(struct sower_sqlite_writer *writer, struct sower_problem *problem)
{
    int moved = 0;
    if (sqlite3_file_control(writer->database, "main", SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK &&
        moved == 0) {
        return true;
    }
    return sower_problem_set(problem, SOWER_PROBLEM_UNAVAILABLE, "",
                             "The ledger cannot be used now: its file was moved or deleted.");
}

/* In a transaction, several look-ups lock the file once. */
static bool begin_reading(struct sower_sqlite_writer *writer, struct sower_problem *problem)
{
    sower_sqlite_lines_forget(&writer->lines);
    roll_back(writer);
    return run(writer, BEGIN_READING, problem);
}

static bool begin_writing(struct sower_store_writer *base, struct sower_problem *problem)
{
    struct sower_sqlite_writer *writer = of(base);
    roll_back(writer);
    sower_quotas_begin(&base->quotas);
    return check_in_place(writer, problem) && run(writer, BEGIN, problem) &&
           sower_sqlite_lines_begin(&writer->lines, problem);
}

/* Commits a write transaction if everything succeeded (`done`), else rolls it back. */
static bool end_writing(struct sower_store_writer *base, bool done, struct sower_problem *problem)
{
    struct sower_sqlite_writer *writer = of(base);
    if (done && sower_sqlite_lines_end(&writer->lines, problem) &&
        sower_sqlite_quotas_end(&writer->quotas, problem) && run(writer, COMMIT, problem)) {
        sower_quotas_committed(&base->quotas);
        sower_store_note_write(base, &writer->lines.append);
        return true;
    }
    roll_back(writer); /* SQLite has done that itself after some errors */
    return false;
}

static bool find(struct sower_store_writer *base, struct sower_store_draw *const *draws, size_t count,
                 struct sower_problem *problem)
{
    struct sower_sqlite_writer *writer = of(base);
    bool done = begin_reading(writer, problem);
    for (size_t i = 0; i < count && done; i++) {
        done = sower_sqlite_lines_find(&writer->lines, draws[i], problem);
    }
    roll_back(writer);
    return done;
}

/* Adds a draw if it is new and not refused. */
static bool add(struct sower_sqlite_writer *writer, struct sower_store_draw *draw,
                struct sower_problem *problem)
{
    if (!sower_sqlite_lines_find(&writer->lines, draw, problem)) {
        return false;
    }
    if (draw->outcome != SOWER_DRAW_NEW) {
        return true;
    }
    if (!sower_sqlite_quotas_find(&writer->quotas, draw->account, problem)) {
        return false;
    }
    if (!sower_quotas_take(&writer->writer.quotas, draw->account)) {
        return true;
    }
    draw->outcome = SOWER_DRAW_RECORDED;
    return sower_sqlite_lines_add(&writer->lines, &draw->record, problem);
}

static bool add_all(struct sower_store_writer *base, struct sower_store_draw *const *draws, size_t count,
                    struct sower_problem *problem)
{
    bool done = true;
    for (size_t i = 0; i < count && done; i++) {
        done = add(of(base), draws[i], problem);
    }
    return done;
}

static bool append(struct sower_store_writer *base, struct sower_store_draw *const *draws, size_t count,
                   struct sower_problem *problem)
{
    bool done = begin_writing(base, problem) && add_all(base, draws, count, problem);
    return end_writing(base, done, problem);
}

static bool find_manifest(struct sower_store_writer *base, const uint8_t hash[32], bool *found,
                          struct sower_problem *problem)
{
    struct sower_sqlite_writer *writer = of(base);
    roll_back(writer);
    sqlite3_stmt *statement = writer->statements[FIND_MANIFEST];
    bool done = (sower_sqlite_bind_bytes(statement, 1, hash) && sower_sqlite_seek(statement, found)) ||
                sower_sqlite_fail(writer->database, problem);
    sower_sqlite_finish(statement);
    return done;
}

static bool add_manifest(struct sower_store_writer *base, const struct sower_store_model *model,
                         struct sower_problem *problem)
{
    struct sower_sqlite_writer *writer = of(base);
    sqlite3_stmt *statement = writer->statements[INSERT_MANIFEST];
    bool done = (sower_sqlite_bind_bytes(statement, 1, model->manifest) &&
                 sqlite3_bind_int64(statement, 2, model->time) == SQLITE_OK &&
                 sqlite3_bind_blob64(statement, 3, model->text, model->length, SQLITE_STATIC) == SQLITE_OK &&
                 sqlite3_step(statement) == SQLITE_DONE) ||
                sower_sqlite_fail(writer->database, problem);
    sower_sqlite_finish(statement);
    return done;
}

static bool find_quota(struct sower_store_writer *base, const struct sower_account *account,
                       struct sower_problem *problem)
{
    return sower_sqlite_quotas_find(&of(base)->quotas, account, problem);
}

static const struct sower_store_model_steps model_steps = {
    .find_manifest = find_manifest,
    .begin = begin_writing,
    .find_quota = find_quota,
    .add_manifest = add_manifest,
    .add = add_all,
    .end = end_writing,
};

static bool find_model(struct sower_store_writer *base, struct sower_store_model *model,
                       struct sower_problem *problem)
{
    return sower_store_find_model(base, &model_steps, model, problem);
}

static bool append_model(struct sower_store_writer *base, struct sower_store_model *model,
                         struct sower_problem *problem)
{
    return sower_store_append_model(base, &model_steps, model, problem);
}

static bool find_trials(struct sower_store_writer *base, struct sower_store_trials *const *requests,
                        size_t count, struct sower_problem *problem)
{
    struct sower_sqlite_writer *writer = of(base);
    bool done = begin_reading(writer, problem);
    for (size_t i = 0; i < count && done; i++) {
        done = sower_sqlite_lines_find_trials(&writer->lines, requests[i], problem);
    }
    roll_back(writer);
    return done;
}

static bool give(struct sower_sqlite_writer *writer, struct sower_store_trials *request,
                 struct sower_problem *problem)
{
    struct sower_sqlite_lines *lines = &writer->lines;
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
    if (!sower_sqlite_quotas_find(&writer->quotas, request->account, problem)) {
        return false;
    }
    if (!sower_quotas_take(&writer->writer.quotas, request->account)) {
        return true;
    }
    if (!sower_sqlite_lines_add(lines, &record, problem)) {
        return false;
    }
    sower_store_trials_given(request, &record);
    return true;
}

static bool give_trials(struct sower_store_writer *base, struct sower_store_trials *const *requests,
                        size_t count, struct sower_problem *problem)
{
    struct sower_sqlite_writer *writer = of(base);
    bool done = begin_writing(base, problem);
    for (size_t i = 0; i < count && done; i++) {
        done = give(writer, requests[i], problem);
    }
    return end_writing(base, done, problem);
}

static bool pin(struct sower_store_writer *base, struct sower_store_pin *pin, struct sower_problem *problem)
{
    struct sower_sqlite_writer *writer = of(base);
    struct sower_sqlite_lines *lines = &writer->lines;
    struct sower_record record;
    sower_store_pin_record(pin, &record);
    bool done = begin_writing(base, problem) &&
                sower_sqlite_lines_experiment(lines, &pin->root_id, pin->experiment, false, problem) &&
                sower_sqlite_quotas_find(&writer->quotas, pin->account, problem);
    if (done && (lines->experiment.pinned != 0) == pin->pinned) {
        pin->ledger = lines->experiment.pinned;
        roll_back(writer);
        return true;
    }
    if (done && !sower_quotas_take(&base->quotas, pin->account)) {
        roll_back(writer);
        return true;
    }
    done = end_writing(base, done && sower_sqlite_lines_add(lines, &record, problem), problem);
    pin->ledger = record.ledger;
    return done;
}

static bool measure(struct sower_store_writer *base, struct sower_store_size *size,
                    struct sower_problem *problem)
{
    sqlite3 *database = of(base)->database;
    sqlite3_file *file = NULL;
    sqlite3_int64 bytes;
    struct statvfs disk;
    int code = sqlite3_file_control(database, "main", SQLITE_FCNTL_FILE_POINTER, &file);
    code = code == SQLITE_OK ? file->pMethods->xFileSize(file, &bytes) : code;
    if (code != SQLITE_OK) {
        return sower_sqlite_fail_as(code, problem);
    }
    size->bytes = (uint64_t)bytes + sower_sqlite_wal_size(database);
    size->free = statvfs(sqlite3_db_filename(database, "main"), &disk) == 0
                     ? (uint64_t)disk.f_bavail * disk.f_frsize
                     : UINT64_MAX;
    return true;
}

static bool shrink(struct sower_store_writer *base)
{
    struct sower_sqlite_writer *writer = of(base);
    roll_back(writer);
    return sower_sqlite_wal_size(writer->database) > 0 && sower_sqlite_wal_empty(writer->database);
}

/* Writes to the disk all that a commit of one draw would write. It changes one page more (PROBE), because another
 * draw might need a new page of an index. */
static bool write_probe(struct sower_sqlite_writer *writer, int64_t time, struct sower_problem *problem)
{
    struct sower_record record;
    sower_store_probe_record(time, &record);
    if (!sower_sqlite_lines_add(&writer->lines, &record, problem) ||
        !sower_sqlite_lines_end(&writer->lines, problem) || !run(writer, PROBE, problem)) {
        return false;
    }
    int code = sower_sqlite_wal_flush(writer->database);
    return code == SQLITE_OK || sower_sqlite_fail_as(code, problem);
}

static bool probe(struct sower_store_writer *base, int64_t time, struct sower_problem *problem)
{
    struct sower_sqlite_writer *writer = of(base);
    bool well = begin_writing(base, problem);
    const struct sower_append before = writer->lines.append;
    well = well && write_probe(writer, time, problem);
    roll_back(writer);
    if (well) {
        sower_store_note_write(base, &before);
    }
    return well;
}

static const struct sower_store_writer_methods methods = {
    .find = find,
    .append = append,
    .find_model = find_model,
    .append_model = append_model,
    .find_trials = find_trials,
    .give_trials = give_trials,
    .pin = pin,
    .knows_disk = true,
    .measure = measure,
    .shrink = shrink,
    .probe = probe,
};

bool sower_sqlite_writer_prepare(struct sower_sqlite_writer *writer, sqlite3 *database,
                                 const uint8_t key[SOWER_WRITER_SIZE])
{
    writer->writer.methods = &methods;
    writer->database = database;
    return sower_sqlite_prepare(database, statement_text, STATEMENT_COUNT, writer->statements) &&
           sower_sqlite_lines_prepare(&writer->lines, database, key) &&
           sower_sqlite_quotas_prepare(&writer->quotas, &writer->writer.quotas, database, key);
}

void sower_sqlite_writer_close(struct sower_sqlite_writer *writer)
{
    for (size_t i = 0; i < STATEMENT_COUNT; i++) {
        sqlite3_finalize(writer->statements[i]);
    }
    sower_sqlite_lines_close(&writer->lines);
    sower_sqlite_quotas_close(&writer->quotas);
}
