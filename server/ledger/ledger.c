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
    BATCH_MAX = 1024, /* records in one transaction */
    PROBE_MILLISECONDS =
        1000, /* a probe within this time after a successful write needs no write of its own */
    WORK_MILLISECONDS = 5000,  /* longer work means that the ledger does not respond */
    CLOCK_MILLISECONDS = 5000, /* a clock that is behind the ledger by less is not logged */
    MILLISECONDS_PER_SECOND = 1000,
};

struct sower_ledger {
    struct sower_store *_Atomic store; /* NULL until the ledger is open; never changes after that */
    struct sower_known *known;
    const struct sower_log *log;
    _Atomic uint64_t known_hits, known_misses;
    struct sower_histogram commits; /* their seconds; needs no lock */
    pthread_t thread;

    pthread_mutex_t lock; /* guards the members from here to `figures` */
    pthread_cond_t wake;
    struct sower_rounds together, alone; /* requests that share a transaction; requests that need their own */
    struct sower_rounds probes;          /* requests that only probe */
    size_t waiting, queue;
    bool open, stopping;   /* the thread runs from `open` to `stopping` */
    _Atomic bool given_up; /* same as `stopping`; the store reads it while it writes a model */
    bool failing;
    struct sower_problem failure; /* valid while `failing` */
    int64_t written;              /* time of the last successful write (sower_clock_milliseconds) */
    bool waited;                  /* requests waited at the last call of sower_ledger_moves, */
    bool moved;                   /* and the thread has taken some since then */
    int64_t working;              /* when the thread began its current work; 0: it is idle */
    /* Without the members that are counted elsewhere: */
    struct sower_ledger_figures figures;

    /* Only for the ledger's thread: */
    struct sower_limits limits;
    bool behind;    /* the clock is behind the ledger, and this was logged */
    uint64_t began; /* when the current work began, in nanoseconds */
    struct sower_ledger_wait *batch[BATCH_MAX];
    struct sower_store_draw *draws[BATCH_MAX];
    struct sower_ledger_wait *trial_waits[BATCH_MAX];
    struct sower_store_trials *trials[BATCH_MAX];
};

/* Only for the ledger's thread, which runs only while the store is open. */
static struct sower_store_writer *writer_of(const struct sower_ledger *ledger)
{
    return atomic_load_explicit(&ledger->store, memory_order_relaxed)->writer;
}

static void complete(struct sower_ledger_wait *wait, bool well, const struct sower_problem *problem)
{
    wait->well = well && !wait->account.exceeded;
    if (!well) {
        wait->problem = *problem;
    } else if (!wait->well) {
        sower_account_refuse(&wait->account, &wait->problem);
    }
    wait->done(wait);
}

/* Whether the owner of the request must wait before it may add lines. Then the request, which needs some, is refused. */
static bool may_add_nothing(struct sower_ledger_wait *wait)
{
    wait->account.exceeded = wait->account.wait_seconds > 0;
    return wait->account.exceeded;
}

static void refuse_early(struct sower_problem *problem)
{
    sower_problem_set(problem, SOWER_PROBLEM_UNAVAILABLE, "",
                      "The ledger is being opened, which takes some minutes when it was written by an "
                      "older sowerd; ask again in a moment.");
}

/* Completes a request that does not enter the queue. */
static void refuse(struct sower_ledger_wait *wait, bool open, bool stopping)
{
    struct sower_problem problem;
    if (!open) {
        refuse_early(&problem);
    } else {
        sower_problem_set(&problem, SOWER_PROBLEM_UNAVAILABLE, "",
                          stopping ? "The daemon is stopping; ask again when it is back."
                                   : "Too many requests wait for the ledger; ask again in a moment.");
    }
    complete(wait, false, &problem);
}

