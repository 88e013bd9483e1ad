#include "server/ledger/postgres/reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/ledger_tables.h"
#include "server/ledger/store_records.h"

enum statement { LAST, EXPERIMENTS, EXPERIMENT, TRIALS, HEADS, MANIFEST, STATEMENT_COUNT };

static const char *const statement_text[STATEMENT_COUNT] = {
    [LAST] = "SELECT last FROM sower.ledger",
    [EXPERIMENTS] = "SELECT " SOWER_LEDGER_EXPERIMENT_COLUMNS " FROM sower.experiment WHERE id < $1::bigint"
                    " ORDER BY id DESC LIMIT $2::bigint",
    [EXPERIMENT] = "SELECT " SOWER_LEDGER_EXPERIMENT_COLUMNS " FROM sower.experiment"
                   " WHERE name = $1::text AND root = $2::bytea",
    [TRIALS] = "SELECT trial, draws, first, last FROM sower.trial WHERE experiment = $1::bigint"
               " AND trial >= $2::bigint ORDER BY trial LIMIT $3::bigint",
    /* One statement, because it sees one snapshot. */
    [HEADS] = "SELECT l.last, w.key, w.sequence, w.link FROM sower.ledger l LEFT JOIN"
              " (SELECT * FROM sower.writer WHERE key = $1::bytea UNION ALL"
              " (SELECT * FROM sower.writer WHERE key <> $1::bytea ORDER BY time DESC, id DESC"
              " LIMIT $2::bigint)) w ON true ORDER BY w.key = $1::bytea DESC, w.time DESC, w.id DESC",
    [MANIFEST] = "SELECT text FROM sower.manifest WHERE hash = $1::bytea",
};

static struct sower_postgres_reader *of(struct sower_store_reader *reader)
{
    return (struct sower_postgres_reader *)reader;
}

/* Runs `text` or, if that is NULL, a prepared statement. Returns the result, which the caller clears, or NULL with
 * a problem. */
static PGresult *ask(struct sower_postgres_reader *reader, enum statement which, const char *text,
                     const struct sower_postgres_values *values, struct sower_problem *problem)
{
    struct sower_postgres_results results;
    pthread_mutex_lock(&reader->lock);
    bool done = sower_postgres_ready(&reader->postgres);
    if (done && text != NULL) {
        sower_postgres_queue_text(&reader->postgres, text, values);
    } else if (done) {
        sower_postgres_queue(&reader->postgres, which, values);
    }
    done = done && sower_postgres_exchange(&reader->postgres, &results);
    if (!done) {
        sower_postgres_fail(&reader->postgres, problem);
    }
    pthread_mutex_unlock(&reader->lock);
    return done ? results.items[0] : NULL;
}

static bool last(struct sower_store_reader *base, uint64_t *line, struct sower_problem *problem)
{
    struct sower_postgres_reader *reader = of(base);
    PGresult *result = ask(reader, LAST, NULL, NULL, problem);
    *line = 0;
    if (result == NULL) {
        return false;
    }
    *line = PQntuples(result) == 1 ? sower_postgres_read_number(result, 0, 0) : 0;
    PQclear(result);
    return true;
}

static void read_record(const PGresult *result, int row, struct sower_record *record)
{
    memset(record, 0, sizeof *record);
    record->ledger = sower_postgres_read_number(result, row, SOWER_LEDGER_LEDGER);
    record->time = (int64_t)sower_postgres_read_number(result, row, SOWER_LEDGER_TIME);
    record->kind = (enum sower_record_kind)sower_postgres_read_number(result, row, SOWER_LEDGER_KIND);
    sower_postgres_read_bytes(result, row, SOWER_LEDGER_ROOT, record->root_id.bytes);
    sower_postgres_read_text(result, row, SOWER_LEDGER_EXPERIMENT, record->experiment,
                             sizeof record->experiment);
    record->trial = sower_postgres_read_number(result, row, SOWER_LEDGER_TRIAL);
    record->count = sower_postgres_read_number(result, row, SOWER_LEDGER_COUNT);
    sower_postgres_read_text(result, row, SOWER_LEDGER_KEY, record->key, sizeof record->key);
    sower_postgres_read_bytes(result, row, SOWER_LEDGER_DRAW, record->draw.bytes);
    sower_postgres_read_bytes(result, row, SOWER_LEDGER_SEED, record->seed.bytes);
    record->spec = (unsigned)sower_postgres_read_number(result, row, SOWER_LEDGER_SPEC);
    sower_postgres_read_text(result, row, SOWER_LEDGER_NAME, record->name, sizeof record->name);
    sower_postgres_read_text(result, row, SOWER_LEDGER_SHAPE, record->shape, sizeof record->shape);
    sower_postgres_read_text(result, row, SOWER_LEDGER_DTYPE, record->dtype, sizeof record->dtype);
    sower_postgres_read_text(result, row, SOWER_LEDGER_INIT, record->initializer, sizeof record->initializer);
    sower_postgres_read_text(result, row, SOWER_LEDGER_LAYOUT, record->layout, sizeof record->layout);
    record->has_manifest = !sower_postgres_is_null(result, row, SOWER_LEDGER_MANIFEST);
    sower_postgres_read_bytes(result, row, SOWER_LEDGER_MANIFEST, record->manifest);
    record->drift = sower_postgres_read_number(result, row, SOWER_LEDGER_DRIFT);
    sower_postgres_read_bytes(result, row, SOWER_LEDGER_WRITER, record->place.writer);
    record->place.sequence = sower_postgres_read_number(result, row, SOWER_LEDGER_SEQUENCE);
    sower_postgres_read_bytes(result, row, SOWER_LEDGER_LINK, record->place.link);
}

