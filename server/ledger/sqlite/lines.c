#include "server/ledger/sqlite/lines.h"

#include <string.h>

#include "proto/ledger_tables.h"
#include "proto/precision.h"
#include "server/ledger/sqlite/statement.h"
#include "server/ledger/store_records.h"

enum statement {
    FIND_DRAW,
    FIND_SEED,
    FIND_FIRST,
    FIND_KEY,
    FIND_EXPERIMENT,
    INSERT_EXPERIMENT,
    UPDATE_EXPERIMENT,
    FIND_TRIAL,
    WRITE_TRIAL,
    FIND_LAST,
    FIND_WRITER,
    WRITE_WRITER,
    INSERT_LINE,
    STATEMENT_COUNT
};

_Static_assert((int)STATEMENT_COUNT == (int)SOWER_SQLITE_LINES_STATEMENTS,
               "the header says how many there are");

static const char *const statement_text[STATEMENT_COUNT] = {
    [FIND_DRAW] = "SELECT ledger, drift FROM line WHERE seed_key = ?1 AND draw_key = ?2 AND draw = ?3",
    /* Any line of the seed is enough: it is the first one, or its `drift` is the first one. */
    [FIND_SEED] = "SELECT ledger, drift, draw FROM line WHERE seed_key = ?1 AND seed = ?2 LIMIT 1",
    [FIND_FIRST] = "SELECT shape, dtype, init, layout FROM line WHERE ledger = ?1",
    [FIND_KEY] = "SELECT trial, count, ledger FROM line WHERE experiment = ?1 AND key = ?2",
    [FIND_EXPERIMENT] = "SELECT id, draws, given, first, last, pinned FROM experiment"
                        " WHERE name = ?1 AND root = ?2",
    [INSERT_EXPERIMENT] = "INSERT INTO experiment (" SOWER_LEDGER_EXPERIMENT_COLUMNS ")"
                          " VALUES (NULL, ?2, ?1, 0, 0, ?3, ?4, 0)",
    [UPDATE_EXPERIMENT] = "UPDATE experiment SET draws = ?2, given = ?3, first = ?4, last = ?5, pinned = ?6"
                          " WHERE id = ?1",
    [FIND_TRIAL] = "SELECT draws, first, last FROM trial WHERE experiment = ?1 AND trial = ?2",
    [WRITE_TRIAL] = "INSERT INTO trial (" SOWER_LEDGER_TRIAL_COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5)"
                    " ON CONFLICT DO UPDATE SET draws = ?3, first = ?4, last = ?5",
    [FIND_LAST] = "SELECT coalesce(max(ledger), 0) FROM line",
    [FIND_WRITER] = "SELECT id, sequence, link, time FROM writer WHERE key = ?1",
    [WRITE_WRITER] = "INSERT INTO writer (" SOWER_LEDGER_WRITER_COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5)"
                     " ON CONFLICT DO UPDATE SET sequence = ?3, link = ?4, time = ?5",
    [INSERT_LINE] = "INSERT INTO line (" SOWER_LEDGER_LINE_COLUMNS ", " SOWER_LEDGER_LINE_INDEX_COLUMNS ")"
                    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16,"
                    " ?17, ?18, ?19, ?20, ?21, ?22)",
};

bool sower_sqlite_lines_prepare(struct sower_sqlite_lines *lines, sqlite3 *database,
                                const uint8_t writer[SOWER_WRITER_SIZE])
{
    lines->database = database;
    memcpy(lines->writer, writer, sizeof lines->writer);
    return sower_sqlite_prepare(database, statement_text, STATEMENT_COUNT, lines->statements);
}

void sower_sqlite_lines_close(struct sower_sqlite_lines *lines)
{
    for (size_t i = 0; i < STATEMENT_COUNT; i++) {
        sqlite3_finalize(lines->statements[i]);
    }
}

void sower_sqlite_lines_forget(struct sower_sqlite_lines *lines)
{
    lines->experiment.id = 0;
    lines->trial.draws = 0;
    lines->experiment_changed = lines->trial_changed = false;
}

/* Finishes a statement; false with a problem if anything failed. */
static bool finish(struct sower_sqlite_lines *lines, enum statement which, bool done,
                   struct sower_problem *problem)
{
    done = done && sower_sqlite_has_memory(lines->statements[which]);
    if (!done) {
        sower_sqlite_fail(lines->database, problem);
    }
    sower_sqlite_finish(lines->statements[which]);
    return done;
}