/* Logs when lines begin to get later times than the clock's, and when the clock has caught up. */
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
                           "New lines of the ledger get the clock's time again.");
        return;
    }
    char sentence[280], time[SOWER_TIME_SIZE];
    sower_time_print(chain_time, time);
    snprintf(sentence, sizeof sentence,
             "The clock is behind the last line of this daemon's chain, which has the time %s. Until the "
             "clock reaches it, new lines get this time. If the clock is wrong, correct it; if it was ahead "
             "before, do nothing.",
             time);
    sower_log_sentence(ledger->log, SOWER_LOG_WARNING, "clock_behind", sentence);
}

/* Notes whether lines can be written. Logs when this changes: `event` when they cannot. */
static void note(struct sower_ledger *ledger, bool well, const char *event,
                 const struct sower_problem *problem)
{
    pthread_mutex_lock(&ledger->lock);
    bool changed = well == ledger->failing;
    ledger->failing = !well;
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
        sower_log_sentence(ledger->log, SOWER_LOG_ERROR, event, problem->sentence);
    }
}

/* Notes the outcome of a write. A refusal by a limit of the size is not a failure of the store. */
static void note_outcome(struct sower_ledger *ledger, bool well, const struct sower_problem *problem)
{
    if (!well && !ledger->limits.full) {
        pthread_mutex_lock(&ledger->lock);
        ledger->figures.failures++;
        pthread_mutex_unlock(&ledger->lock);
    }
    note(ledger, well, "ledger_failed", problem);
}

enum probe_result { YES, NO, UNKNOWN };

/* Whether the ledger can be written, if this is known without trying. The lock is held. */
static enum probe_result probe_from_memory(const struct sower_ledger *ledger, struct sower_problem *problem)
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
                      "One write to the ledger has taken more than %d seconds so far.",
                      WORK_MILLISECONDS / MILLISECONDS_PER_SECOND);
    return now - ledger->working < WORK_MILLISECONDS ? YES : NO;
}

/* Around each call of the store that writes or looks up, and never around a completion: a client that has its answer
 * must not find the thread still at work. Completes the probes that wait; later ones are completed in
 * sower_ledger_submit. */
static void begin_work(struct sower_ledger *ledger)
{
    struct sower_problem problem;
    ledger->began = sower_clock_nanoseconds();
    pthread_mutex_lock(&ledger->lock);
    ledger->working = sower_clock_milliseconds();
    struct sower_rounds probes = {0};
    enum probe_result result = probe_from_memory(ledger, &problem);
    if (result != UNKNOWN) {
        probes = ledger->probes;
        ledger->probes = (struct sower_rounds){0};
    }
    pthread_mutex_unlock(&ledger->lock);
    for (struct sower_ledger_wait *wait; (wait = sower_rounds_take(&probes)) != NULL;) {
        complete(wait, result == YES, &problem);
    }
}

static void end_work(struct sower_ledger *ledger)
{
    const struct sower_store_writer *writer = writer_of(ledger);
    pthread_mutex_lock(&ledger->lock);
    ledger->working = 0;
    if (writer->lines > ledger->figures.lines) {
        sower_histogram_observe(&ledger->commits, sower_clock_nanoseconds() - ledger->began);
    }
    ledger->figures.lines = writer->lines;
    ledger->figures.chain_time = writer->chain_time;
    ledger->figures.size = ledger->limits.size;
    ledger->figures.full = ledger->limits.full;
    if (writer->last > 0) {
        ledger->figures.last = writer->last;
    }
    pthread_mutex_unlock(&ledger->lock);
}

/* Whether the limits allow so many more lines and bytes. Notes it if they allow none. */
static bool check_limits(struct sower_ledger *ledger, uint64_t lines, uint64_t bytes,
                         struct sower_problem *problem)
{
    begin_work(ledger);
    bool room = sower_limits_check(&ledger->limits, writer_of(ledger), lines, bytes, ledger->log, problem);
    end_work(ledger);
    if (ledger->limits.full) {
        note(ledger, false, "ledger_full", problem);
    }
    return room;
}

