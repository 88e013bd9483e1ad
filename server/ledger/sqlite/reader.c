#include "server/ledger/sqlite/reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/ledger_tables.h"
#include "server/ledger/sqlite/lines.h"
#include "server/ledger/sqlite/statement.h"
#include "server/ledger/store_records.h"

enum statement { LAST, EXPERIMENTS, EXPERIMENT, TRIALS, HEADS, MANIFEST, BEGIN, END, STATEMENT_COUNT };

_Static_assert((int)STATEMENT_COUNT == (int)SOWER_SQLITE_READER_STATEMENTS,
               "the header says how many there are");

static const char *const statement_text[STATEMENT_COUNT] = {
    [LAST] = "SELECT coalesce(max(ledger), 0) FROM line",
    [EXPERIMENTS] =
        "SELECT " SOWER_LEDGER_EXPERIMENT_COLUMNS " FROM experiment WHERE id < ?1 ORDER BY id DESC LIMIT ?2",
    [EXPERIMENT] = "SELECT " SOWER_LEDGER_EXPERIMENT_COLUMNS " FROM experiment WHERE name = ?1 AND root = ?2",
    [TRIALS] = "SELECT trial, draws, first, last FROM trial WHERE experiment = ?1 AND trial >= ?2"
               " ORDER BY trial LIMIT ?3",
    [HEADS] = "SELECT key, sequence, link FROM writer WHERE sequence > 0"
              " ORDER BY key = ?1 DESC, time DESC, id DESC"
              " LIMIT ?2 + (SELECT count(*) FROM writer WHERE key = ?1 AND sequence > 0)",
    [MANIFEST] = "SELECT text FROM manifest WHERE hash = ?1",
    [BEGIN] = "BEGIN",
    [END] = "COMMIT",
};

static struct sower_sqlite_reader *of(struct sower_store_reader *reader)
{
    return (struct sower_sqlite_reader *)reader;
}

/* Takes the lock. Ends a transaction that an earlier call could not end, because it would show old data. */
static void begin(struct sower_sqlite_reader *reader)
{
    pthread_mutex_lock(&reader->lock);
    if (!sqlite3_get_autocommit(reader->database)) {
        (void)sower_sqlite_run(reader->statements[END]); /* nothing was written */
    }
}

/* Finishes a statement and releases the lock; false with a problem if anything failed. */
static bool finish(struct sower_sqlite_reader *reader, sqlite3_stmt *statement, bool done,
                   struct sower_problem *problem)
{
    done = done && sower_sqlite_has_memory(statement);
    if (!done) {
        sower_sqlite_fail(reader->database, problem);
    }
    sower_sqlite_finish(statement);
    pthread_mutex_unlock(&reader->lock);
    return done;
}

static bool last(struct sower_store_reader *base, uint64_t *line, struct sower_problem *problem)
{
    struct sower_sqlite_reader *reader = of(base);
    sqlite3_stmt *statement = reader->statements[LAST];
    bool found;
    begin(reader);
    bool done = sower_sqlite_seek(statement, &found);
    *line = done && found ? sower_sqlite_read_number(statement, 0) : 0;
    return finish(reader, statement, done, problem);
}