static bool read_last(struct sower_sqlite_lines *lines, struct sower_problem *problem)
{
    sqlite3_stmt *statement = lines->statements[FIND_LAST];
    bool found;
    bool done = sower_sqlite_seek(statement, &found);
    lines->append.ledger = done && found ? sower_sqlite_read_number(statement, 0) : 0;
    return finish(lines, FIND_LAST, done, problem);
}

static bool read_writer(struct sower_sqlite_lines *lines, struct sower_problem *problem)
{
    sqlite3_stmt *statement = lines->statements[FIND_WRITER];
    struct sower_append *append = &lines->append;
    bool found = false;
    bool done = sower_sqlite_bind_bytes(statement, 1, lines->writer) && sower_sqlite_seek(statement, &found);
    memset(&append->head, 0, sizeof append->head);
    memcpy(append->head.writer, lines->writer, sizeof append->head.writer);
    lines->writer_id = 0;
    append->time = 0;
    append->added = 0;
    if (found) {
        lines->writer_id = sower_sqlite_read_number(statement, 0);
        append->head.sequence = sower_sqlite_read_number(statement, 1);
        sower_sqlite_read_bytes(statement, 2, append->head.link);
        append->time = sqlite3_column_int64(statement, 3);
    }
    return finish(lines, FIND_WRITER, done, problem);
}

static bool write_writer(struct sower_sqlite_lines *lines, struct sower_problem *problem)
{
    sqlite3_stmt *statement = lines->statements[WRITE_WRITER];
    const struct sower_append *append = &lines->append;
    bool done = (lines->writer_id == 0 || sower_sqlite_bind_number(statement, 1, lines->writer_id)) &&
                sower_sqlite_bind_bytes(statement, 2, lines->writer) &&
                sower_sqlite_bind_number(statement, 3, append->head.sequence) &&
                sower_sqlite_bind_bytes(statement, 4, append->head.link) &&
                sqlite3_bind_int64(statement, 5, append->time) == SQLITE_OK &&
                sqlite3_step(statement) == SQLITE_DONE;
    if (done && lines->writer_id == 0) {
        lines->writer_id = (uint64_t)sqlite3_last_insert_rowid(lines->database);
    }
    return finish(lines, WRITE_WRITER, done, problem);
}

bool sower_sqlite_lines_begin(struct sower_sqlite_lines *lines, struct sower_problem *problem)
{
    sower_sqlite_lines_forget(lines);
    return read_last(lines, problem) && read_writer(lines, problem) &&
           /* a new writer needs its number before a line refers to it */
           (lines->writer_id != 0 || write_writer(lines, problem));
}

static bool write_experiment(struct sower_sqlite_lines *lines, struct sower_problem *problem)
{
    sqlite3_stmt *statement = lines->statements[UPDATE_EXPERIMENT];
    const struct sower_experiment *experiment = &lines->experiment;
    if (!lines->experiment_changed) {
        return true;
    }
    lines->experiment_changed = false;
    return finish(lines, UPDATE_EXPERIMENT,
                  sower_sqlite_bind_number(statement, 1, experiment->id) &&
                      sower_sqlite_bind_number(statement, 2, experiment->draws) &&
                      sower_sqlite_bind_number(statement, 3, experiment->given) &&
                      sqlite3_bind_int64(statement, 4, experiment->first) == SQLITE_OK &&
                      sqlite3_bind_int64(statement, 5, experiment->last) == SQLITE_OK &&
                      sower_sqlite_bind_number(statement, 6, experiment->pinned) &&
                      sqlite3_step(statement) == SQLITE_DONE,
                  problem);
}

static bool write_trial(struct sower_sqlite_lines *lines, struct sower_problem *problem)
{
    sqlite3_stmt *statement = lines->statements[WRITE_TRIAL];
    const struct sower_trial *trial = &lines->trial;
    if (!lines->trial_changed) {
        return true;
    }
    lines->trial_changed = false;
    return finish(lines, WRITE_TRIAL,
                  sower_sqlite_bind_number(statement, 1, lines->experiment.id) &&
                      sower_sqlite_bind_number(statement, 2, trial->trial) &&
                      sower_sqlite_bind_number(statement, 3, trial->draws) &&
                      sqlite3_bind_int64(statement, 4, trial->first) == SQLITE_OK &&
                      sqlite3_bind_int64(statement, 5, trial->last) == SQLITE_OK &&
                      sqlite3_step(statement) == SQLITE_DONE,
                  problem);
}

