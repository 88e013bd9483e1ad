#include "server/ledger/postgres/lines.h"

#include <string.h>

#include "proto/ledger_tables.h"
#include "proto/precision.h"
#include "server/base/clock.h"
#include "server/ledger/postgres/schema.h"
#include "server/ledger/postgres/statements.h"
#include "server/ledger/store_records.h"

enum {
    PAUSE_MILLISECONDS = 1000, /* after a transaction that failed to begin after at least this time */
    MEASURE_MILLISECONDS = 5000,
};

bool sower_postgres_lines_open(struct sower_postgres_lines *lines, const char *url,
                               struct sower_quotas *quotas, const uint8_t writer[SOWER_WRITER_SIZE])
{
    memcpy(lines->writer, writer, sizeof lines->writer);
    lines->quotas.writer = lines->writer;
    lines->quotas.quotas = quotas;
    return sower_postgres_open(&lines->postgres, url, sower_postgres_statements, SOWER_POSTGRES_STATEMENTS) &&
           sower_postgres_quotas_take_back(&lines->quotas, &lines->postgres);
}

void sower_postgres_lines_close(struct sower_postgres_lines *lines)
{
    for (size_t i = 0; i < SOWER_POSTGRES_KEYS; i++) {
        sower_postgres_array_free(&lines->keys[i]);
    }
    sower_postgres_columns_free(&lines->added);
    sower_postgres_quotas_free(&lines->quotas);
    sower_postgres_close(&lines->postgres);
}

bool sower_postgres_lines_begin(struct sower_postgres_lines *lines, struct sower_problem *problem)
{
    struct sower_postgres_values values = {0};
    sower_postgres_columns_begin(&lines->added);
    sower_quotas_begin(lines->quotas.quotas);
    if (sower_clock_milliseconds() < lines->refuse_until) {
        *problem = lines->refusal;
        return false;
    }
    if (!sower_postgres_ready(&lines->postgres)) {
        return sower_postgres_fail(&lines->postgres, problem);
    }
    sower_postgres_add_bytes(&values, lines->writer);
    sower_postgres_queue(&lines->postgres, SOWER_POSTGRES_BEGIN, NULL);
    sower_postgres_queue(&lines->postgres, SOWER_POSTGRES_LOCK, NULL);
    sower_postgres_queue(&lines->postgres, SOWER_POSTGRES_FIND_WRITER, &values);
    lines->beginning = lines->writing = true;
    lines->changed = false;
    return true;
}

/* Reads the ledger's state from the results of LOCK and FIND_WRITER. */
static bool read_beginning(struct sower_postgres_lines *lines, const PGresult *lock, const PGresult *writer,
                           struct sower_problem *problem)
{
    struct sower_append *append = &lines->append;
    if (PQntuples(lock) != 1 || sower_postgres_read_number(lock, 0, 0) != SOWER_LEDGER_POSTGRES_VERSION) {
        return sower_problem_set(problem, SOWER_PROBLEM_UNAVAILABLE, "",
                                 "The ledger cannot be used now: another version of sowerd has changed it.");
    }
    *append = (struct sower_append){.ledger = sower_postgres_read_number(lock, 0, 1)};
    memcpy(append->head.writer, lines->writer, sizeof append->head.writer);
    if (PQntuples(writer) == 1) {
        append->head.sequence = sower_postgres_read_number(writer, 0, 0);
        sower_postgres_read_bytes(writer, 0, 1, append->head.link);
        append->time = (int64_t)sower_postgres_read_number(writer, 0, 2);
    }
    return true;
}

/* Sends the queued statements, and reads the results of a beginning and of the counts that are queued right before the last
 * statement. If a beginning fails after a while, because
 * somebody holds the lock, a pause follows, so that the requests that wait do not each wait as long. The caller
 * clears *last after true. */
static bool exchange(struct sower_postgres_lines *lines, PGresult **last, struct sower_problem *problem)
{
    struct sower_postgres_results results;
    bool beginning = lines->beginning, counts = lines->counts;
    int64_t begin = sower_clock_milliseconds();
    lines->beginning = lines->counts = false;
    if (!sower_postgres_exchange(&lines->postgres, &results)) {
        sower_postgres_fail(&lines->postgres, problem);
        if (beginning && sower_clock_milliseconds() - begin >= PAUSE_MILLISECONDS) {
            lines->refuse_until = sower_clock_milliseconds() + PAUSE_MILLISECONDS;
            lines->refusal = *problem;
        }
        return false;
    }
    if (beginning && !read_beginning(lines, results.items[SOWER_POSTGRES_LOCK],
                                     results.items[SOWER_POSTGRES_FIND_WRITER], problem)) {
        sower_postgres_clear(&results);
        return false;
    }
    *last = results.items[--results.count];
    if (counts) {
        sower_postgres_quotas_read(&lines->quotas, results.items[results.count - 1]);
    }
    sower_postgres_clear(&results);
    return true;
}