static void read_record(sqlite3_stmt *statement, struct sower_record *record)
{
    memset(record, 0, sizeof *record);
    record->ledger = sower_sqlite_read_number(statement, SOWER_LEDGER_LEDGER);
    record->time = sqlite3_column_int64(statement, SOWER_LEDGER_TIME);
    record->kind = (enum sower_record_kind)sqlite3_column_int(statement, SOWER_LEDGER_KIND);
    sower_sqlite_read_bytes(statement, SOWER_LEDGER_ROOT, record->root_id.bytes);
    sower_sqlite_read_text(statement, SOWER_LEDGER_EXPERIMENT, record->experiment, sizeof record->experiment);
    record->trial = sower_sqlite_read_number(statement, SOWER_LEDGER_TRIAL);
    record->count = sower_sqlite_read_number(statement, SOWER_LEDGER_COUNT);
    sower_sqlite_read_text(statement, SOWER_LEDGER_KEY, record->key, sizeof record->key);
    sower_sqlite_read_bytes(statement, SOWER_LEDGER_DRAW, record->draw.bytes);
    sower_sqlite_read_bytes(statement, SOWER_LEDGER_SEED, record->seed.bytes);
    record->spec = (unsigned)sower_sqlite_read_number(statement, SOWER_LEDGER_SPEC);
    sower_sqlite_read_text(statement, SOWER_LEDGER_NAME, record->name, sizeof record->name);
    sower_sqlite_read_text(statement, SOWER_LEDGER_SHAPE, record->shape, sizeof record->shape);
    sower_sqlite_read_text(statement, SOWER_LEDGER_DTYPE, record->dtype, sizeof record->dtype);
    sower_sqlite_read_text(statement, SOWER_LEDGER_INIT, record->initializer, sizeof record->initializer);
    sower_sqlite_read_text(statement, SOWER_LEDGER_LAYOUT, record->layout, sizeof record->layout);
    record->has_manifest = sqlite3_column_type(statement, SOWER_LEDGER_MANIFEST) != SQLITE_NULL;
    sower_sqlite_read_bytes(statement, SOWER_LEDGER_MANIFEST, record->manifest);
    record->drift = sower_sqlite_read_number(statement, SOWER_LEDGER_DRIFT);
    sower_sqlite_read_bytes(statement, SOWER_LEDGER_WRITER, record->place.writer);
    record->place.sequence = sower_sqlite_read_number(statement, SOWER_LEDGER_SEQUENCE);
    sower_sqlite_read_bytes(statement, SOWER_LEDGER_LINK, record->place.link);
}

/* The index for a page. SQLite would guess; it does not know, for example, that one seed has fewer lines than one
 * trial. */
static const char *page_index(const struct sower_page *page)
{
    return page->draw != NULL       ? "INDEXED BY line_id"
           : page->seed != NULL     ? "INDEXED BY line_draw"
           : page->trial != NULL    ? "INDEXED BY line_trial"
           : page->name != NULL     ? "INDEXED BY line_name"
           : page->manifest == NULL ? page->experiment != NULL ? "INDEXED BY line_experiment" : "NOT INDEXED"
           : page->experiment != NULL ? "INDEXED BY line_model"
                                      : "INDEXED BY line_manifest";
}

/* Prepares the query of a page, with only the conditions that are set. */
static bool prepare_page(struct sower_sqlite_reader *reader, const struct sower_page *page,
                         sqlite3_stmt **statement)
{
    char text[1024];
    snprintf(text, sizeof text,
             "SELECT " SOWER_LEDGER_RECORD_COLUMNS
             " FROM line l %s JOIN experiment e ON e.id = l.experiment JOIN writer w ON w.id = l.writer"
             " WHERE l.ledger > ?1 AND l.ledger <= ?2%s%s%s%s%s%s ORDER BY l.ledger LIMIT ?3",
             page_index(page),
             page->experiment != NULL
                 ? " AND l.experiment = (SELECT id FROM experiment WHERE name = ?4 AND root = ?5)"
                 : "",
             page->trial != NULL ? " AND l.trial = ?6" : "", page->name != NULL ? " AND l.name = ?7" : "",
             page->seed != NULL ? " AND l.seed_key = ?10 AND l.seed = ?8" : "",
             page->draw != NULL ? " AND l.draw_key = ?12 AND l.draw = ?11" : "",
             page->manifest != NULL ? " AND substr(l.manifest, 1, 8) = substr(?9, 1, 8) AND l.manifest = ?9"
                                    : "");
    return sqlite3_prepare_v2(reader->database, text, -1, statement, NULL) == SQLITE_OK;
}

static bool bind_page(sqlite3_stmt *statement, const struct sower_page *page)
{
    return sower_sqlite_bind_number(statement, 1, page->after) &&
           sower_sqlite_bind_number(statement, 2, page->until) &&
           sower_sqlite_bind_number(statement, 3, page->count) &&
           (page->experiment == NULL || (sower_sqlite_bind_text(statement, 4, page->experiment) &&
                                         sower_sqlite_bind_bytes(statement, 5, page->root_id->bytes))) &&
           (page->trial == NULL || sower_sqlite_bind_number(statement, 6, *page->trial)) &&
           (page->name == NULL || sower_sqlite_bind_text(statement, 7, page->name)) &&
           (page->seed == NULL ||
            (sower_sqlite_bind_bytes(statement, 8, page->seed->bytes) &&
             sqlite3_bind_int64(statement, 10, sower_sqlite_lines_key(page->seed->bytes)) == SQLITE_OK)) &&
           (page->draw == NULL ||
            (sower_sqlite_bind_bytes(statement, 11, page->draw->bytes) &&
             sqlite3_bind_int64(statement, 12, sower_sqlite_lines_key(page->draw->bytes)) == SQLITE_OK)) &&
           (page->manifest == NULL || sower_sqlite_bind_bytes(statement, 9, page->manifest));
}

