#include "server/ledger/ledger.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "proto/time.h"
#include "server/base/clock.h"
#include "server/ledger/known.h"

enum {
    BATCH_MAX = 1024,          /* records in one transaction */
    PROBE_MILLISECONDS = 1000, /* a write that went well answers probes for so long */
    WORK_MILLISECONDS = 5000,  /* no work should take longer */
    CLOCK_MILLISECONDS = 5000, /* a clock that lies behind the ledger by no more is not worth a word */
    MILLISECONDS_PER_SECOND = 1000,
};

struct sower_ledger {
    struct sower_store *_Atomic store; /* NULL until it is open; then it stays */
    struct sower_known *known;
    const struct sower_log *log;
    pthread_t thread;

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t wake;
    struct sower_rounds together, alone; /* those who share a transaction, and those who do not */
    struct sower_rounds probes;          /* those who only ask */
    size_t waiting, queue;
    bool open, stopping;   /* the thread runs in between */
    _Atomic bool given_up; /* as `stopping`: the store looks at it while it is at a model */
    bool failing;
    struct sower_problem failure; /* why, while it is */
    int64_t written;              /* when the store last wrote, on the monotonic clock */
    int64_t working;              /* since when the thread is at work; 0: it is not */

    /* Of the ledger's thread alone. */
    bool behind; /* the clock is; the log says so */
    struct sower_ledger_wait *batch[BATCH_MAX];
    struct sower_store_draw *draws[BATCH_MAX];
    struct sower_ledger_wait *asking[BATCH_MAX]; /* for trials */
    struct sower_store_trials *trials[BATCH_MAX];
};

/* For the ledger's thread, which runs only while the store is open. */
static struct sower_store_writer *writer_of(const struct sower_ledger *ledger)
{
    return atomic_load_explicit(&ledger->store, memory_order_relaxed)->writer;
}

static void settle(struct sower_ledger_wait *wait, bool well, const struct sower_problem *problem)
{
    wait->well = well;
    if (!well) {
        wait->problem = *problem;
    }
    wait->done(wait);
}

/* Says in the log when lines begin to get later times than the clock's, and when the clock has caught up. */
static void note_clock(struct sower_ledger *ledger)
{
    const int64_t chain_time = writer_of(ledger)->chain_time, now = sower_clock_wall();
    bool behind = chain_time > now && (ledger->behind || chain_time - now > CLOCK_MILLISECONDS);
    if (behind == ledger->behind) {
        return;
    }
    ledger->behind = behind;
    if (!behind) {
        sower_log_sentence(ledger->log, SOWER_LOG_WARNING, "clock_caught_up",
                           "Lines of the ledger get the clock's time again.");
        return;
    }
    char sentence[240], time[SOWER_TIME_SIZE];
    sower_time_print(chain_time, time);
    snprintf(sentence, sizeof sentence,
             "The last line of this daemon's chain is of %s, which the clock has not reached: until then "
             "lines get "
             "this time. Set the clock right if it is wrong; if it was ahead before, nothing is to be done.",
             time);
    sower_log_sentence(ledger->log, SOWER_LOG_WARNING, "clock_behind", sentence);
}

/* Says in the log when the store begins to fail and when it works again, not every time. */
static void note_outcome(struct sower_ledger *ledger, bool well, const struct sower_problem *problem)
{
    pthread_mutex_lock(&ledger->lock);
    bool changed = well == ledger->failing;
    ledger->failing = !well;
    ledger->working = 0;
    if (well) {
        ledger->written = sower_clock_milliseconds();
    } else {
        ledger->failure = *problem;
    }
    pthread_mutex_unlock(&ledger->lock);
    if (well) {
        note_clock(ledger);
    }
    if (changed && well) {
        sower_log_sentence(ledger->log, SOWER_LOG_WARNING, "ledger_recovered",
                           "The ledger can be written again.");
    } else if (changed) {
        sower_log_sentence(ledger->log, SOWER_LOG_ERROR, "ledger_failed", problem->sentence);
    }
}

enum answer { YES, NO, UNKNOWN };