/* Notes that a transaction needs the count of an account's owner. */
static void want_count(struct sower_postgres_lines *lines, const struct sower_account *account)
{
    if (lines->writing) {
        (void)sower_quotas_find(lines->quotas.quotas, account);
    }
}

/* Queues the look-up of the wanted counts. The next statement must be the last one before the exchange. */
static void queue_counts(struct sower_postgres_lines *lines)
{
    lines->counts = lines->writing && sower_postgres_quotas_queue_find(&lines->quotas, &lines->postgres);
}

/* Call it before a look-up. Outside a transaction it may connect again; within one it must not, because the
 * transaction ended with the old connection. */
static bool prepare_to_find(struct sower_postgres_lines *lines, struct sower_problem *problem)
{
    return lines->writing || sower_postgres_ready(&lines->postgres) ||
           sower_postgres_fail(&lines->postgres, problem);
}

static void queue_find(struct sower_postgres_lines *lines, struct sower_store_draw *const *draws,
                       size_t count)
{
    struct sower_postgres_values values = {0};
    struct sower_postgres_array *keys = lines->keys;
    sower_postgres_array_begin(&keys[0], SOWER_POSTGRES_BYTES);
    sower_postgres_array_begin(&keys[1], SOWER_POSTGRES_BYTES);
    sower_postgres_array_begin(&keys[2], SOWER_POSTGRES_BYTES);
    sower_postgres_array_begin(&keys[3], SOWER_POSTGRES_TEXT);
    for (size_t i = 0; i < count; i++) {
        const struct sower_record *record = &draws[i]->record;
        sower_postgres_array_bytes(&keys[0], record->seed.bytes);
        sower_postgres_array_bytes(&keys[1], record->draw.bytes);
        sower_postgres_array_bytes(&keys[2], record->root_id.bytes);
        sower_postgres_array_text(&keys[3], record->experiment);
        want_count(lines, draws[i]->account);
    }
    queue_counts(lines);
    for (size_t i = 0; i < 4; i++) {
        sower_postgres_add_array(&values, &keys[i]);
    }
    sower_postgres_queue(&lines->postgres, SOWER_POSTGRES_FIND_DRAWS, &values);
}

/* Reads a row of SOWER_POSTGRES_FIND_DRAWS. */
static bool read_found(const PGresult *found, int row, struct sower_store_draw *draw, bool *pinned,
                       struct sower_problem *problem)
{
    struct sower_record first = {.kind = SOWER_RECORD_DRAW};
    draw->record.ledger = sower_postgres_read_number(found, row, 1);
    draw->record.drift = sower_postgres_read_number(found, row, 2);
    *pinned = sower_postgres_read_number(found, row, 3) != 0;
    if (draw->record.drift != 0) {
        sower_postgres_read_text(found, row, 4, first.shape, sizeof first.shape);
        sower_postgres_read_text(found, row, 5, first.dtype, sizeof first.dtype);
        sower_postgres_read_text(found, row, 6, first.initializer, sizeof first.initializer);
        sower_postgres_read_text(found, row, 7, first.layout, sizeof first.layout);
        if (!sower_precision_compare(&first, &draw->record, &draw->same_array, problem)) {
            return false;
        }
    }
    draw->outcome = sower_store_draw_outcome(draw, *pinned);
    return true;
}

bool sower_postgres_lines_find(struct sower_postgres_lines *lines, struct sower_store_draw *const *draws,
                               size_t count, struct sower_problem *problem)
{
    PGresult *found;
    if (!prepare_to_find(lines, problem)) {
        return false;
    }
    queue_find(lines, draws, count);
    if (!exchange(lines, &found, problem)) {
        return false;
    }
    bool read = true;
    for (int row = 0; row < PQntuples(found) && read; row++) {
        uint64_t n = sower_postgres_read_number(found, row, 0) - 1;
        read = n >= count || read_found(found, row, draws[n], &lines->pinned[n], problem);
    }
    PQclear(found);
    return read;
}