static bool page(struct sower_store_reader *base, const struct sower_page *page, sower_visit_record *visit,
                 void *context, struct sower_problem *problem)
{
    struct sower_sqlite_reader *reader = of(base);
    struct sower_record record;
    sqlite3_stmt *statement = NULL;
    bool found = true, whole = true;
    begin(reader);
    bool done = prepare_page(reader, page, &statement) && bind_page(statement, page);
    while (done && found) {
        done = sower_sqlite_seek(statement, &found);
        if (done && found) {
            read_record(statement, &record);
            done = sower_sqlite_has_memory(statement);
            whole = !done || sower_store_record_check(&record, problem);
            found = done && whole && visit(context, &record);
        }
    }
    if (!done) {
        sower_sqlite_fail(reader->database, problem);
    }
    sqlite3_finalize(statement);
    pthread_mutex_unlock(&reader->lock);
    return done && whole;
}

static void read_experiment(sqlite3_stmt *statement, struct sower_experiment *experiment)
{
    experiment->id = sower_sqlite_read_number(statement, 0);
    sower_sqlite_read_bytes(statement, 1, experiment->root_id.bytes);
    sower_sqlite_read_text(statement, 2, experiment->name, sizeof experiment->name);
    experiment->draws = sower_sqlite_read_number(statement, 3);
    experiment->given = sower_sqlite_read_number(statement, 4);
    experiment->first = sqlite3_column_int64(statement, 5);
    experiment->last = sqlite3_column_int64(statement, 6);
    experiment->pinned = sower_sqlite_read_number(statement, 7);
}

static bool experiments(struct sower_store_reader *base, uint64_t before, size_t count,
                        sower_visit_experiment *visit, void *context, struct sower_problem *problem)
{
    struct sower_sqlite_reader *reader = of(base);
    struct sower_experiment experiment;
    sqlite3_stmt *statement = reader->statements[EXPERIMENTS];
    bool found = true;
    begin(reader);
    bool done =
        sower_sqlite_bind_number(statement, 1, before) && sower_sqlite_bind_number(statement, 2, count);
    while (done && found) {
        done = sower_sqlite_seek(statement, &found);
        if (done && found) {
            read_experiment(statement, &experiment);
            done = sower_sqlite_has_memory(statement);
            found = done && visit(context, &experiment);
        }
    }
    return finish(reader, statement, done, problem);
}

static bool experiment(struct sower_store_reader *base, const struct sower_seed *root_id, const char *name,
                       struct sower_experiment *experiment, struct sower_problem *problem)
{
    struct sower_sqlite_reader *reader = of(base);
    sqlite3_stmt *statement = reader->statements[EXPERIMENT];
    bool found = false;
    experiment->id = 0;
    begin(reader);
    bool done = sower_sqlite_bind_text(statement, 1, name) &&
                sower_sqlite_bind_bytes(statement, 2, root_id->bytes) && sower_sqlite_seek(statement, &found);
    if (found) {
        read_experiment(statement, experiment);
    }
    return finish(reader, statement, done, problem);
}

static bool trials(struct sower_store_reader *base, uint64_t experiment, uint64_t from, size_t count,
                   sower_visit_trial *visit, void *context, struct sower_problem *problem)
{
    struct sower_sqlite_reader *reader = of(base);
    sqlite3_stmt *statement = reader->statements[TRIALS];
    bool found = true;
    begin(reader);
    bool done = sower_sqlite_bind_number(statement, 1, experiment) &&
                sower_sqlite_bind_number(statement, 2, from) && sower_sqlite_bind_number(statement, 3, count);
    while (done && found) {
        done = sower_sqlite_seek(statement, &found);
        if (done && found) {
            const struct sower_trial trial = {
                sower_sqlite_read_number(statement, 0), sower_sqlite_read_number(statement, 1),
                sqlite3_column_int64(statement, 2), sqlite3_column_int64(statement, 3)};
            found = visit(context, &trial);
        }
    }
    return finish(reader, statement, done, problem);
}