/* Whether the ledger can be written, as far as that is known without trying. The lock is held. */
static enum answer answer_probe(const struct sower_ledger *ledger, struct sower_problem *problem)
{
    int64_t now = sower_clock_milliseconds();
    if (ledger->failing) {
        *problem = ledger->failure;
        return ledger->working != 0 ? NO : UNKNOWN;
    }
    if (ledger->written != 0 && now - ledger->written < PROBE_MILLISECONDS) {
        return YES;
    }
    if (ledger->working == 0 || ledger->written == 0) {
        return UNKNOWN;
    }
    sower_problem_set(problem, SOWER_PROBLEM_UNAVAILABLE, "",
                      "The ledger has been at one write for more than %d seconds.",
                      WORK_MILLISECONDS / MILLISECONDS_PER_SECOND);
    return now - ledger->working < WORK_MILLISECONDS ? YES : NO;
}

/* The thread turns to the store. Who asks from here on is answered at once, and so are those who have asked
 * since it last did. */
static void begin_work(struct sower_ledger *ledger)
{
    struct sower_problem problem;
    pthread_mutex_lock(&ledger->lock);
    ledger->working = sower_clock_milliseconds();
    struct sower_rounds asking = {0};
    enum answer answer = answer_probe(ledger, &problem);
    if (answer != UNKNOWN) {
        asking = ledger->probes;
        ledger->probes = (struct sower_rounds){0};
    }
    pthread_mutex_unlock(&ledger->lock);
    for (struct sower_ledger_wait *wait; (wait = sower_rounds_take(&asking)) != NULL;) {
        settle(wait, answer == YES, &problem);
    }
}

static void end_work(struct sower_ledger *ledger)
{
    pthread_mutex_lock(&ledger->lock);
    ledger->working = 0;
    pthread_mutex_unlock(&ledger->lock);
}

/* Tries whether the ledger can be written, and tells all who ask. */
static void settle_probes(struct sower_ledger *ledger, struct sower_rounds *asking)
{
    struct sower_store_writer *writer = writer_of(ledger);
    struct sower_problem problem;
    bool well = writer->methods->probe(writer, sower_clock_wall(), &problem);
    note_outcome(ledger, well, &problem);
    for (struct sower_ledger_wait *wait; (wait = sower_rounds_take(asking)) != NULL;) {
        settle(wait, well, &problem);
    }
}

static void settle_model(struct sower_ledger *ledger, struct sower_ledger_wait *wait)
{
    struct sower_store_writer *writer = writer_of(ledger);
    struct sower_problem problem;
    wait->model->time = sower_clock_wall();
    wait->model->given_up = &ledger->given_up;
    bool well = writer->methods->append_model(writer, wait->model, &problem);
    if (!atomic_load(&ledger->given_up) && (!well || wait->model->written)) {
        note_outcome(ledger, well, &problem);
    }
    settle(wait, well, &problem);
}

static void settle_look(struct sower_ledger *ledger, struct sower_ledger_wait *wait)
{
    struct sower_store_writer *writer = writer_of(ledger);
    struct sower_problem problem;
    wait->model->given_up = &ledger->given_up;
    bool well = writer->methods->find_model(writer, wait->model, &problem);
    if (!well && !atomic_load(&ledger->given_up)) {
        note_outcome(ledger, false, &problem);
    }
    settle(wait, well, &problem);
}

static void settle_pin(struct sower_ledger *ledger, struct sower_ledger_wait *wait)
{
    struct sower_store_writer *writer = writer_of(ledger);
    struct sower_problem problem;
    wait->pin->time = sower_clock_wall();
    bool well = writer->methods->pin(writer, wait->pin, &problem);
    note_outcome(ledger, well, &problem);
    settle(wait, well, &problem);
}

static void settle_failed(struct sower_ledger *ledger, struct sower_ledger_wait *const *waits, size_t count,
                          const struct sower_problem *problem)
{
    note_outcome(ledger, false, problem);
    for (size_t i = 0; i < count; i++) {
        settle(waits[i], false, problem);
    }
}