/* Queues the lines that were added so far, and the head of the chain after them. */
static void queue_added(struct sower_postgres_lines *lines)
{
    struct sower_postgres_values head = {0}, values = {0};
    if (lines->added.count == 0) {
        return;
    }
    sower_postgres_add_bytes(&head, lines->writer);
    sower_postgres_add_number(&head, lines->append.head.sequence);
    sower_postgres_add_bytes(&head, lines->append.head.link);
    sower_postgres_add_number(&head, (uint64_t)lines->append.time);
    sower_postgres_queue(&lines->postgres, SOWER_POSTGRES_MOVE_HEAD, &head);
    sower_postgres_add_bytes(&values, lines->writer);
    sower_postgres_columns_add_to(&lines->added, &values);
    sower_postgres_queue(&lines->postgres, SOWER_POSTGRES_INSERT_LINES, &values);
    sower_postgres_columns_begin(&lines->added);
}

bool sower_postgres_lines_add(struct sower_postgres_lines *lines, struct sower_record *record,
                              struct sower_problem *problem)
{
    if (!sower_append_next(&lines->append, record, problem)) {
        return false;
    }
    lines->changed = true;
    sower_postgres_columns_put(&lines->added, record);
    if (lines->added.count == SOWER_STORE_CHUNK) {
        queue_added(lines);
    }
    return true;
}

/* The draws of a chunk that were added: the first bytes of their seeds. */
struct added {
    size_t count;
    uint64_t seeds[SOWER_STORE_CHUNK];
    const struct sower_record *records[SOWER_STORE_CHUNK];
};

static uint64_t seed_prefix(const struct sower_record *record)
{
    uint64_t prefix;
    memcpy(&prefix, record->seed.bytes, sizeof prefix);
    return prefix;
}

/* The added draw with this line, the first of its seed. */
static const struct sower_record *find_added(const struct added *added, uint64_t ledger)
{
    size_t i = 0;
    while (i + 1 < added->count && added->records[i]->ledger != ledger) {
        i++;
    }
    return added->records[i];
}

/* Looks for a new draw and its seed among the draws that were just added. Comparing all of them is cheap compared
 * with writing one. */
static bool look_among_added(const struct added *added, struct sower_store_draw *draw,
                             struct sower_problem *problem)
{
    struct sower_record *record = &draw->record;
    const bool known = record->drift != 0; /* it drifts from an earlier line */
    uint64_t prefix = seed_prefix(record);
    for (size_t i = 0; i < added->count; i++) {
        const struct sower_record *other = added->records[i];
        if (added->seeds[i] != prefix || memcmp(&other->seed, &record->seed, sizeof other->seed) != 0) {
            continue;
        }
        if (memcmp(&other->draw, &record->draw, sizeof other->draw) == 0) {
            record->ledger = other->ledger;
            record->drift = other->drift;
            break;
        }
        record->drift = other->drift != 0 ? other->drift : other->ledger;
    }
    return known || record->drift == 0 ||
           sower_precision_compare(find_added(added, record->drift), record, &draw->same_array, problem);
}

bool sower_postgres_lines_add_draws(struct sower_postgres_lines *lines, struct sower_store_draw *const *draws,
                                    size_t count, struct sower_problem *problem)
{
    struct added added;
    added.count = 0;
    for (size_t i = 0; i < count; i++) {
        struct sower_record *record = &draws[i]->record;
        if (record->ledger != 0) {
            continue;
        }
        if (!look_among_added(&added, draws[i], problem)) {
            return false;
        }
        draws[i]->outcome = sower_store_draw_outcome(draws[i], lines->pinned[i]);
        if (draws[i]->outcome != SOWER_DRAW_NEW ||
            !sower_quotas_take(lines->quotas.quotas, draws[i]->account)) {
            continue;
        }
        if (!sower_postgres_lines_add(lines, record, problem)) {
            return false;
        }
        draws[i]->outcome = SOWER_DRAW_RECORDED;
        added.seeds[added.count] = seed_prefix(record);
        added.records[added.count++] = record;
    }
    queue_added(lines);
    return true;
}