/* Tries whether the ledger can be written, and completes the probes. */
static void complete_probes(struct sower_ledger *ledger, struct sower_rounds *probes)
{
    struct sower_store_writer *writer = writer_of(ledger);
    struct sower_problem problem;
    bool well = check_limits(ledger, 0, 0, &problem);
    if (well) {
        begin_work(ledger);
        well = writer->methods->probe(writer, sower_clock_wall(), &problem);
        end_work(ledger);
        note_outcome(ledger, well, &problem);
    }
    for (struct sower_ledger_wait *wait; (wait = sower_rounds_take(probes)) != NULL;) {
        complete(wait, well, &problem);
    }
}

/* Completes a request for a model; or, if that was only one step of it, puts the request back into the queue, so that
 * other requests come before the next step. */
static void complete_model(struct sower_ledger *ledger, struct sower_ledger_wait *wait, bool well,
                           const struct sower_problem *problem)
{
    bool again = well && wait->model->unfinished;
    pthread_mutex_lock(&ledger->lock);
    bool stopping = ledger->stopping;
    if (again && !stopping) {
        sower_rounds_put(&ledger->alone, wait);
        ledger->waiting++;
    }
    pthread_mutex_unlock(&ledger->lock);
    if (!again) {
        complete(wait, well, problem);
    } else if (stopping) {
        refuse(wait, true, true);
    }
}

/* Looks a model up, one step. A model that is not recorded is refused with `refusal`, unless that is NULL. */
static void look_up_model(struct sower_ledger *ledger, struct sower_ledger_wait *wait,
                          const struct sower_problem *refusal)
{
    struct sower_store_writer *writer = writer_of(ledger);
    struct sower_store_model *model = wait->model;
    struct sower_problem problem;
    model->given_up = &ledger->given_up;
    begin_work(ledger);
    bool well = writer->methods->find_model(writer, model, &problem);
    end_work(ledger);
    if (!well && !atomic_load(&ledger->given_up)) {
        note_outcome(ledger, false, &problem);
    }
    if (well && refusal != NULL && !model->unfinished && !model->found && !model->refused) {
        well = false;
        problem = *refusal;
    }
    complete_model(ledger, wait, well, &problem);
}

/* Whether the next step of a model may be written. Before the first one, everything that is missing must have room. Later
 * ones follow in any case, so that no limit cuts a model off. */
static bool may_write_model(struct sower_ledger *ledger, const struct sower_ledger_wait *wait,
                            struct sower_problem *problem)
{
    const struct sower_store_model *model = wait->model;
    if (model->count > 0 && wait->account.wait_seconds > 0) {
        return sower_account_refuse(&wait->account, problem);
    }
    return model->next > 0 ||
           check_limits(ledger, model->writes ? model->missing : 0, model->length, problem);
}

static void write_model(struct sower_ledger *ledger, struct sower_ledger_wait *wait)
{
    struct sower_store_writer *writer = writer_of(ledger);
    struct sower_problem problem;
    if (!may_write_model(ledger, wait, &problem)) {
        if (wait->model->writes) {
            complete(wait, false, &problem);
        } else {
            look_up_model(ledger, wait, &problem);
        }
        return;
    }
    wait->model->time = sower_clock_wall();
    wait->model->given_up = &ledger->given_up;
    begin_work(ledger);
    bool well = writer->methods->append_model(writer, wait->model, &problem);
    end_work(ledger);
    if (!atomic_load(&ledger->given_up) && (!well || wait->model->written)) {
        note_outcome(ledger, well, &problem);
    }
    complete_model(ledger, wait, well, &problem);
}

static void write_pin(struct sower_ledger *ledger, struct sower_ledger_wait *wait)
{
    struct sower_store_writer *writer = writer_of(ledger);
    struct sower_problem problem;
    if (may_add_nothing(wait)) {
        complete(wait, true, NULL);
        return;
    }
    if (!check_limits(ledger, 0, 0, &problem)) {
        complete(wait, false, &problem);
        return;
    }
    wait->pin->time = sower_clock_wall();
    begin_work(ledger);
    bool well = writer->methods->pin(writer, wait->pin, &problem);
    end_work(ledger);
    if (!wait->account.exceeded) {
        note_outcome(ledger, well, &problem);
    }
    if (!well) {
        wait->account.added = 0;
    }
    complete(wait, well, &problem);
}