bool sower_sqlite_lines_end(struct sower_sqlite_lines *lines, struct sower_problem *problem)
{
    return write_trial(lines, problem) && write_experiment(lines, problem) && write_writer(lines, problem);
}

static bool make_experiment(struct sower_sqlite_lines *lines, struct sower_problem *problem)
{
    sqlite3_stmt *statement = lines->statements[INSERT_EXPERIMENT];
    struct sower_experiment *experiment = &lines->experiment;
    experiment->first = INT64_MAX;
    experiment->last = INT64_MIN;
    bool done = sower_sqlite_bind_text(statement, 1, experiment->name) &&
                sower_sqlite_bind_bytes(statement, 2, experiment->root_id.bytes) &&
                sqlite3_bind_int64(statement, 3, experiment->first) == SQLITE_OK &&
                sqlite3_bind_int64(statement, 4, experiment->last) == SQLITE_OK &&
                sqlite3_step(statement) == SQLITE_DONE;
    if (done) {
        experiment->id = (uint64_t)sqlite3_last_insert_rowid(lines->database);
    }
    return finish(lines, INSERT_EXPERIMENT, done, problem);
}

static bool find_experiment(struct sower_sqlite_lines *lines, struct sower_problem *problem)
{
    sqlite3_stmt *statement = lines->statements[FIND_EXPERIMENT];
    struct sower_experiment *experiment = &lines->experiment;
    bool found = false;
    bool done = sower_sqlite_bind_text(statement, 1, experiment->name) &&
                sower_sqlite_bind_bytes(statement, 2, experiment->root_id.bytes) &&
                sower_sqlite_seek(statement, &found);
    if (found) {
        experiment->id = sower_sqlite_read_number(statement, 0);
        experiment->draws = sower_sqlite_read_number(statement, 1);
        experiment->given = sower_sqlite_read_number(statement, 2);
        experiment->first = sqlite3_column_int64(statement, 3);
        experiment->last = sqlite3_column_int64(statement, 4);
        experiment->pinned = sower_sqlite_read_number(statement, 5);
    }
    return finish(lines, FIND_EXPERIMENT, done, problem);
}

bool sower_sqlite_lines_experiment(struct sower_sqlite_lines *lines, const struct sower_seed *root_id,
                                   const char *name, bool make, struct sower_problem *problem)
{
    struct sower_experiment *experiment = &lines->experiment;
    if (experiment->id != 0 && strcmp(experiment->name, name) == 0 &&
        memcmp(&experiment->root_id, root_id, sizeof *root_id) == 0) {
        return true;
    }
    if (!write_trial(lines, problem) || !write_experiment(lines, problem)) {
        return false;
    }
    lines->trial.draws = 0;
    *experiment = (struct sower_experiment){.root_id = *root_id};
    memcpy(experiment->name, name, strlen(name) + 1);
    return find_experiment(lines, problem) &&
           (experiment->id != 0 || !make || make_experiment(lines, problem));
}

int64_t sower_sqlite_lines_key(const uint8_t bytes[32])
{
    uint64_t key = 0;
    for (size_t i = 0; i < 8; i++) {
        key |= (uint64_t)bytes[i] << 8 * i;
    }
    return (int64_t)key;
}

static bool bind_key(sqlite3_stmt *statement, int column, const uint8_t bytes[32])
{
    return sqlite3_bind_int64(statement, column, sower_sqlite_lines_key(bytes)) == SQLITE_OK;
}

/* Looks up a draw whose seed has a line of another draw; `first` is the first line of the seed. */
static bool find_drifting(struct sower_sqlite_lines *lines, struct sower_record *record, uint64_t first,
                          struct sower_problem *problem)
{
    sqlite3_stmt *statement = lines->statements[FIND_DRAW];
    bool found = false;
    bool done = bind_key(statement, 1, record->seed.bytes) && bind_key(statement, 2, record->draw.bytes) &&
                sower_sqlite_bind_bytes(statement, 3, record->draw.bytes) &&
                sower_sqlite_seek(statement, &found);
    record->ledger = found ? sower_sqlite_read_number(statement, 0) : 0;
    record->drift = found ? sower_sqlite_read_number(statement, 1) : first;
    return finish(lines, FIND_DRAW, done, problem);
}