static void queue_find_keys(struct sower_postgres_lines *lines, struct sower_store_trials *const *requests,
                            size_t count)
{
    struct sower_postgres_values values = {0};
    struct sower_postgres_array *keys = lines->keys;
    sower_postgres_array_begin(&keys[0], SOWER_POSTGRES_BYTES);
    sower_postgres_array_begin(&keys[1], SOWER_POSTGRES_TEXT);
    sower_postgres_array_begin(&keys[2], SOWER_POSTGRES_TEXT);
    for (size_t i = 0; i < count; i++) {
        sower_postgres_array_bytes(&keys[0], requests[i]->root_id.bytes);
        sower_postgres_array_text(&keys[1], requests[i]->experiment);
        if (requests[i]->key[0] != '\0') {
            sower_postgres_array_text(&keys[2], requests[i]->key);
        } else {
            sower_postgres_array_null(&keys[2]);
        }
        want_count(lines, requests[i]->account);
    }
    queue_counts(lines);
    for (size_t i = 0; i < 3; i++) {
        sower_postgres_add_array(&values, &keys[i]);
    }
    sower_postgres_queue(&lines->postgres, SOWER_POSTGRES_FIND_KEYS, &values);
}

static void read_key(const PGresult *found, int row, struct sower_store_trials *request)
{
    request->outcome = SOWER_TRIALS_NONE;
    if (!sower_postgres_is_null(found, row, 4)) {
        request->first = sower_postgres_read_number(found, row, 2);
        request->ledger = sower_postgres_read_number(found, row, 4);
        request->outcome = sower_postgres_read_number(found, row, 3) == request->count
                               ? SOWER_TRIALS_GIVEN
                               : SOWER_TRIALS_KEY_TAKEN;
    }
}

bool sower_postgres_lines_find_trials(struct sower_postgres_lines *lines,
                                      struct sower_store_trials *const *requests, size_t count,
                                      uint64_t *given, struct sower_problem *problem)
{
    PGresult *found;
    if (!prepare_to_find(lines, problem)) {
        return false;
    }
    queue_find_keys(lines, requests, count);
    if (!exchange(lines, &found, problem)) {
        return false;
    }
    for (int row = 0; row < PQntuples(found); row++) {
        uint64_t n = sower_postgres_read_number(found, row, 0) - 1;
        if (n < count) {
            given[n] = sower_postgres_read_number(found, row, 1);
            read_key(found, row, requests[n]);
        }
    }
    PQclear(found);
    return true;
}

bool sower_postgres_lines_find_pin(struct sower_postgres_lines *lines, const struct sower_store_pin *pin,
                                   uint64_t *pinned, struct sower_problem *problem)
{
    struct sower_postgres_values values = {0};
    PGresult *found;
    want_count(lines, pin->account);
    queue_counts(lines);
    sower_postgres_add_text(&values, pin->experiment);
    sower_postgres_add_bytes(&values, pin->root_id.bytes);
    sower_postgres_queue(&lines->postgres, SOWER_POSTGRES_FIND_PIN, &values);
    if (!exchange(lines, &found, problem)) {
        return false;
    }
    *pinned = PQntuples(found) == 1 ? sower_postgres_read_number(found, 0, 0) : 0;
    PQclear(found);
    return true;
}

bool sower_postgres_lines_find_quota(struct sower_postgres_lines *lines, const struct sower_account *account,
                                     struct sower_problem *problem)
{
    PGresult *result;
    want_count(lines, account);
    if (!sower_postgres_quotas_queue_find(&lines->quotas, &lines->postgres)) {
        return true;
    }
    if (!exchange(lines, &result, problem)) {
        return false;
    }
    sower_postgres_quotas_read(&lines->quotas, result);
    PQclear(result);
    return true;
}

bool sower_postgres_lines_find_manifest(struct sower_postgres_lines *lines, const uint8_t hash[32],
                                        bool *found, struct sower_problem *problem)
{
    struct sower_postgres_values values = {0};
    PGresult *result;
    if (!prepare_to_find(lines, problem)) {
        return false;
    }
    sower_postgres_add_bytes(&values, hash);
    sower_postgres_queue(&lines->postgres, SOWER_POSTGRES_FIND_MANIFEST, &values);
    if (!exchange(lines, &result, problem)) {
        return false;
    }
    *found = PQntuples(result) == 1;
    PQclear(result);
    return true;
}

void sower_postgres_lines_add_manifest(struct sower_postgres_lines *lines,
                                       const struct sower_store_model *model)
{
    struct sower_postgres_values values = {0};
    lines->changed = true;
    sower_postgres_add_bytes(&values, model->manifest);
    sower_postgres_add_number(&values, (uint64_t)model->time);
    sower_postgres_add_blob(&values, model->text, model->length);
    sower_postgres_queue(&lines->postgres, SOWER_POSTGRES_INSERT_MANIFEST, &values);
}