static void complete_failed(struct sower_ledger *ledger, struct sower_ledger_wait *const *waits, size_t count,
                            const struct sower_problem *problem)
{
    note_outcome(ledger, false, problem);
    for (size_t i = 0; i < count; i++) {
        waits[i]->account.added = 0; /* the transaction was rolled back */
        complete(waits[i], false, problem);
    }
}

/* Completes the requests that have their numbers already, under their key. Returns how many are left. */
static size_t look_up_trials(struct sower_ledger *ledger, size_t count)
{
    struct sower_store_writer *writer = writer_of(ledger);
    struct sower_problem problem;
    size_t left = 0;
    for (size_t i = 0; i < count; i++) {
        ledger->trials[i] = ledger->trial_waits[i]->trials;
    }
    begin_work(ledger);
    bool well = writer->methods->find_trials(writer, ledger->trials, count, &problem);
    end_work(ledger);
    if (!well) {
        complete_failed(ledger, ledger->trial_waits, count, &problem);
        return 0;
    }
    for (size_t i = 0; i < count; i++) {
        if (ledger->trials[i]->outcome == SOWER_TRIALS_NONE && !may_add_nothing(ledger->trial_waits[i])) {
            ledger->trial_waits[left++] = ledger->trial_waits[i];
        } else {
            complete(ledger->trial_waits[i], true, NULL);
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
        ledger->trials[i] = ledger->trial_waits[i]->trials;
        ledger->trials[i]->time = now;
    }
    bool well = check_limits(ledger, 0, 0, &problem);
    if (well) {
        begin_work(ledger);
        well = writer->methods->give_trials(writer, ledger->trials, count, &problem);
        end_work(ledger);
    }
    if (!well) {
        complete_failed(ledger, ledger->trial_waits, count, &problem);
        return;
    }
    note_outcome(ledger, true, NULL);
    for (size_t i = 0; i < count; i++) {
        complete(ledger->trial_waits[i], true, NULL);
    }
}

/* Remembers a recorded draw, and completes its request. */
static void complete_draw(struct sower_ledger *ledger, struct sower_ledger_wait *wait)
{
    const struct sower_store_draw *draw = wait->draw;
    if (draw->outcome == SOWER_DRAW_RECORDED && draw->record.drift == 0) {
        sower_known_add(ledger->known, &draw->record.draw, draw->record.ledger);
    }
    complete(wait, true, NULL);
}

/* Completes the requests of the batch that need no write. Returns how many are left. */
static size_t look_up_draws(struct sower_ledger *ledger, size_t count)
{
    struct sower_store_writer *writer = writer_of(ledger);
    struct sower_problem problem;
    size_t left = 0;
    for (size_t i = 0; i < count; i++) {
        ledger->draws[i] = ledger->batch[i]->draw;
    }
    begin_work(ledger);
    bool well = writer->methods->find(writer, ledger->draws, count, &problem);
    end_work(ledger);
    if (!well) {
        complete_failed(ledger, ledger->batch, count, &problem);
        return 0;
    }
    for (size_t i = 0; i < count; i++) {
        struct sower_ledger_wait *wait = ledger->batch[i];
        if (wait->request == SOWER_LEDGER_RECORD && wait->draw->outcome == SOWER_DRAW_NEW &&
            !may_add_nothing(wait)) {
            ledger->batch[left++] = wait;
        } else {
            complete_draw(ledger, wait);
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
    bool well = check_limits(ledger, 0, 0, &problem);
    if (well) {
        begin_work(ledger);
        well = writer->methods->append(writer, ledger->draws, count, &problem);
        end_work(ledger);
    }
    if (!well) {
        complete_failed(ledger, ledger->batch, count, &problem);
        return;
    }
    note_outcome(ledger, true, NULL);
    for (size_t i = 0; i < count; i++) {
        complete_draw(ledger, ledger->batch[i]);
    }
}

/* Completes a request whose draw is in memory; false if it is not. */
static bool complete_known(struct sower_ledger *ledger, struct sower_ledger_wait *wait)
{
    struct sower_record *record = &wait->draw->record;
    uint64_t line = sower_known_find(ledger->known, &record->draw);
    if (line == 0) {
        return false;
    }
    record->ledger = line;
    record->drift = 0;
    wait->draw->outcome = SOWER_DRAW_RECORDED;
    complete(wait, true, NULL);
    return true;
}

/* Requests that the thread has taken out of the queue. */
struct batch {
    struct sower_rounds together, probes;
    struct sower_ledger_wait *alone;
};

/* Completes the requests that need no write first: they must not wait for a disk that may be failing. */
static void process_together(struct sower_ledger *ledger, struct sower_rounds *together)
{
    size_t count = 0, trials = 0;
    for (struct sower_ledger_wait *wait; (wait = sower_rounds_take(together)) != NULL;) {
        if (wait->request == SOWER_LEDGER_TRIALS) {
            ledger->trial_waits[trials++] = wait;
        } else if (!complete_known(ledger, wait)) {
            ledger->batch[count++] = wait;
        }
    }
    if (count > 0) {
        count = look_up_draws(ledger, count);
    }
    if (count > 0) {
        write_batch(ledger, count);
    }
    if (trials > 0) {
        trials = look_up_trials(ledger, trials);
    }
    if (trials > 0) {
        give_trials(ledger, trials);
    }
}

static void process_alone(struct sower_ledger *ledger, struct sower_ledger_wait *wait)
{
    switch (wait->request) {
    case SOWER_LEDGER_MODEL:
        write_model(ledger, wait);
        break;
    case SOWER_LEDGER_LOOK_MODEL:
        look_up_model(ledger, wait, NULL);
        break;
    default:
        write_pin(ledger, wait);
        break;
    }
}

static void process(struct sower_ledger *ledger, struct batch *batch)
{
    if (batch->probes.first != NULL) {
        complete_probes(ledger, &batch->probes);
    }
    process_together(ledger, &batch->together);
    if (batch->alone != NULL) {
        process_alone(ledger, batch->alone);
    }
}

static struct sower_rounds *queue_of(struct sower_ledger *ledger, enum sower_ledger_request request)
{
    switch (request) {
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

/* Waits for requests. Takes up to BATCH_MAX that share a transaction, one that needs its own, and all probes.
 * False when the ledger stops. */
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
        wait->place.client = 0; /* one client: keeps the order of the queue */
        sower_rounds_put(&batch->together, wait);
        count++;
    }
    ledger->waiting -= count + (batch->alone != NULL);
    ledger->moved = true;
    bool goes_on = !ledger->stopping;
    pthread_mutex_unlock(&ledger->lock);
    return goes_on;
}

static void *run(void *context)
{
    struct sower_ledger *ledger = context;
    struct batch batch;
    while (take_batch(ledger, &batch)) {
        process(ledger, &batch);
    }
    return NULL;
}

/* Whether the queue has room for one more request of a client. The lock is held. */
static bool has_room(const struct sower_ledger *ledger, uint64_t client)
{
    size_t own = sower_rounds_count(&ledger->together, client) + sower_rounds_count(&ledger->alone, client);
    return ledger->waiting < ledger->queue && own < (ledger->queue + 1) / 2;
}

/* Puts a request into its queue; false if it must be refused. The lock is held. */
static bool enqueue(struct sower_ledger *ledger, struct sower_ledger_wait *wait)
{
    bool is_probe = wait->request == SOWER_LEDGER_PROBE;
    if (!ledger->open || ledger->stopping || (!is_probe && !has_room(ledger, wait->place.client))) {
        return false;
    }
    sower_rounds_put(queue_of(ledger, wait->request), wait);
    ledger->waiting += !is_probe;
    pthread_cond_signal(&ledger->wake);
    return true;
}

/* The store finds the account in what it writes. */
static void pass_account(struct sower_ledger_wait *wait)
{
    struct sower_account *account = wait->account.owner != NULL ? &wait->account : NULL;
    switch (wait->request) {
    case SOWER_LEDGER_RECORD:
        wait->draw->account = account;
        break;
    case SOWER_LEDGER_MODEL:
        wait->model->account = account;
        break;
    case SOWER_LEDGER_TRIALS:
        wait->trials->account = account;
        break;
    case SOWER_LEDGER_PIN:
        wait->pin->account = account;
        break;
    default:
        break;
    }
}

void sower_ledger_submit(struct sower_ledger *ledger, struct sower_ledger_wait *wait)
{
    struct sower_problem problem;
    enum probe_result result = UNKNOWN;
    pass_account(wait);
    pthread_mutex_lock(&ledger->lock);
    bool open = ledger->open, stopping = ledger->stopping;
    if (wait->request == SOWER_LEDGER_PROBE && open && !stopping) {
        result = probe_from_memory(ledger, &problem);
    }
    bool taken = result == UNKNOWN && enqueue(ledger, wait);
    if (result == UNKNOWN && !taken) {
        ledger->figures.refused[!open      ? SOWER_LEDGER_OPENING
                                : stopping ? SOWER_LEDGER_STOPPING
                                           : SOWER_LEDGER_QUEUE_FULL]++;
    }
    pthread_mutex_unlock(&ledger->lock);
    if (result != UNKNOWN) {
        complete(wait, result == YES, &problem);
    } else if (!taken) {
        refuse(wait, open, stopping);
    }
}

/* As probe_from_memory, without a probe's right to try again. The lock is held. */
static bool seems_ready(const struct sower_ledger *ledger)
{
    const bool stuck =
        ledger->working != 0 && sower_clock_milliseconds() - ledger->working >= WORK_MILLISECONDS;
    return ledger->open && !ledger->stopping && !ledger->failing && !stuck;
}

struct sower_ledger_figures sower_ledger_figures(struct sower_ledger *ledger)
{
    pthread_mutex_lock(&ledger->lock);
    struct sower_ledger_figures figures = ledger->figures;
    figures.ready = seems_ready(ledger);
    figures.waiting = ledger->waiting;
    pthread_mutex_unlock(&ledger->lock);
    figures.queue = ledger->queue;
    figures.known_hits = atomic_load_explicit(&ledger->known_hits, memory_order_relaxed);
    figures.known_misses = atomic_load_explicit(&ledger->known_misses, memory_order_relaxed);
    sower_histogram_add(&ledger->commits, &figures.commits);
    return figures;
}

uint64_t sower_ledger_known(struct sower_ledger *ledger, const struct sower_draw_id *draw)
{
    const uint64_t line = sower_known_find(ledger->known, draw);
    atomic_fetch_add_explicit(line != 0 ? &ledger->known_hits : &ledger->known_misses, 1,
                              memory_order_relaxed);
    return line;
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

void sower_ledger_limit(struct sower_ledger *ledger, uint64_t max, uint64_t reserve)
{
    ledger->limits.max = max;
    ledger->limits.reserve = reserve;
}

/* The thread may start first: it does not use the store before a request is in the queue. */
bool sower_ledger_open(struct sower_ledger *ledger, struct sower_store *store)
{
    if (pthread_create(&ledger->thread, NULL, run, ledger) != 0) {
        store->close(store);
        return false;
    }
    uint64_t last = 0;
    struct sower_problem unused;
    const bool seen = store->reader->methods->last(store->reader, &last, &unused);
    pthread_mutex_lock(&ledger->lock);
    ledger->figures.last = seen ? last : 0;
    ledger->store = store;
    ledger->open = true;
    pthread_mutex_unlock(&ledger->lock);
    return true;
}

bool sower_ledger_moves(struct sower_ledger *ledger)
{
    pthread_mutex_lock(&ledger->lock);
    bool moves = ledger->moved || !ledger->waited || ledger->working != 0;
    ledger->waited = ledger->waiting > 0 || ledger->probes.first != NULL;
    ledger->moved = false;
    pthread_mutex_unlock(&ledger->lock);
    return moves;
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