/* Looks up the seed first. Usually it has no line, or its only line is the draw's. */
static bool find_draw(struct sower_sqlite_lines *lines, struct sower_record *record,
                      struct sower_problem *problem)
{
    sqlite3_stmt *statement = lines->statements[FIND_SEED];
    struct sower_draw_id draw;
    bool found = false;
    bool done = bind_key(statement, 1, record->seed.bytes) &&
                sower_sqlite_bind_bytes(statement, 2, record->seed.bytes) &&
                sower_sqlite_seek(statement, &found);
    record->ledger = record->drift = 0;
    if (found) {
        record->ledger = sower_sqlite_read_number(statement, 0);
        record->drift = sower_sqlite_read_number(statement, 1);
        sower_sqlite_read_bytes(statement, 2, draw.bytes);
    }
    if (!finish(lines, FIND_SEED, done, problem)) {
        return false;
    }
    return !found || memcmp(&draw, &record->draw, sizeof draw) == 0 ||
           find_drifting(lines, record, record->drift != 0 ? record->drift : record->ledger, problem);
}

/* Sets draw->same_array from the line that the draw drifts from. */
static bool compare_with_first(struct sower_sqlite_lines *lines, struct sower_store_draw *draw,
                               struct sower_problem *problem)
{
    sqlite3_stmt *statement = lines->statements[FIND_FIRST];
    struct sower_record first = {.kind = SOWER_RECORD_DRAW};
    bool found = false;
    bool done =
        sower_sqlite_bind_number(statement, 1, draw->record.drift) && sower_sqlite_seek(statement, &found);
    if (found) {
        sower_sqlite_read_text(statement, 0, first.shape, sizeof first.shape);
        sower_sqlite_read_text(statement, 1, first.dtype, sizeof first.dtype);
        sower_sqlite_read_text(statement, 2, first.initializer, sizeof first.initializer);
        sower_sqlite_read_text(statement, 3, first.layout, sizeof first.layout);
    }
    return finish(lines, FIND_FIRST, done, problem) &&
           sower_precision_compare(&first, &draw->record, &draw->same_array, problem);
}

bool sower_sqlite_lines_find(struct sower_sqlite_lines *lines, struct sower_store_draw *draw,
                             struct sower_problem *problem)
{
    struct sower_record *record = &draw->record;
    if (!find_draw(lines, record, problem)) {
        return false;
    }
    if (record->drift != 0 &&
        !(compare_with_first(lines, draw, problem) &&
          sower_sqlite_lines_experiment(lines, &record->root_id, record->experiment, false, problem))) {
        return false;
    }
    draw->outcome = sower_store_draw_outcome(draw, record->drift != 0 && lines->experiment.pinned != 0);
    return true;
}

bool sower_sqlite_lines_find_trials(struct sower_sqlite_lines *lines, struct sower_store_trials *request,
                                    struct sower_problem *problem)
{
    sqlite3_stmt *statement = lines->statements[FIND_KEY];
    bool found = false;
    request->outcome = SOWER_TRIALS_NONE;
    if (request->key[0] == '\0') {
        return true;
    }
    if (!sower_sqlite_lines_experiment(lines, &request->root_id, request->experiment, false, problem)) {
        return false;
    }
    bool done = sower_sqlite_bind_number(statement, 1, lines->experiment.id) &&
                sower_sqlite_bind_text(statement, 2, request->key) && sower_sqlite_seek(statement, &found);
    if (found) {
        request->first = sower_sqlite_read_number(statement, 0);
        request->ledger = sower_sqlite_read_number(statement, 2);
        request->outcome = sower_sqlite_read_number(statement, 1) == request->count ? SOWER_TRIALS_GIVEN
                                                                                    : SOWER_TRIALS_KEY_TAKEN;
    }
    return finish(lines, FIND_KEY, done, problem);
}

static bool bind_draw(sqlite3_stmt *statement, const struct sower_record *record)
{
    return sower_sqlite_bind_number(statement, 8, record->trial) &&
           sower_sqlite_bind_bytes(statement, 11, record->draw.bytes) &&
           sower_sqlite_bind_bytes(statement, 12, record->seed.bytes) &&
           sower_sqlite_bind_number(statement, 13, record->spec) &&
           sower_sqlite_bind_text(statement, 14, record->name) &&
           sower_sqlite_bind_text(statement, 15, record->shape) &&
           sower_sqlite_bind_text(statement, 16, record->dtype) &&
           sower_sqlite_bind_text(statement, 17, record->initializer) &&
           sower_sqlite_bind_text(statement, 18, record->layout) &&
           (!record->has_manifest || sower_sqlite_bind_bytes(statement, 19, record->manifest)) &&
           (record->drift == 0 || sower_sqlite_bind_number(statement, 20, record->drift)) &&
           bind_key(statement, 21, record->seed.bytes) && bind_key(statement, 22, record->draw.bytes);
}