/* The query of a page, with only the conditions that are set, so that each kind of page uses its index. A seed or a draw
 * has few lines; OFFSET 0 makes PostgreSQL fetch them before it applies other conditions. Otherwise a planner without
 * statistics might scan all lines in order. */
static void print_page(const struct sower_page *page, char *text, size_t size)
{
    snprintf(text, size,
             "SELECT " SOWER_LEDGER_RECORD_COLUMNS " FROM %s l JOIN sower.experiment e ON e.id = l.experiment"
             " JOIN sower.writer w ON w.id = l.writer"
             " WHERE l.ledger > $1 AND l.ledger <= $2%s%s%s%s ORDER BY l.ledger LIMIT $3",
             page->draw != NULL   ? "(SELECT * FROM sower.line WHERE substr(draw, 1, 8) = substr($10, 1, 8)"
                                    " AND draw = $10 OFFSET 0)"
             : page->seed != NULL ? "(SELECT * FROM sower.line WHERE substr(seed, 1, 8) = substr($8, 1, 8)"
                                    " AND seed = $8 OFFSET 0)"
                                  : "sower.line",
             page->experiment != NULL
                 ? " AND l.experiment = (SELECT id FROM sower.experiment WHERE name = $4 AND root = $5)"
                 : "",
             page->trial != NULL ? " AND l.trial = $6" : "", page->name != NULL ? " AND l.name = $7" : "",
             page->manifest != NULL ? " AND substr(l.manifest, 1, 8) = substr($9, 1, 8) AND l.manifest = $9"
                                    : "");
}

static void add_values(const struct sower_page *page, struct sower_postgres_values *values)
{
    sower_postgres_add_number(values, page->after);
    sower_postgres_add_number(values, page->until);
    sower_postgres_add_number(values, page->count);
    sower_postgres_add_text(values, page->experiment);
    sower_postgres_add_bytes(values, page->root_id == NULL ? NULL : page->root_id->bytes);
    sower_postgres_add_number(values, page->trial == NULL ? 0 : *page->trial);
    sower_postgres_add_text(values, page->name);
    sower_postgres_add_bytes(values, page->seed == NULL ? NULL : page->seed->bytes);
    sower_postgres_add_bytes(values, page->manifest);
    sower_postgres_add_bytes(values, page->draw == NULL ? NULL : page->draw->bytes);
}

static bool page(struct sower_store_reader *base, const struct sower_page *page, sower_visit_record *visit,
                 void *context, struct sower_problem *problem)
{
    struct sower_postgres_reader *reader = of(base);
    struct sower_postgres_values values = {0};
    struct sower_record record;
    char text[1024];
    print_page(page, text, sizeof text);
    add_values(page, &values);
    PGresult *result = ask(reader, STATEMENT_COUNT, text, &values, problem);
    if (result == NULL) {
        return false;
    }
    bool more = true, whole = true;
    for (int row = 0; row < PQntuples(result) && more; row++) {
        read_record(result, row, &record);
        whole = sower_store_record_check(&record, problem);
        more = whole && visit(context, &record);
    }
    PQclear(result);
    return whole;
}

static void read_experiment(const PGresult *result, int row, struct sower_experiment *experiment)
{
    experiment->id = sower_postgres_read_number(result, row, 0);
    sower_postgres_read_bytes(result, row, 1, experiment->root_id.bytes);
    sower_postgres_read_text(result, row, 2, experiment->name, sizeof experiment->name);
    experiment->draws = sower_postgres_read_number(result, row, 3);
    experiment->given = sower_postgres_read_number(result, row, 4);
    experiment->first = (int64_t)sower_postgres_read_number(result, row, 5);
    experiment->last = (int64_t)sower_postgres_read_number(result, row, 6);
    experiment->pinned = sower_postgres_read_number(result, row, 7);
}