/* Settles those who have their numbers already, under their key; returns how many are left. */
static size_t look_up_trials(struct sower_ledger *ledger, size_t count)
{
    struct sower_store_writer *writer = writer_of(ledger);
    struct sower_problem problem;
    size_t left = 0;
    for (size_t i = 0; i < count; i++) {
        ledger->trials[i] = ledger->asking[i]->trials;
    }
    if (!writer->methods->find_trials(writer, ledger->trials, count, &problem)) {
        settle_failed(ledger, ledger->asking, count, &problem);
        return 0;
    }
    for (size_t i = 0; i < count; i++) {
        if (ledger->trials[i]->outcome == SOWER_TRIALS_NONE) {
            ledger->asking[left++] = ledger->asking[i];
        } else {
            settle(ledger->asking[i], true, NULL);
        }
    }
    return left;
}

static void give_trials(struct sower_ledger *ledger, size_t count)
{
    struct sower_store_writer *writer = writer_of(ledger);
    struct sower_problem problem;
    int64_t now = sower_clock_wall();
    for (size_t i = 0; i < count; i++) {
        ledger->trials[i] = ledger->asking[i]->trials;
        ledger->trials[i]->time = now;
    }
    if (!writer->methods->give_trials(writer, ledger->trials, count, &problem)) {
        settle_failed(ledger, ledger->asking, count, &problem);
        return;
    }
    note_outcome(ledger, true, NULL);
    for (size_t i = 0; i < count; i++) {
        settle(ledger->asking[i], true, NULL);
    }
}

/* Remembers a draw that is recorded, and settles who waits for it. */
static void settle_draw(struct sower_ledger *ledger, struct sower_ledger_wait *wait)
{
    const struct sower_store_draw *draw = wait->draw;
    if (draw->outcome == SOWER_DRAW_RECORDED && draw->record.drift == 0) {
        sower_known_add(ledger->known, &draw->record.draw, draw->record.ledger);
    }
    settle(wait, true, NULL);
}

/* Settles those of the batch who need no writing; returns how many are left. */
static size_t look_up(struct sower_ledger *ledger, size_t count)
{
    struct sower_store_writer *writer = writer_of(ledger);
    struct sower_problem problem;
    size_t left = 0;
    for (size_t i = 0; i < count; i++) {
        ledger->draws[i] = ledger->batch[i]->draw;
    }
    if (!writer->methods->find(writer, ledger->draws, count, &problem)) {
        settle_failed(ledger, ledger->batch, count, &problem);
        return 0;
    }
    for (size_t i = 0; i < count; i++) {
        struct sower_ledger_wait *wait = ledger->batch[i];
        if (wait->wish == SOWER_LEDGER_RECORD && wait->draw->outcome == SOWER_DRAW_NEW) {
            ledger->batch[left++] = wait;
        } else {
            settle_draw(ledger, wait);
        }
    }
    return left;
}

static void write_batch(struct sower_ledger *ledger, size_t count)
{
    struct sower_store_writer *writer = writer_of(ledger);
    struct sower_problem problem;
    int64_t now = sower_clock_wall();
    for (size_t i = 0; i < count; i++) {
        ledger->draws[i] = ledger->batch[i]->draw;
        ledger->draws[i]->record.time = now;
    }
    if (!writer->methods->append(writer, ledger->draws, count, &problem)) {
        settle_failed(ledger, ledger->batch, count, &problem);
        return;
    }
    note_outcome(ledger, true, NULL);
    for (size_t i = 0; i < count; i++) {
        settle_draw(ledger, ledger->batch[i]);
    }
}

/* Settles one whose draw memory remembers. */
static bool settle_known(struct sower_ledger *ledger, struct sower_ledger_wait *wait)
{
    struct sower_record *record = &wait->draw->record;
    uint64_t line = sower_known_find(ledger->known, &record->draw);
    if (line == 0) {
        return false;
    }
    record->ledger = line;
    record->drift = 0;
    wait->draw->outcome = SOWER_DRAW_RECORDED;
    settle(wait, true, NULL);
    return true;
}

/* What the thread has taken out of the queue. */
struct batch {
    struct sower_rounds together, probes;
    struct sower_ledger_wait *alone;
};