static bool bind_trials(sqlite3_stmt *statement, const struct sower_record *record)
{
    return sower_sqlite_bind_number(statement, 8, record->trial) &&
           sower_sqlite_bind_number(statement, 9, record->count) &&
           (record->key[0] == '\0' || sower_sqlite_bind_text(statement, 10, record->key));
}

static bool bind_kind(sqlite3_stmt *statement, const struct sower_record *record)
{
    return record->kind == SOWER_RECORD_DRAW     ? bind_draw(statement, record)
           : record->kind == SOWER_RECORD_TRIALS ? bind_trials(statement, record)
                                                 : true;
}

static bool insert(struct sower_sqlite_lines *lines, const struct sower_record *record,
                   struct sower_problem *problem)
{
    sqlite3_stmt *statement = lines->statements[INSERT_LINE];
    return finish(lines, INSERT_LINE,
                  sower_sqlite_bind_number(statement, 1, record->ledger) &&
                      sqlite3_bind_int64(statement, 2, record->time) == SQLITE_OK &&
                      sqlite3_bind_int(statement, 3, (int)record->kind) == SQLITE_OK &&
                      sower_sqlite_bind_number(statement, 4, lines->experiment.id) &&
                      sower_sqlite_bind_number(statement, 5, lines->writer_id) &&
                      sower_sqlite_bind_number(statement, 6, record->place.sequence) &&
                      sower_sqlite_bind_bytes(statement, 7, record->place.link) &&
                      bind_kind(statement, record) && sqlite3_step(statement) == SQLITE_DONE,
                  problem);
}

static void widen(int64_t time, int64_t *first, int64_t *last)
{
    *first = time < *first ? time : *first;
    *last = time > *last ? time : *last;
}

/* Makes a trial of the current experiment the current one. */
static bool choose_trial(struct sower_sqlite_lines *lines, uint64_t number, struct sower_problem *problem)
{
    sqlite3_stmt *statement = lines->statements[FIND_TRIAL];
    struct sower_trial *trial = &lines->trial;
    bool found = false;
    if (trial->draws != 0 && trial->trial == number) {
        return true;
    }
    if (!write_trial(lines, problem)) {
        return false;
    }
    *trial = (struct sower_trial){number, 0, INT64_MAX, INT64_MIN};
    bool done = sower_sqlite_bind_number(statement, 1, lines->experiment.id) &&
                sower_sqlite_bind_number(statement, 2, number) && sower_sqlite_seek(statement, &found);
    if (found) {
        trial->draws = sower_sqlite_read_number(statement, 0);
        trial->first = sqlite3_column_int64(statement, 1);
        trial->last = sqlite3_column_int64(statement, 2);
    }
    return finish(lines, FIND_TRIAL, done, problem);
}

/* Counts a line in its experiment and trial. Trial records of an older ledger are added in the order of their
 * times. The clock may have gone back then, so their trial numbers need not rise. */
static bool count(struct sower_sqlite_lines *lines, const struct sower_record *record,
                  struct sower_problem *problem)
{
    struct sower_experiment *experiment = &lines->experiment;
    uint64_t given;
    widen(record->time, &experiment->first, &experiment->last);
    lines->experiment_changed = true;
    switch (record->kind) {
    case SOWER_RECORD_DRAW:
        if (!choose_trial(lines, record->trial, problem)) {
            return false;
        }
        experiment->draws++;
        lines->trial.draws++;
        widen(record->time, &lines->trial.first, &lines->trial.last);
        lines->trial_changed = true;
        return true;
    case SOWER_RECORD_TRIALS:
        given = record->trial + record->count;
        experiment->given = given > experiment->given ? given : experiment->given;
        return true;
    default:
        experiment->pinned = record->kind == SOWER_RECORD_PIN ? record->ledger : 0;
        return true;
    }
}

bool sower_sqlite_lines_add(struct sower_sqlite_lines *lines, struct sower_record *record,
                            struct sower_problem *problem)
{
    return sower_sqlite_lines_experiment(lines, &record->root_id, record->experiment, true, problem) &&
           sower_append_next(&lines->append, record, problem) && insert(lines, record, problem) &&
           count(lines, record, problem);
}