static bool experiments(struct sower_store_reader *base, uint64_t before, size_t count,
                        sower_visit_experiment *visit, void *context, struct sower_problem *problem)
{
    struct sower_postgres_reader *reader = of(base);
    struct sower_postgres_values values = {0};
    struct sower_experiment experiment;
    sower_postgres_add_number(&values, before);
    sower_postgres_add_number(&values, count);
    PGresult *result = ask(reader, EXPERIMENTS, NULL, &values, problem);
    if (result == NULL) {
        return false;
    }
    bool more = true;
    for (int row = 0; row < PQntuples(result) && more; row++) {
        read_experiment(result, row, &experiment);
        more = visit(context, &experiment);
    }
    PQclear(result);
    return true;
}

static bool experiment(struct sower_store_reader *base, const struct sower_seed *root_id, const char *name,
                       struct sower_experiment *experiment, struct sower_problem *problem)
{
    struct sower_postgres_reader *reader = of(base);
    struct sower_postgres_values values = {0};
    experiment->id = 0;
    sower_postgres_add_text(&values, name);
    sower_postgres_add_bytes(&values, root_id->bytes);
    PGresult *result = ask(reader, EXPERIMENT, NULL, &values, problem);
    if (result == NULL) {
        return false;
    }
    if (PQntuples(result) == 1) {
        read_experiment(result, 0, experiment);
    }
    PQclear(result);
    return true;
}

static bool trials(struct sower_store_reader *base, uint64_t experiment, uint64_t from, size_t count,
                   sower_visit_trial *visit, void *context, struct sower_problem *problem)
{
    struct sower_postgres_reader *reader = of(base);
    struct sower_postgres_values values = {0};
    struct sower_trial trial;
    sower_postgres_add_number(&values, experiment);
    sower_postgres_add_number(&values, from);
    sower_postgres_add_number(&values, count);
    PGresult *result = ask(reader, TRIALS, NULL, &values, problem);
    if (result == NULL) {
        return false;
    }
    bool more = true;
    for (int row = 0; row < PQntuples(result) && more; row++) {
        trial.trial = sower_postgres_read_number(result, row, 0);
        trial.draws = sower_postgres_read_number(result, row, 1);
        trial.first = (int64_t)sower_postgres_read_number(result, row, 2);
        trial.last = (int64_t)sower_postgres_read_number(result, row, 3);
        more = visit(context, &trial);
    }
    PQclear(result);
    return true;
}

static bool heads(struct sower_store_reader *base, size_t count, uint64_t *lines, sower_visit_link *visit,
                  void *context, struct sower_problem *problem)
{
    struct sower_postgres_reader *reader = of(base);
    struct sower_postgres_values values = {0};
    struct sower_link head;
    sower_postgres_add_bytes(&values, reader->writer);
    sower_postgres_add_number(&values, count);
    PGresult *result = ask(reader, HEADS, NULL, &values, problem);
    if (result == NULL) {
        return false;
    }
    *lines = PQntuples(result) > 0 ? sower_postgres_read_number(result, 0, 0) : 0;
    bool more = true;
    for (int row = 0; row < PQntuples(result) && more; row++) {
        if (!sower_postgres_is_null(result, row, 1)) { /* NULL: no writer has written yet */
            sower_postgres_read_bytes(result, row, 1, head.writer);
            head.sequence = sower_postgres_read_number(result, row, 2);
            sower_postgres_read_bytes(result, row, 3, head.link);
            more = visit(context, &head);
        }
    }
    PQclear(result);
    return true;
}

static bool manifest(struct sower_store_reader *base, const uint8_t hash[32], char **text, size_t *length,
                     struct sower_problem *problem)
{
    struct sower_postgres_reader *reader = of(base);
    struct sower_postgres_values values = {0};
    bool copied = true;
    *text = NULL;
    sower_postgres_add_bytes(&values, hash);
    PGresult *result = ask(reader, MANIFEST, NULL, &values, problem);
    if (result == NULL) {
        return false;
    }
    if (PQntuples(result) == 1) {
        *length = (size_t)PQgetlength(result, 0, 0);
        *text = malloc(*length + 1); /* + 1: malloc(0) could return NULL */
        copied = *text != NULL;
        if (copied) {
            memcpy(*text, PQgetvalue(result, 0, 0), *length);
        }
    }
    PQclear(result);
    return copied ||
           sower_problem_set(problem, SOWER_PROBLEM_UNAVAILABLE, "", "The daemon is out of memory.");
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

bool sower_postgres_reader_open(struct sower_postgres_reader *reader, const char *url,
                                const uint8_t writer[SOWER_WRITER_SIZE])
{
    reader->reader.methods = &methods;
    pthread_mutex_init(&reader->lock, NULL);
    memcpy(reader->writer, writer, sizeof reader->writer);
    return sower_postgres_open(&reader->postgres, url, statement_text, STATEMENT_COUNT);
}

void sower_postgres_reader_close(struct sower_postgres_reader *reader)
{
    sower_postgres_close(&reader->postgres);
    pthread_mutex_destroy(&reader->lock);
}