/* Sends the beginning if no look-up has sent it. */
static bool send_beginning(struct sower_postgres_lines *lines, struct sower_problem *problem)
{
    PGresult *result;
    if (!lines->beginning) {
        return true;
    }
    if (!exchange(lines, &result, problem)) {
        return false;
    }
    PQclear(result);
    return true;
}

static bool commit(struct sower_postgres_lines *lines, struct sower_problem *problem)
{
    struct sower_postgres_values values = {0};
    PGresult *result;
    if (!send_beginning(lines, problem)) {
        return false;
    }
    queue_added(lines);
    sower_postgres_quotas_queue_changes(&lines->quotas, &lines->postgres);
    sower_postgres_add_number(&values, lines->append.ledger);
    sower_postgres_queue(&lines->postgres, SOWER_POSTGRES_MOVE_LAST, &values);
    sower_postgres_queue(&lines->postgres, SOWER_POSTGRES_NO_TIMEOUT, NULL);
    sower_postgres_queue(&lines->postgres, SOWER_POSTGRES_COMMIT, NULL);
    if (!exchange(lines, &result, problem)) {
        return false;
    }
    bool done =
        strcmp(PQcmdStatus(result), "COMMIT") == 0; /* "ROLLBACK": the transaction had failed before */
    PQclear(result);
    return done ||
           sower_problem_set(problem, SOWER_PROBLEM_UNAVAILABLE, "",
                             "The ledger cannot be used now: the database rolled the transaction back.");
}

bool sower_postgres_lines_end(struct sower_postgres_lines *lines, bool done, struct sower_problem *problem)
{
    if (done && lines->changed && commit(lines, problem)) {
        sower_quotas_committed(lines->quotas.quotas);
        lines->writing = false;
        return true;
    }
    lines->beginning = lines->writing = false;
    sower_postgres_roll_back(&lines->postgres);
    return done && !lines->changed;
}

/* Queues a line and its rollback. */
static bool queue_probe(struct sower_postgres_lines *lines, int64_t time, struct sower_problem *problem)
{
    const struct sower_append before = lines->append;
    struct sower_record record;
    sower_store_probe_record(time, &record);
    sower_postgres_queue_text(&lines->postgres, "SAVEPOINT probe", NULL);
    if (!sower_postgres_lines_add(lines, &record, problem)) {
        return false;
    }
    queue_added(lines);
    sower_postgres_queue_text(&lines->postgres, "ROLLBACK TO SAVEPOINT probe", NULL);
    lines->append = before;
    return true;
}

/* `changed` writes the last number unchanged; its commit is as durable as any other. */
bool sower_postgres_lines_probe(struct sower_postgres_lines *lines, int64_t time,
                                struct sower_problem *problem)
{
    bool done = sower_postgres_lines_begin(lines, problem) && send_beginning(lines, problem) &&
                queue_probe(lines, time, problem);
    lines->changed = true;
    return sower_postgres_lines_end(lines, done, problem);
}

static bool ask_for_size(struct sower_postgres_lines *lines, struct sower_problem *problem)
{
    struct sower_postgres_results results;
    if (!sower_postgres_ready(&lines->postgres)) {
        return sower_postgres_fail(&lines->postgres, problem);
    }
    sower_postgres_queue(&lines->postgres, SOWER_POSTGRES_MEASURE, NULL);
    if (!sower_postgres_exchange(&lines->postgres, &results)) {
        return sower_postgres_fail(&lines->postgres, problem);
    }
    if (PQntuples(results.items[0]) == 1) {
        lines->measured.ledger = sower_postgres_read_number(results.items[0], 0, 0);
        lines->measured.bytes = sower_postgres_read_number(results.items[0], 0, 1);
    }
    lines->measured.until = sower_clock_milliseconds() + MEASURE_MILLISECONDS;
    sower_postgres_clear(&results);
    return true;
}

bool sower_postgres_lines_measure(struct sower_postgres_lines *lines, uint64_t *bytes,
                                  struct sower_problem *problem)
{
    const uint64_t last = lines->append.ledger;
    if (sower_clock_milliseconds() >= lines->measured.until && !ask_for_size(lines, problem)) {
        return false;
    }
    *bytes = lines->measured.bytes;
    if (last > lines->measured.ledger && lines->measured.ledger > 0) {
        const uint64_t average = lines->measured.bytes / lines->measured.ledger;
        *bytes += (last - lines->measured.ledger) *
                  (average < SOWER_STORE_LINE_BYTES ? average : SOWER_STORE_LINE_BYTES);
    }
    return true;
}