/* In one transaction, so that the heads belong to the last line. */
static bool read_heads(struct sower_sqlite_reader *reader, size_t count, uint64_t *lines,
                       sower_visit_link *visit, void *context)
{
    sqlite3_stmt *last = reader->statements[LAST], *heads = reader->statements[HEADS];
    struct sower_link head;
    bool found;
    bool done = sower_sqlite_run(reader->statements[BEGIN]) && sower_sqlite_seek(last, &found) && found;
    *lines = done ? sower_sqlite_read_number(last, 0) : 0;
    done = done && sower_sqlite_bind_bytes(heads, 1, reader->writer) &&
           sower_sqlite_bind_number(heads, 2, count);
    while (done && found) {
        done = sower_sqlite_seek(heads, &found);
        if (done && found) {
            sower_sqlite_read_bytes(heads, 0, head.writer);
            head.sequence = sower_sqlite_read_number(heads, 1);
            sower_sqlite_read_bytes(heads, 2, head.link);
            done = sower_sqlite_has_memory(heads);
            found = done && visit(context, &head);
        }
    }
    return done;
}

static bool heads(struct sower_store_reader *base, size_t count, uint64_t *lines, sower_visit_link *visit,
                  void *context, struct sower_problem *problem)
{
    struct sower_sqlite_reader *reader = of(base);
    begin(reader);
    bool done = read_heads(reader, count, lines, visit, context);
    if (!done) {
        sower_sqlite_fail(reader->database, problem);
    }
    sower_sqlite_finish(reader->statements[LAST]);
    sower_sqlite_finish(reader->statements[HEADS]);
    if (!sqlite3_get_autocommit(reader->database)) {
        (void)sower_sqlite_run(reader->statements[END]); /* nothing was written */
    }
    pthread_mutex_unlock(&reader->lock);
    return done;
}

/* Copies the statement's blob; NULL when memory runs out. */
static char *copy_blob(sqlite3_stmt *statement, size_t *length)
{
    const void *blob = sqlite3_column_blob(statement, 0);
    *length = (size_t)sqlite3_column_bytes(statement, 0);
    char *copy = malloc(*length + 1); /* + 1: malloc(0) could return NULL */
    if (copy != NULL && blob != NULL) {
        memcpy(copy, blob, *length);
    }
    return copy;
}

static bool manifest(struct sower_store_reader *base, const uint8_t hash[32], char **text, size_t *length,
                     struct sower_problem *problem)
{
    struct sower_sqlite_reader *reader = of(base);
    sqlite3_stmt *statement = reader->statements[MANIFEST];
    bool found = false, copied = true;
    *text = NULL;
    begin(reader);
    bool done = sower_sqlite_bind_bytes(statement, 1, hash) && sower_sqlite_seek(statement, &found);
    if (found) {
        *text = copy_blob(statement, length);
        copied = *text != NULL;
    }
    if (finish(reader, statement, done, problem) && (copied || sower_problem_memory(problem))) {
        return true;
    }
    free(*text);
    *text = NULL;
    return false;
}

static const struct sower_store_reader_methods methods = {
    .last = last,
    .page = page,
    .experiments = experiments,
    .experiment = experiment,
    .trials = trials,
    .heads = heads,
    .manifest = manifest,
};

bool sower_sqlite_reader_prepare(struct sower_sqlite_reader *reader, sqlite3 *database,
                                 const uint8_t writer[SOWER_WRITER_SIZE])
{
    reader->reader.methods = &methods;
    reader->database = database;
    memcpy(reader->writer, writer, sizeof reader->writer);
    pthread_mutex_init(&reader->lock, NULL);
    return sower_sqlite_prepare(database, statement_text, STATEMENT_COUNT, reader->statements);
}

void sower_sqlite_reader_close(struct sower_sqlite_reader *reader)
{
    if (reader->database == NULL) {
        return;
    }
    for (size_t i = 0; i < STATEMENT_COUNT; i++) {
        sqlite3_finalize(reader->statements[i]);
    }
    sqlite3_close(reader->database);
    pthread_mutex_destroy(&reader->lock);
}