/* Those whose draw needs no writing are settled first: they do not wait for a disk that may be failing. */
static void work_off_together(struct sower_ledger *ledger, struct sower_rounds *together)
{
    size_t count = 0, asking = 0;
    for (struct sower_ledger_wait *wait; (wait = sower_rounds_take(together)) != NULL;) {
        if (wait->wish == SOWER_LEDGER_TRIALS) {
            ledger->asking[asking++] = wait;
        } else if (!settle_known(ledger, wait)) {
            ledger->batch[count++] = wait;
        }
    }
    if (count > 0) {
        begin_work(ledger);
        count = look_up(ledger, count);
    }
    if (count > 0) {
        write_batch(ledger, count);
    }
    if (asking > 0) {
        begin_work(ledger);
        asking = look_up_trials(ledger, asking);
    }
    if (asking > 0) {
        give_trials(ledger, asking);
    }
}

static void work_off_alone(struct sower_ledger *ledger, struct sower_ledger_wait *wait)
{
    begin_work(ledger);
    switch (wait->wish) {
    case SOWER_LEDGER_MODEL:
        settle_model(ledger, wait);
        break;
    case SOWER_LEDGER_LOOK_MODEL:
        settle_look(ledger, wait);
        break;
    default:
        settle_pin(ledger, wait);
        break;
    }
}

static void work_off(struct sower_ledger *ledger, struct batch *batch)
{
    if (batch->probes.first != NULL) {
        begin_work(ledger);
        settle_probes(ledger, &batch->probes);
    }
    work_off_together(ledger, &batch->together);
    if (batch->alone != NULL) {
        work_off_alone(ledger, batch->alone);
    }
    end_work(ledger);
}

static struct sower_rounds *queue_of(struct sower_ledger *ledger, enum sower_ledger_wish wish)
{
    switch (wish) {
    case SOWER_LEDGER_RECORD:
    case SOWER_LEDGER_LOOK:
    case SOWER_LEDGER_TRIALS:
        return &ledger->together;
    case SOWER_LEDGER_PROBE:
        return &ledger->probes;
    default:
        return &ledger->alone;
    }
}

/* Takes up to BATCH_MAX of those who share a transaction, one who does not, and all who only ask. False when
 * the ledger stops. */
static bool take_batch(struct sower_ledger *ledger, struct batch *batch)
{
    struct sower_ledger_wait *wait;
    size_t count = 0;
    *batch = (struct batch){0};
    pthread_mutex_lock(&ledger->lock);
    while (ledger->waiting == 0 && ledger->probes.first == NULL && !ledger->stopping) {
        pthread_cond_wait(&ledger->wake, &ledger->lock);
    }
    batch->probes = ledger->probes;
    ledger->probes = (struct sower_rounds){0};
    batch->alone = sower_rounds_take(&ledger->alone);
    while (count < BATCH_MAX && (wait = sower_rounds_take(&ledger->together)) != NULL) {
        wait->place.client = 0; /* within a batch the order is that of the queue */
        sower_rounds_put(&batch->together, wait);
        count++;
    }
    ledger->waiting -= count + (batch->alone != NULL);
    bool goes_on = !ledger->stopping;
    pthread_mutex_unlock(&ledger->lock);
    return goes_on;
}

static void *run(void *context)
{
    struct sower_ledger *ledger = context;
    struct batch batch;
    while (take_batch(ledger, &batch)) {
        work_off(ledger, &batch);
    }
    return NULL;
}

/* Opening a store takes minutes when the ledger is of an older version. */
static void refuse_early(struct sower_problem *problem)
{
    sower_problem_set(problem, SOWER_PROBLEM_UNAVAILABLE, "",
                      "The ledger is being opened, which takes some minutes when it was written by an "
                      "older sowerd; ask again in a moment.");
}

/* Why one who comes is not let into the queue. */
static void refuse(struct sower_ledger_wait *wait, bool open, bool stopping)
{
    struct sower_problem problem;
    if (!open) {
        refuse_early(&problem);
    } else {
        sower_problem_set(&problem, SOWER_PROBLEM_UNAVAILABLE, "",
                          stopping ? "The daemon is stopping; ask again when it is back."
                                   : "Too many wait for the ledger; ask again in a moment.");
    }
    settle(wait, false, &problem);
}

/* Whether there is a place for one more in the queue. The lock is held. */
static bool has_place(const struct sower_ledger *ledger, uint64_t client)
{
    size_t own = sower_rounds_count(&ledger->together, client) + sower_rounds_count(&ledger->alone, client);
    return ledger->waiting < ledger->queue && own < (ledger->queue + 1) / 2;
}

