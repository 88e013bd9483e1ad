/* A SQLite ledger after power cuts at every change of a disk, and on a disk that fails to flush.
 *
 * Sessions, each a process that starts as the daemon does, write to a recorded disk (power_disk.h) and note every
 * line that the store confirmed. Afterwards the test rebuilds the disk as each cut would leave it. Every line that
 * was noted before the cut must be there, under its number, in a complete chain of the one writer. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <sys/wait.h>

#include <cmocka.h>
#include <sodium.h>
#include <sqlite3.h>

#include "server/ledger/opening.h"
#include "server/ledger/sqlite/store.h"
#include "server/ledger/writer_key.h"
#include "server/options.h"
#include "tests/unit/server/power_disk.h"

/* Every moment is tested; with sanitizers, which are ten times slower, every STRIDE-th. */
#ifdef __SANITIZE_ADDRESS__
enum { STRIDE = 5 };
#else
enum { STRIDE = 1 };
#endif

static const struct sower_seed ROOT = {{0xcd, 0xef}};
static const int64_t TIME = 1769860800123;

#define MUST(what)                                                                                           \
    do {                                                                                                     \
        if (!(what)) {                                                                                       \
            fprintf(stderr, "%s:%d: %s; %s\n", __FILE__, __LINE__, #what, problem.sentence);                 \
            _exit(1);                                                                                        \
        }                                                                                                    \
    } while (0)

/* The part of a daemon that uses the disk. */
struct daemon {
    struct sower_writer_key writer;
    struct sower_store *store;
};

static bool start(const char *directory, struct daemon *daemon, struct sower_problem *problem)
{
    char wanted[DISK_PATH_MAX + 16], state[4096];
    snprintf(wanted, sizeof wanted, "%s/var/state", directory);
    const struct sower_options options = {.state = wanted};
    daemon->store = NULL;
    if (sower_options_state(&options, state, sizeof state, problem) &&
        sower_writer_key_open(state, &daemon->writer, problem)) {
        daemon->store = sower_store_open("sqlite:", state, daemon->writer.key, NULL, problem);
    }
    return daemon->store != NULL;
}

static void stop(struct daemon *daemon)
{
    daemon->store->close(daemon->store);
    sower_writer_key_close(&daemon->writer);
}

static struct sower_record make_draw(unsigned number)
{
    struct sower_record record;
    memset(&record, 0, sizeof record);
    record.kind = SOWER_RECORD_DRAW;
    record.time = TIME;
    record.root_id = ROOT;
    record.spec = 1;
    record.trial = number % 3;
    crypto_generichash(record.draw.bytes, sizeof record.draw.bytes, (const uint8_t *)&number, sizeof number,
                       (const uint8_t *)"drawdrawdrawdraw", 16);
    crypto_generichash(record.seed.bytes, sizeof record.seed.bytes, (const uint8_t *)&number, sizeof number,
                       NULL, 0);
    snprintf(record.experiment, sizeof record.experiment, "e%u", number % 2);
    snprintf(record.name, sizeof record.name, "w%u", number);
    strcpy(record.shape, "4,6");
    strcpy(record.dtype, "f32");
    strcpy(record.initializer, "normal(mean=0,std=0.02)");
    strcpy(record.layout, "oi");
    return record;
}

static void note_answer(const struct sower_record *record)
{
    disk_note(DISK_ANSWERED, record, sizeof *record);
}

/* Records draws in one commit; returns whether it succeeded. */
static bool draw(struct daemon *daemon, unsigned first, unsigned count)
{
    enum { AT_ONCE_MAX = 64 };
    struct sower_store_draw draws[AT_ONCE_MAX], *pointers[AT_ONCE_MAX];
    struct sower_problem problem;
    assert_true(count <= AT_ONCE_MAX);
    for (unsigned i = 0; i < count; i++) {
        draws[i] = (struct sower_store_draw){.record = make_draw(first + i)};
        pointers[i] = &draws[i];
    }
    if (!daemon->store->writer->methods->append(daemon->store->writer, pointers, count, &problem)) {
        return false;
    }
    for (unsigned i = 0; i < count; i++) {
        note_answer(&draws[i].record);
    }
    return true;
}

/* Requests a draw that is recorded already. */
static void draw_again(struct daemon *daemon, unsigned number)
{
    struct sower_store_draw draw = {.record = make_draw(number)}, *pointer = &draw;
    struct sower_problem problem = {.sentence = ""};
    MUST(daemon->store->writer->methods->find(daemon->store->writer, &pointer, 1, &problem));
    if (draw.outcome == SOWER_DRAW_RECORDED) {
        memset(&draw.record.place, 0, sizeof draw.record.place); /* find does not set it */
        note_answer(&draw.record);
    }
}

static void fill_model(void *context, size_t n, struct sower_record *record)
{
    *record = make_draw(*(unsigned *)context + (unsigned)n);
}

static void draw_model(struct daemon *daemon, unsigned first, unsigned count)
{
    struct sower_problem problem = {.sentence = ""};
    struct sower_store_model model = {.count = count,
                                      .fill = fill_model,
                                      .context = &first,
                                      .manifest = {(uint8_t)first, (uint8_t)(first >> 8)},
                                      .text = "{}",
                                      .length = 2,
                                      .time = TIME};
    MUST(daemon->store->writer->methods->append_model(daemon->store->writer, &model, &problem) &&
         model.written);
    for (unsigned n = 0; n<count; n += count> 16 ? count / 16 : 1) {
        draw_again(daemon, first + n);
    }
}

static void take(struct daemon *daemon, const char *key, uint64_t count)
{
    struct sower_problem problem = {.sentence = ""};
    struct sower_store_trials request = {
        .root_id = ROOT, .experiment = "e0", .key = key, .count = count, .time = TIME};
    struct sower_store_trials *pointer = &request;
    MUST(daemon->store->writer->methods->give_trials(daemon->store->writer, &pointer, 1, &problem));
    MUST(request.outcome == SOWER_TRIALS_GIVEN);
    struct sower_record record = {.ledger = request.ledger,
                                  .kind = SOWER_RECORD_TRIALS,
                                  .root_id = ROOT,
                                  .experiment = "e0",
                                  .trial = request.first,
                                  .count = count};
    strcpy(record.key, key);
    note_answer(&record);
}

static void pin(struct daemon *daemon, bool pinned)
{
    struct sower_problem problem = {.sentence = ""};
    struct sower_store_pin pin = {.root_id = ROOT, .experiment = "e0", .pinned = pinned, .time = TIME};
    MUST(daemon->store->writer->methods->pin(daemon->store->writer, &pin, &problem) && pin.ledger > 0);
    struct sower_record record = {.ledger = pin.ledger,
                                  .kind = pinned ? SOWER_RECORD_PIN : SOWER_RECORD_UNPIN,
                                  .root_id = ROOT,
                                  .experiment = "e0"};
    note_answer(&record);
}

/* Runs `work` in a process of its own, which exits without closing its files. */
static void session(void (*work)(struct daemon *daemon, unsigned number), unsigned number)
{
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct daemon daemon;
        struct sower_problem problem = {.sentence = ""};
        disk->recording = true;
        bool started = start(disk->root, &daemon, &problem);
        MUST(started || disk->fail_sync == 0);
        if (started) {
            work(&daemon, number);
        }
        disk->recording = false;
        disk->fail_sync = 0;
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

/* The lines of a ledger, checked as they are read. */
struct audit {
    struct sower_record *lines; /* [0] is line 1 */
    size_t count, size;
    struct sower_link head;
    const uint8_t *writer;
};

static bool visit(void *context, const struct sower_record *record)
{
    struct audit *audit = context;
    uint8_t link[SOWER_LINK_SIZE];
    if (audit->count == audit->size) {
        audit->size = 2 * audit->size + 64;
        audit->lines = realloc(audit->lines, audit->size * sizeof *audit->lines);
        assert_non_null(audit->lines);
    }
    assert_int_equal(record->ledger, audit->count + 1);
    assert_int_equal(record->place.sequence, audit->head.sequence + 1);
    assert_memory_equal(record->place.writer, audit->writer, SOWER_WRITER_SIZE);
    sower_chain_link(record, audit->head.link, link);
    assert_memory_equal(record->place.link, link, sizeof link);
    audit->head = record->place;
    audit->lines[audit->count++] = *record;
    return true;
}

static void check_answer(const struct audit *audit, const struct sower_record *answer)
{
    static const uint8_t unknown[SOWER_LINK_SIZE];
    assert_in_range(answer->ledger, 1, audit->count);
    const struct sower_record *line = &audit->lines[answer->ledger - 1];
    assert_int_equal(line->kind, answer->kind);
    assert_string_equal(line->experiment, answer->experiment);
    assert_int_equal(line->trial, answer->trial);
    assert_int_equal(line->count, answer->count);
    assert_string_equal(line->key, answer->key);
    assert_memory_equal(&line->draw, &answer->draw, sizeof line->draw);
    assert_memory_equal(&line->seed, &answer->seed, sizeof line->seed);
    if (memcmp(answer->place.link, unknown, sizeof unknown) != 0) {
        assert_memory_equal(&line->place, &answer->place, sizeof line->place);
    }
}

/* Starts a daemon on the disk after a cut. */
static void check_image(struct audit *audit, const size_t *answers, size_t count)
{
    struct daemon daemon;
    struct sower_problem problem = {.sentence = ""};
    audit->count = 0;
    memset(&audit->head, 0, sizeof audit->head);
    if (!start(disk->image, &daemon, &problem)) {
        fail_msg("%s", problem.sentence);
    }
    audit->writer = daemon.writer.key;
    const struct sower_page all = {.until = INT64_MAX, .count = SIZE_MAX >> 1};
    assert_true(daemon.store->reader->methods->page(daemon.store->reader, &all, visit, audit, &problem));
    for (size_t i = 0; i < count; i++) {
        const struct disk_op *op = disk->ops[answers[i]];
        check_answer(audit, (const struct sower_record *)(const void *)op->bytes);
    }
    for (size_t i = 0; i < audit->count; i++) {
        char *text = NULL;
        size_t length;
        if (audit->lines[i].has_manifest && (i == 0 || !audit->lines[i - 1].has_manifest)) {
            assert_true(daemon.store->reader->methods->manifest(
                daemon.store->reader, audit->lines[i].manifest, &text, &length, &problem));
            assert_non_null(text);
            free(text);
        }
    }
    struct sower_store_draw next = {.record = make_draw(1000000)}, *pointer = &next;
    assert_true(daemon.store->writer->methods->append(daemon.store->writer, &pointer, 1, &problem));
    assert_int_equal(next.record.ledger, audit->count + 1);
    stop(&daemon);
}

/* Whether a flush is near: these are the interesting moments. */
static bool is_near_sync(size_t at)
{
    const size_t near = STRIDE == 1 ? 4 : 0;
    for (size_t i = at < near ? 0 : at - near; i < at + near && i < disk->count; i++) {
        enum disk_change change = disk->ops[i]->change;
        if (change != DISK_WRITE && change != DISK_ANSWERED) {
            return true;
        }
    }
    return false;
}

/* Cuts the power before every op from `from` on and at the end; in a long run of writes, before every `stride`-th. */
static size_t cut_everywhere(size_t from, size_t stride)
{
    struct disk_state *state = calloc(1, sizeof *state);
    size_t *answers = calloc(disk->count + 1, sizeof *answers), count = 0, cuts = 0;
    uint64_t seed = 20260131;
    struct audit audit = {0};
    assert_non_null(state);
    assert_non_null(answers);
    for (size_t at = 0; at <= disk->count; at++) {
        disk_advance(state, at);
        if (at > 0 && disk->ops[at - 1]->change == DISK_ANSWERED) {
            answers[count++] = at - 1;
        }
        if (at < from || (at < disk->count && at % stride != 0 && !is_near_sync(at))) {
            continue;
        }
        for (enum disk_luck luck = DISK_NOTHING_KEPT; luck <= DISK_ALL_KEPT; luck++) {
            disk_cut(state, luck, &seed);
            check_image(&audit, answers, count);
            cuts++;
        }
    }
    free(audit.lines);
    free(answers);
    disk_state_free(state);
    return cuts;
}

static int set_up(void **state)
{
    (void)state;
    char path[DISK_PATH_MAX + 8];
    disk_make();
    snprintf(path, sizeof path, "%s/var", disk->root);
    disk->recording = true; /* the directory existed before and is safe */
    bool made = mkdir(path, 0700) == 0;
    disk_note_path(DISK_SYNC_DIRECTORY, "", true, 0);
    disk->recording = false;
    return made ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    disk_free();
    return 0;
}

/* Lines of every kind. */
static void write_some(struct daemon *daemon, unsigned first)
{
    struct sower_problem problem = {.sentence = ""};
    MUST(draw(daemon, first, 1) && draw(daemon, first + 1, 1));
    take(daemon, "", 2);
    MUST(draw(daemon, first + 2, 8));
    draw_model(daemon, first + 10, 4);
    take(daemon, first == 0 ? "first" : "other", 3);
    pin(daemon, true);
    MUST(daemon->store->writer->methods->probe(daemon->store->writer, TIME, &problem));
    pin(daemon, false);
    take(daemon, "first", 3);
}

static void write_and_close(struct daemon *daemon, unsigned first)
{
    write_some(daemon, first);
    stop(daemon);
}

static void no_confirmed_line_is_lost_wherever_the_power_is_cut(void **state)
{
    (void)state;
    session(write_some, 0);
    session(write_and_close, 100);
    session(write_some, 200);
    size_t cuts = cut_everywhere(0, STRIDE);
    assert_true(cuts > 1000 / STRIDE);
    print_message("%zu cuts\n", cuts);
}

/* Checkpoints the log, as a commit does when the log is long. The next commit starts the log again. */
static void write_back(void)
{
    struct sower_problem problem = {.sentence = ""};
    char path[DISK_PATH_MAX + 32];
    sqlite3 *database;
    int frames, written;
    snprintf(path, sizeof path, "%s/var/state/ledger.sqlite", disk->root);
    MUST(sqlite3_open(path, &database) == SQLITE_OK); /* SQLite opens the log only when it reads */
    MUST(sqlite3_exec(database, "SELECT 1 FROM sqlite_schema", NULL, NULL, NULL) == SQLITE_OK);
    MUST(sqlite3_wal_checkpoint_v2(database, NULL, SQLITE_CHECKPOINT_PASSIVE, &frames, &written) ==
         SQLITE_OK);
    MUST(frames > 0 && written == frames);
    sqlite3_close(database);
}

/* Writes enough for a checkpoint, and more lines after it. */
static void write_much(struct daemon *daemon, unsigned first)
{
    struct sower_problem problem = {.sentence = ""};
    draw_model(daemon, first, 3000);
    write_back();
    MUST(draw(daemon, first + 5000, 4));
    draw_model(daemon, first + 10000, 3000);
    write_back();
    for (unsigned i = 0; i < 20; i++) {
        MUST(draw(daemon, first + 20000 + 2 * i, 2));
    }
}

static void no_confirmed_line_is_lost_during_a_checkpoint(void **state)
{
    (void)state;
    session(write_much, 0);
    session(write_and_close, 100000);
    assert_true(cut_everywhere(0, 101) > 30);
}

/* A ledger of version 3, properly closed: draws 0 to 29, and trials. */
static void make_old_ledger(struct daemon *daemon, unsigned number)
{
    static const char schema[] =
        "PRAGMA journal_mode = WAL;"
        "CREATE TABLE draw (ledger INTEGER PRIMARY KEY, time INTEGER NOT NULL, draw BLOB NOT NULL UNIQUE,"
        " seed BLOB NOT NULL, root BLOB NOT NULL, spec INTEGER NOT NULL, experiment TEXT NOT NULL,"
        " trial INTEGER NOT NULL, name TEXT NOT NULL, shape TEXT NOT NULL, dtype TEXT NOT NULL, init TEXT "
        "NOT "
        "NULL, layout TEXT NOT NULL, manifest BLOB) STRICT;"
        "CREATE INDEX draw_experiment ON draw (experiment);"
        "CREATE TABLE probe (id INTEGER PRIMARY KEY, count INTEGER NOT NULL) STRICT;"
        "INSERT INTO probe VALUES (0, 0);"
        "CREATE TABLE manifest (hash BLOB PRIMARY KEY, time INTEGER NOT NULL, text BLOB NOT NULL) STRICT;"
        "CREATE TABLE trial (root BLOB NOT NULL, experiment TEXT NOT NULL, first INTEGER NOT NULL,"
        " count INTEGER NOT NULL, time INTEGER NOT NULL, key TEXT, PRIMARY KEY (root, experiment, first))"
        " STRICT, WITHOUT ROWID;"
        "CREATE UNIQUE INDEX trial_key ON trial (root, experiment, key) WHERE key IS NOT NULL;"
        "PRAGMA application_id = 0x536f7772; PRAGMA user_version = 3;";
    struct sower_problem problem = {.sentence = ""};
    char path[DISK_PATH_MAX + 32];
    sqlite3 *database;
    sqlite3_stmt *insert;
    (void)number;
    stop(daemon);
    snprintf(path, sizeof path, "%s/var/state/ledger.sqlite", disk->root);
    MUST(unlink(path) == 0 && sqlite3_open(path, &database) == SQLITE_OK);
    MUST(sqlite3_exec(database, schema, NULL, NULL, NULL) == SQLITE_OK);
    MUST(sqlite3_exec(database, "BEGIN", NULL, NULL, NULL) == SQLITE_OK);
    MUST(sqlite3_prepare_v2(database,
                            "INSERT INTO draw VALUES (NULL, ?1, ?2, ?3, ?4, 1, ?5, ?6, ?7, '4,6', 'f32',"
                            " 'normal(mean=0,std=0.02)', 'oi', NULL)",
                            -1, &insert, NULL) == SQLITE_OK);
    for (unsigned n = 0; n < 30; n++) {
        struct sower_record record = make_draw(n);
        sqlite3_bind_int64(insert, 1, record.time);
        sqlite3_bind_blob(insert, 2, record.draw.bytes, 32, SQLITE_STATIC);
        sqlite3_bind_blob(insert, 3, record.seed.bytes, 32, SQLITE_STATIC);
        sqlite3_bind_blob(insert, 4, ROOT.bytes, 32, SQLITE_STATIC);
        sqlite3_bind_text(insert, 5, record.experiment, -1, SQLITE_STATIC);
        sqlite3_bind_int64(insert, 6, (int64_t)record.trial);
        sqlite3_bind_text(insert, 7, record.name, -1, SQLITE_STATIC);
        MUST(sqlite3_step(insert) == SQLITE_DONE);
        sqlite3_reset(insert);
    }
    sqlite3_finalize(insert);
    MUST(sqlite3_exec(database,
                      "INSERT INTO trial SELECT root, 'e0', 0, 3, time, 'first' FROM draw WHERE ledger = 1;"
                      "INSERT INTO trial SELECT root, 'e0', 3, 2, time, NULL FROM draw WHERE ledger = 1;"
                      "COMMIT;",
                      NULL, NULL, NULL) == SQLITE_OK);
    MUST(sqlite3_close(database) == SQLITE_OK);
    disk_note_path(DISK_SYNC_DIRECTORY, "var/state", true, 0);
    for (unsigned n = 0; n < 30; n++) {
        struct sower_record record = make_draw(n);
        record.ledger = n + 1;
        note_answer(&record);
    }
}

static void take_over(struct daemon *daemon, unsigned number)
{
    (void)number;
    take(daemon, "first", 3);
    take(daemon, "", 1);
    stop(daemon);
}

static void an_old_ledger_is_upgraded_completely_wherever_the_power_is_cut(void **state)
{
    (void)state;
    session(make_old_ledger, 0);
    size_t from = disk->count;
    session(take_over, 0);
    assert_true(cut_everywhere(from, STRIDE) > 100 / STRIDE);
}

/* On a disk that fails to flush once: a refused draw may be requested again. */
static void write_to_a_failing_disk(struct daemon *daemon, unsigned first)
{
    for (unsigned n = 0; n < 4; n++) {
        if (!draw(daemon, first + n, 1)) {
            draw_again(daemon, first + n);
        }
    }
}

static void write_again(struct daemon *daemon, unsigned first)
{
    struct sower_problem problem = {.sentence = ""};
    for (unsigned n = 0; n < 4; n++) {
        draw_again(daemon, first + n);
    }
    MUST(draw(daemon, first + 4, 1));
}

static void write_to_a_failing_disk_and_end(struct daemon *daemon, unsigned first)
{
    for (unsigned n = 0; n < 4; n++) {
        if (!draw(daemon, first + n, 1)) {
            return;
        }
    }
    stop(daemon);
}

static void fail_every_sync(void (*work)(struct daemon *daemon, unsigned number))
{
    size_t failures = 0;
    for (int64_t sync = 1;; sync++) {
        disk_free();
        set_up(NULL);
        session(write_some, 0);
        disk->fail_sync = sync;
        size_t from = disk->count;
        session(work, 100);
        bool failed = false;
        for (size_t i = from; i < disk->count; i++) {
            failed |= disk->ops[i]->change == DISK_SYNC_FAILED;
        }
        if (!failed) {
            break;
        }
        failures++;
        session(write_again, 100);
        cut_everywhere(from, 7 * STRIDE);
    }
    print_message("%zu flushes failed\n", failures);
    assert_true(failures >= 4);
}

static void lines_that_could_not_be_flushed_do_not_count_as_written(void **state)
{
    (void)state;
    fail_every_sync(write_to_a_failing_disk);
}

static void the_next_daemon_does_not_trust_lines_that_could_not_be_flushed(void **state)
{
    (void)state;
    fail_every_sync(write_to_a_failing_disk_and_end);
}

int main(void)
{
    if (sodium_init() < 0) {
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(no_confirmed_line_is_lost_wherever_the_power_is_cut, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(no_confirmed_line_is_lost_during_a_checkpoint, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_old_ledger_is_upgraded_completely_wherever_the_power_is_cut,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(lines_that_could_not_be_flushed_do_not_count_as_written, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(the_next_daemon_does_not_trust_lines_that_could_not_be_flushed,
                                        set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