/* Puts one into the queue, or a probe among the others. The lock is held. */
static bool put(struct sower_ledger *ledger, struct sower_ledger_wait *wait)
{
    bool probes = wait->wish == SOWER_LEDGER_PROBE;
    if (!ledger->open || ledger->stopping || (!probes && !has_place(ledger, wait->place.client))) {
        return false;
    }
    sower_rounds_put(queue_of(ledger, wait->wish), wait);
    ledger->waiting += !probes;
    pthread_cond_signal(&ledger->wake);
    return true;
}

void sower_ledger_submit(struct sower_ledger *ledger, struct sower_ledger_wait *wait)
{
    struct sower_problem problem;
    enum answer answer = UNKNOWN;
    pthread_mutex_lock(&ledger->lock);
    bool open = ledger->open, stopping = ledger->stopping;
    if (wait->wish == SOWER_LEDGER_PROBE && open && !stopping) {
        answer = answer_probe(ledger, &problem);
    }
    bool taken = answer == UNKNOWN && put(ledger, wait);
    pthread_mutex_unlock(&ledger->lock);
    if (answer != UNKNOWN) {
        settle(wait, answer == YES, &problem);
    } else if (!taken) {
        refuse(wait, open, stopping);
    }
}

uint64_t sower_ledger_known(struct sower_ledger *ledger, const struct sower_draw_id *draw)
{
    return sower_known_find(ledger->known, draw);
}

void sower_ledger_remember(struct sower_ledger *ledger, const struct sower_draw_id *model)
{
    sower_known_add(ledger->known, model, 1);
}

struct sower_store_reader *sower_ledger_reader(struct sower_ledger *ledger, struct sower_problem *problem)
{
    const struct sower_store *store = ledger->store;
    if (store == NULL) {
        refuse_early(problem);
        return NULL;
    }
    return store->reader;
}

struct sower_ledger *sower_ledger_new(size_t queue, size_t known_draws, const struct sower_log *log)
{
    struct sower_ledger *ledger = calloc(1, sizeof *ledger);
    struct sower_known *known = sower_known_new(known_draws);
    if (ledger == NULL || known == NULL) {
        sower_known_free(known);
        free(ledger);
        return NULL;
    }
    ledger->known = known;
    ledger->log = log;
    ledger->queue = queue;
    pthread_mutex_init(&ledger->lock, NULL);
    pthread_cond_init(&ledger->wake, NULL);
    return ledger;
}

/* The thread needs no store before somebody is in the queue. */
bool sower_ledger_open(struct sower_ledger *ledger, struct sower_store *store)
{
    if (pthread_create(&ledger->thread, NULL, run, ledger) != 0) {
        store->close(store);
        return false;
    }
    pthread_mutex_lock(&ledger->lock);
    ledger->store = store;
    ledger->open = true;
    pthread_mutex_unlock(&ledger->lock);
    return true;
}

void sower_ledger_stop(struct sower_ledger *ledger)
{
    pthread_mutex_lock(&ledger->lock);
    bool runs = ledger->open && !ledger->stopping;
    ledger->stopping = true;
    atomic_store(&ledger->given_up, true);
    struct sower_rounds queues[] = {ledger->together, ledger->alone, ledger->probes};
    ledger->together = ledger->alone = ledger->probes = (struct sower_rounds){0};
    ledger->waiting = 0;
    pthread_cond_signal(&ledger->wake);
    pthread_mutex_unlock(&ledger->lock);
    for (size_t i = 0; i < sizeof queues / sizeof queues[0]; i++) {
        for (struct sower_ledger_wait *wait; (wait = sower_rounds_take(&queues[i])) != NULL;) {
            refuse(wait, true, true);
        }
    }
    struct sower_store *store = ledger->store;
    if (runs && store->hurry != NULL) {
        store->hurry(store);
    }
    if (runs) {
        pthread_join(ledger->thread, NULL);
    }
}

void sower_ledger_free(struct sower_ledger *ledger)
{
    sower_ledger_stop(ledger);
    struct sower_store *store = ledger->store;
    if (store != NULL) {
        store->close(store);
    }
    sower_known_free(ledger->known);
    pthread_cond_destroy(&ledger->wake);
    pthread_mutex_destroy(&ledger->lock);
    free(ledger);
}
