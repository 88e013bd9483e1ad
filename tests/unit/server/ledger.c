/* The ledger's queue and group commit, with a store that fails and blocks on request. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/ledger/ledger.h"

enum { LINES_MAX = 4096, QUEUE = 100, DRIFTING = 5000 }; /* draws from this number on drift from line 1 */

struct fake_store {
    struct sower_store_writer writer; /* comes first: the methods cast */
    struct sower_store store;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool blocked, fails, closed;
    size_t entered; /* number of writes that have begun */
    size_t appends, finds, probes;
    size_t count;
    struct sower_draw_id lines[LINES_MAX];
    size_t gives;
    uint64_t next_trial, keyed_trial; /* the latter belongs to the only key, once `keyed` */
    bool keyed;
    size_t models, pins, models_before_pin;
    size_t steps_left; /* of the model, after its next one */
};

static struct fake_store *of(struct sower_store_writer *writer)
{
    return (struct fake_store *)writer;
}

static size_t line_of(const struct fake_store *store, const struct sower_draw_id *draw)
{
    for (size_t i = 0; i < store->count; i++) {
        if (memcmp(&store->lines[i], draw, sizeof *draw) == 0) {
            return i + 1;
        }
    }
    return 0;
}

static void set_outcome(struct fake_store *store, struct sower_store_draw *draw)
{
    unsigned number;
    memcpy(&number, draw->record.draw.bytes, sizeof number);
    draw->record.ledger = line_of(store, &draw->record.draw);
    draw->record.drift = number >= DRIFTING ? 1 : 0;
    draw->outcome = draw->record.drift != 0 && draw->strict ? SOWER_DRAW_REFUSED
                    : draw->record.ledger != 0              ? SOWER_DRAW_RECORDED
                                                            : SOWER_DRAW_NEW;
}

static bool find(struct sower_store_writer *base, struct sower_store_draw *const *draws, size_t count,
                 struct sower_problem *problem)
{
    struct fake_store *store = of(base);
    (void)problem;
    pthread_mutex_lock(&store->lock);
    store->finds++;
    for (size_t i = 0; i < count; i++) {
        set_outcome(store, draws[i]);
    }
    pthread_mutex_unlock(&store->lock);
    return true;
}

/* Waits while the store is blocked. Returns whether the write works. The lock is held. */
static bool enter(struct fake_store *store, struct sower_problem *problem)
{
    store->entered++;
    pthread_cond_broadcast(&store->changed);
    while (store->blocked) {
        pthread_cond_wait(&store->changed, &store->lock);
    }
    return !store->fails || sower_problem_set(problem, SOWER_PROBLEM_UNAVAILABLE, "", "The disk is full.");
}

static bool append(struct sower_store_writer *base, struct sower_store_draw *const *draws, size_t count,
                   struct sower_problem *problem)
{
    struct fake_store *store = of(base);
    pthread_mutex_lock(&store->lock);
    bool well = enter(store, problem);
    store->appends += well;
    for (size_t i = 0; well && i < count; i++) {
        set_outcome(store, draws[i]);
        if (draws[i]->outcome == SOWER_DRAW_NEW) {
            store->lines[store->count++] = draws[i]->record.draw;
            draws[i]->record.ledger = store->count;
            draws[i]->outcome = SOWER_DRAW_RECORDED;
        }
    }
    pthread_mutex_unlock(&store->lock);
    return well;
}

static bool find_trials(struct sower_store_writer *base, struct sower_store_trials *const *requests,
                        size_t count, struct sower_problem *problem)
{
    struct fake_store *store = of(base);
    (void)problem;
    pthread_mutex_lock(&store->lock);
    for (size_t i = 0; i < count; i++) {
        bool found = requests[i]->key[0] != '\0' && store->keyed;
        requests[i]->outcome = found ? SOWER_TRIALS_GIVEN : SOWER_TRIALS_NONE;
        requests[i]->first = found ? store->keyed_trial : UINT64_MAX;
    }
    pthread_mutex_unlock(&store->lock);
    return true;
}

static bool give_trials(struct sower_store_writer *base, struct sower_store_trials *const *requests,
                        size_t count, struct sower_problem *problem)
{
    struct fake_store *store = of(base);
    pthread_mutex_lock(&store->lock);
    bool well = enter(store, problem);
    store->gives += well;
    for (size_t i = 0; well && i < count; i++) {
        requests[i]->outcome = SOWER_TRIALS_GIVEN;
        requests[i]->first = store->next_trial;
        store->next_trial += requests[i]->count;
        if (requests[i]->key[0] != '\0') {
            store->keyed = true;
            store->keyed_trial = requests[i]->first;
        }
    }
    pthread_mutex_unlock(&store->lock);
    return well;
}

static bool append_model(struct sower_store_writer *base, struct sower_store_model *model,
                         struct sower_problem *problem)
{
    struct fake_store *store = of(base);
    pthread_mutex_lock(&store->lock);
    bool well = enter(store, problem);
    store->models += well;
    model->written = well;
    model->unfinished = well && store->steps_left > 0;
    store->steps_left -= model->unfinished;
    pthread_mutex_unlock(&store->lock);
    return well;
}

/* No model is recorded. */
static bool find_model(struct sower_store_writer *base, struct sower_store_model *model,
                       struct sower_problem *problem)
{
    (void)base;
    (void)problem;
    model->found = model->unfinished = false;
    return true;
}

static bool pin(struct sower_store_writer *base, struct sower_store_pin *pin, struct sower_problem *problem)
{
    struct fake_store *store = of(base);
    pthread_mutex_lock(&store->lock);
    bool well = enter(store, problem);
    store->pins += well;
    store->models_before_pin = store->models;
    pin->ledger = store->pins;
    pthread_mutex_unlock(&store->lock);
    return well;
}

static bool probe(struct sower_store_writer *base, int64_t time, struct sower_problem *problem)
{
    struct fake_store *store = of(base);
    (void)time;
    pthread_mutex_lock(&store->lock);
    bool well = enter(store, problem);
    store->probes++;
    pthread_mutex_unlock(&store->lock);
    return well;
}

static void close_store(struct sower_store *store)
{
    of(store->writer)->closed = true;
}

static bool last(struct sower_store_reader *reader, uint64_t *line, struct sower_problem *problem)
{
    (void)reader, (void)problem;
    *line = 0;
    return true;
}

static const struct sower_store_reader_methods reader_methods = {.last = last};
static struct sower_store_reader fake_reader = {&reader_methods};

static const struct sower_store_writer_methods methods = {
    .find = find,
    .append = append,
    .find_model = find_model,
    .append_model = append_model,
    .pin = pin,
    .find_trials = find_trials,
    .give_trials = give_trials,
    .probe = probe,
};

static void set_blocked(struct fake_store *store, bool blocked)
{
    pthread_mutex_lock(&store->lock);
    store->blocked = blocked;
    pthread_cond_broadcast(&store->changed);
    pthread_mutex_unlock(&store->lock);
}

/* Waits until the ledger's thread is in its n-th write. */
static void wait_until_entered(struct fake_store *store, size_t times)
{
    pthread_mutex_lock(&store->lock);
    while (store->entered < times) {
        pthread_cond_wait(&store->changed, &store->lock);
    }
    pthread_mutex_unlock(&store->lock);
}

struct fixture {
    struct fake_store store;
    struct sower_log_output output;
    struct sower_log log;
    struct sower_ledger *ledger;
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    fixture->store.writer.methods = &methods;
    fixture->store.store =
        (struct sower_store){.writer = &fixture->store.writer, .reader = &fake_reader, .close = close_store};
    pthread_mutex_init(&fixture->store.lock, NULL);
    pthread_cond_init(&fixture->store.changed, NULL);
    sower_log_output_init(&fixture->output, open("/dev/null", O_WRONLY));
    fixture->log = (struct sower_log){SOWER_LOG_DEBUG, &fixture->output};
    fixture->ledger = sower_ledger_new(QUEUE, 64, &fixture->log);
    *state = fixture;
    return fixture->ledger == NULL || !sower_ledger_open(fixture->ledger, &fixture->store.store);
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    set_blocked(&fixture->store, false);
    sower_ledger_free(fixture->ledger);
    close(fixture->output.file);
    int wrong = !fixture->store.closed;
    pthread_mutex_destroy(&fixture->store.lock);
    pthread_cond_destroy(&fixture->store.changed);
    free(fixture);
    return wrong;
}

/* A client whose request's outcome the test can wait for. */
struct client {
    struct sower_ledger_wait wait;
    struct sower_store_draw draw;
    struct sower_store_trials trials;
    struct sower_store_model model;
    struct sower_store_pin pin;
    pthread_mutex_t lock;
    pthread_cond_t told;
    size_t times;
};

static void done(struct sower_ledger_wait *wait)
{
    struct client *client = (struct client *)wait;
    pthread_mutex_lock(&client->lock);
    client->times++;
    pthread_cond_signal(&client->told);
    pthread_mutex_unlock(&client->lock);
}

/* Prepares a client for a request; the caller sets the member that the request names. The client's number is new. */
static void ready(struct client *client, enum sower_ledger_request request)
{
    static uint64_t number;
    memset(client, 0, sizeof *client);
    client->wait.place.client = number++;
    pthread_mutex_init(&client->lock, NULL);
    pthread_cond_init(&client->told, NULL);
    client->wait.done = done;
    client->wait.request = request;
}

static void submit_draw(struct fixture *fixture, struct client *client, enum sower_ledger_request request,
                        unsigned draw, bool strict)
{
    ready(client, request);
    memcpy(client->draw.record.draw.bytes, &draw, sizeof draw);
    client->draw.strict = strict;
    client->wait.draw = &client->draw;
    sower_ledger_submit(fixture->ledger, &client->wait);
}

static void submit(struct fixture *fixture, struct client *client, unsigned draw)
{
    submit_draw(fixture, client, SOWER_LEDGER_RECORD, draw, false);
}

static void submit_probe(struct fixture *fixture, struct client *client)
{
    ready(client, SOWER_LEDGER_PROBE);
    sower_ledger_submit(fixture->ledger, &client->wait);
}

static void submit_trials(struct fixture *fixture, struct client *client, uint64_t count, const char *key)
{
    ready(client, SOWER_LEDGER_TRIALS);
    client->trials = (struct sower_store_trials){.experiment = "e", .key = key, .count = count};
    client->wait.trials = &client->trials;
    sower_ledger_submit(fixture->ledger, &client->wait);
}

static void submit_model(struct fixture *fixture, struct client *client)
{
    ready(client, SOWER_LEDGER_MODEL);
    client->wait.model = &client->model;
    sower_ledger_submit(fixture->ledger, &client->wait);
}

static void submit_pin(struct fixture *fixture, struct client *client)
{
    ready(client, SOWER_LEDGER_PIN);
    client->pin.pinned = true;
    client->wait.pin = &client->pin;
    sower_ledger_submit(fixture->ledger, &client->wait);
}

static bool outcome(struct client *client)
{
    pthread_mutex_lock(&client->lock);
    while (client->times == 0) {
        pthread_cond_wait(&client->told, &client->lock);
    }
    pthread_mutex_unlock(&client->lock);
    assert_int_equal(client->times, 1);
    pthread_mutex_destroy(&client->lock);
    pthread_cond_destroy(&client->told);
    return client->wait.well;
}

static void a_new_draw_is_written_and_then_known(void **state)
{
    struct fixture *fixture = *state;
    struct client client;
    submit(fixture, &client, 1);
    assert_true(outcome(&client));
    assert_int_equal(client.draw.record.ledger, 1);
    assert_true(client.draw.record.time > 0);
    assert_int_equal(sower_ledger_known(fixture->ledger, &client.draw.record.draw), 1);
}

/* Submits a request whose owner must wait before it may add lines. */
static void submit_early(struct fixture *fixture, struct client *client, enum sower_ledger_request request,
                         unsigned draw)
{
    ready(client, request);
    memcpy(client->draw.record.draw.bytes, &draw, sizeof draw);
    client->trials = (struct sower_store_trials){.experiment = "e", .key = "key", .count = 1};
    client->model.count = 1;
    client->wait.account = (struct sower_account){.owner = "ci", .wait_seconds = 7};
    switch (request) {
    case SOWER_LEDGER_TRIALS:
        client->wait.trials = &client->trials;
        break;
    case SOWER_LEDGER_MODEL:
        client->wait.model = &client->model;
        break;
    case SOWER_LEDGER_PIN:
        client->wait.pin = &client->pin;
        break;
    default:
        client->wait.draw = &client->draw;
        break;
    }
    sower_ledger_submit(fixture->ledger, &client->wait);
}

static void who_must_wait_finds_what_is_recorded_and_adds_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct client client;
    static const enum sower_ledger_request requests[] = {SOWER_LEDGER_RECORD, SOWER_LEDGER_TRIALS,
                                                         SOWER_LEDGER_MODEL, SOWER_LEDGER_PIN};
    for (size_t i = 0; i < 4; i++) {
        submit_early(fixture, &client, requests[i], 1);
        assert_false(outcome(&client));
        assert_int_equal(client.wait.problem.code, SOWER_PROBLEM_LIMITED);
        assert_non_null(strstr(client.wait.problem.sentence, "\"ci\""));
        assert_non_null(strstr(client.wait.problem.sentence, "7 seconds"));
        assert_int_equal(client.wait.account.added, 0);
    }
    assert_int_equal(fixture->store.entered, 0);
    submit(fixture, &client, 1);
    assert_true(outcome(&client));
    submit_early(fixture, &client, SOWER_LEDGER_RECORD, 1);
    assert_true(outcome(&client));
    submit_trials(fixture, &client, 1, "key");
    assert_true(outcome(&client));
    submit_early(fixture, &client, SOWER_LEDGER_TRIALS, 0);
    assert_true(outcome(&client));
    submit_probe(fixture, &client);
    assert_true(outcome(&client)); /* the ledger did not fail */
}

static void a_recorded_draw_is_not_written_again(void **state)
{
    struct fixture *fixture = *state;
    struct client client;
    for (int i = 0; i < 5; i++) {
        submit(fixture, &client, 1);
        assert_true(outcome(&client));
        assert_int_equal(client.draw.record.ledger, 1);
    }
    assert_int_equal(fixture->store.appends, 1);
    assert_int_equal(fixture->store.finds, 1);
}

static void a_draw_that_memory_forgot_is_looked_up_and_not_written_again(void **state)
{
    struct fixture *fixture = *state;
    struct client client;
    for (unsigned draw = 0; draw < 1000; draw++) {
        submit(fixture, &client, draw);
        assert_true(outcome(&client));
    }
    size_t appends = fixture->store.appends, finds = fixture->store.finds;
    for (unsigned draw = 0; draw < 1000; draw++) {
        submit(fixture, &client, draw);
        assert_true(outcome(&client));
        assert_int_equal(client.draw.record.ledger, draw + 1);
    }
    assert_int_equal(fixture->store.appends, appends);
    assert_true(fixture->store.finds > finds);
}

static void requests_that_wait_together_share_a_commit(void **state)
{
    struct fixture *fixture = *state;
    struct client clients[QUEUE];
    set_blocked(&fixture->store, true);
    submit(fixture, &clients[0], 0);
    wait_until_entered(&fixture->store, 1);
    for (unsigned i = 1; i < QUEUE; i++) {
        submit(fixture, &clients[i], i);
    }
    set_blocked(&fixture->store, false);
    for (unsigned i = 0; i < QUEUE; i++) {
        assert_true(outcome(&clients[i]));
        assert_int_equal(clients[i].draw.record.ledger, i + 1);
    }
    assert_int_equal(fixture->store.appends, 2);
}

static void the_same_draw_in_one_batch_gets_one_line(void **state)
{
    struct fixture *fixture = *state;
    struct client clients[10];
    set_blocked(&fixture->store, true);
    submit(fixture, &clients[0], 0);
    wait_until_entered(&fixture->store, 1);
    for (unsigned i = 1; i < 10; i++) {
        submit(fixture, &clients[i], 7);
    }
    set_blocked(&fixture->store, false);
    assert_true(outcome(&clients[0]));
    for (unsigned i = 1; i < 10; i++) {
        assert_true(outcome(&clients[i]));
        assert_int_equal(clients[i].draw.record.ledger, 2);
    }
    assert_int_equal(fixture->store.count, 2);
}

static void a_full_queue_refuses_at_once(void **state)
{
    struct fixture *fixture = *state;
    static struct client clients[QUEUE + 2];
    set_blocked(&fixture->store, true);
    submit(fixture, &clients[0], 0);
    wait_until_entered(&fixture->store, 1);
    for (unsigned i = 1; i <= QUEUE + 1; i++) {
        submit(fixture, &clients[i], i);
    }
    assert_false(outcome(&clients[QUEUE + 1]));
    assert_int_equal(clients[QUEUE + 1].wait.problem.code, SOWER_PROBLEM_UNAVAILABLE);
    set_blocked(&fixture->store, false);
    for (unsigned i = 0; i <= QUEUE; i++) {
        assert_true(outcome(&clients[i]));
    }
}

static void while_the_store_fails_new_draws_are_refused_and_recorded_ones_served(void **state)
{
    struct fixture *fixture = *state;
    struct client old, new, again;
    submit(fixture, &old, 1);
    assert_true(outcome(&old));
    fixture->store.fails = true;
    submit(fixture, &new, 2);
    assert_false(outcome(&new));
    assert_int_equal(new.wait.problem.code, SOWER_PROBLEM_UNAVAILABLE);
    assert_string_equal(new.wait.problem.sentence, "The disk is full.");
    assert_int_equal(sower_ledger_known(fixture->ledger, &new.draw.record.draw), 0);
    submit(fixture, &again, 1);
    assert_true(outcome(&again));
    fixture->store.fails = false;
    submit(fixture, &new, 2);
    assert_true(outcome(&new));
    assert_int_equal(new.draw.record.ledger, 2);
}

static void recorded_draws_in_a_failing_batch_are_served(void **state)
{
    struct fixture *fixture = *state;
    struct client first, old, new;
    submit(fixture, &first, 1);
    assert_true(outcome(&first));
    set_blocked(&fixture->store, true);
    submit(fixture, &first, 3);
    wait_until_entered(&fixture->store, 2);
    submit(fixture, &new, 2);
    submit(fixture, &old, 1);
    fixture->store.fails = true;
    set_blocked(&fixture->store, false);
    assert_true(outcome(&old));
    assert_false(outcome(&new));
    assert_false(outcome(&first));
}

static void a_probe_writes_and_says_whether_that_works(void **state)
{
    struct fixture *fixture = *state;
    struct client client;
    submit_probe(fixture, &client);
    assert_true(outcome(&client));
    assert_int_equal(fixture->store.probes, 1);
    fixture->store.fails = true;
    submit(fixture, &client, 1);
    assert_false(outcome(&client));
    for (int i = 0; i < 3; i++) {
        submit_probe(fixture, &client);
        assert_false(outcome(&client));
    }
    fixture->store.fails = false;
    submit_probe(fixture, &client);
    assert_true(outcome(&client));
    assert_int_equal(fixture->store.probes, 5);
    assert_int_equal(fixture->store.count, 0);
}

static void *stop(void *ledger)
{
    sower_ledger_stop(ledger);
    return NULL;
}

static void a_stopping_ledger_completes_its_current_work_and_refuses_the_rest(void **state)
{
    struct fixture *fixture = *state;
    struct client at_work, waiting[3], late;
    pthread_t stopping;
    set_blocked(&fixture->store, true);
    submit(fixture, &at_work, 0);
    wait_until_entered(&fixture->store, 1);
    submit(fixture, &waiting[0], 1);
    submit_pin(fixture, &waiting[1]);
    submit_probe(fixture, &waiting[2]);
    assert_int_equal(pthread_create(&stopping, NULL, stop, fixture->ledger), 0);
    for (unsigned i = 0; i < 3; i++) {
        assert_false(outcome(&waiting[i])); /* while the first one is being written */
    }
    set_blocked(&fixture->store, false);
    pthread_join(stopping, NULL);
    assert_true(outcome(&at_work));
    submit(fixture, &late, 11);
    assert_int_equal(late.times, 1);
    assert_false(outcome(&late));
}

static void submit_for(struct fixture *fixture, struct client *client, enum sower_ledger_request request,
                       uint64_t number)
{
    static unsigned draw = 100;
    ready(client, request);
    client->wait.place.client = number;
    memcpy(client->draw.record.draw.bytes, &draw, sizeof draw);
    draw++;
    if (request == SOWER_LEDGER_PIN) {
        client->wait.pin = &client->pin;
    } else {
        client->wait.draw = &client->draw;
    }
    sower_ledger_submit(fixture->ledger, &client->wait);
}

/* Each pin has its own transaction; their line numbers show the order. */
static void requests_with_their_own_transaction_serve_clients_in_turn_and_do_not_delay_draws(void **state)
{
    struct fixture *fixture = *state;
    struct client first, greedy[4], other, draw;
    set_blocked(&fixture->store, true);
    submit_for(fixture, &first, SOWER_LEDGER_RECORD, 1);
    wait_until_entered(&fixture->store, 1);
    for (unsigned i = 0; i < 4; i++) {
        submit_for(fixture, &greedy[i], SOWER_LEDGER_PIN, 1);
    }
    submit_for(fixture, &other, SOWER_LEDGER_PIN, 2);
    submit_for(fixture, &draw, SOWER_LEDGER_RECORD, 2);
    set_blocked(&fixture->store, false);
    assert_true(outcome(&greedy[3]));
    assert_true(outcome(&other));
    assert_true(outcome(&draw));
    assert_int_equal(other.pin.ledger, 2);
    assert_int_equal(greedy[3].pin.ledger, 5);
    assert_int_equal(draw.draw.record.ledger, 2); /* the store numbers draws and pins separately */
}

static void a_client_may_fill_half_of_the_queue(void **state)
{
    struct fixture *fixture = *state;
    static struct client first, greedy[QUEUE / 2 + 1], other;
    set_blocked(&fixture->store, true);
    submit_for(fixture, &first, SOWER_LEDGER_RECORD, 1);
    wait_until_entered(&fixture->store, 1);
    for (unsigned i = 0; i <= QUEUE / 2; i++) {
        submit_for(fixture, &greedy[i], SOWER_LEDGER_RECORD, 1);
    }
    assert_false(outcome(&greedy[QUEUE / 2]));
    submit_for(fixture, &other, SOWER_LEDGER_RECORD, 2);
    set_blocked(&fixture->store, false);
    assert_true(outcome(&other));
    assert_int_equal(other.draw.record.ledger, 3); /* after one draw of the other client */
}

static void a_probe_does_not_wait_for_other_requests(void **state)
{
    struct fixture *fixture = *state;
    struct client client, probe;
    submit(fixture, &client, 1);
    assert_true(outcome(&client));
    set_blocked(&fixture->store, true);
    submit(fixture, &client, 2);
    wait_until_entered(&fixture->store, 2);
    submit_probe(fixture, &probe);
    assert_true(outcome(&probe)); /* as the last outcome was */
    fixture->store.fails = true;
    set_blocked(&fixture->store, false);
    assert_false(outcome(&client));
    set_blocked(&fixture->store, true);
    submit(fixture, &client, 3);
    wait_until_entered(&fixture->store, 3);
    submit_probe(fixture, &probe);
    assert_false(outcome(&probe));
    assert_string_equal(probe.wait.problem.sentence, "The disk is full.");
    set_blocked(&fixture->store, false);
    assert_false(outcome(&client));
}

static struct client probe_after; /* of probe_as_soon_as_done() */
static struct fixture *probed;

static void probe_as_soon_as_done(struct sower_ledger_wait *wait)
{
    probed->store.fails = false;
    submit_probe(probed, &probe_after);
    done(wait);
}

static void a_probe_after_the_answer_of_a_failing_ledger_tries_again(void **state)
{
    struct fixture *fixture = probed = *state;
    struct client client;
    fixture->store.fails = true;
    submit(fixture, &client, 1);
    assert_false(outcome(&client));
    ready(&client, SOWER_LEDGER_LOOK);
    client.wait.draw = &client.draw;
    client.wait.done = probe_as_soon_as_done;
    sower_ledger_submit(fixture->ledger, &client.wait);
    assert_true(outcome(&client));
    assert_true(outcome(&probe_after));
}

static void requests_for_trials_share_a_commit_and_get_a_number_each(void **state)
{
    struct fixture *fixture = *state;
    struct client clients[QUEUE], draw;
    set_blocked(&fixture->store, true);
    submit_trials(fixture, &clients[0], 7, "");
    wait_until_entered(&fixture->store, 1);
    for (unsigned i = 1; i < QUEUE - 1; i++) {
        submit_trials(fixture, &clients[i], 1, "");
    }
    submit(fixture, &draw, 1);
    set_blocked(&fixture->store, false);
    assert_true(outcome(&clients[0]));
    assert_int_equal(clients[0].trials.first, 0);
    for (unsigned i = 1; i < QUEUE - 1; i++) {
        assert_true(outcome(&clients[i]));
        assert_int_equal(clients[i].trials.outcome, SOWER_TRIALS_GIVEN);
        assert_int_equal(clients[i].trials.first, 6 + i);
        assert_true(clients[i].trials.time > 0);
    }
    assert_true(outcome(&draw));
    assert_int_equal(fixture->store.gives, 2);
}

static void while_the_store_fails_only_trials_of_known_keys_are_given_out(void **state)
{
    struct fixture *fixture = *state;
    struct client known, new, again;
    submit_trials(fixture, &known, 2, "k");
    assert_true(outcome(&known));
    fixture->store.fails = true;
    submit_trials(fixture, &new, 1, "");
    assert_false(outcome(&new));
    assert_int_equal(new.wait.problem.code, SOWER_PROBLEM_UNAVAILABLE);
    submit_trials(fixture, &again, 2, "k");
    assert_true(outcome(&again));
    assert_int_equal(again.trials.first, 0);
    fixture->store.fails = false;
    submit_trials(fixture, &new, 1, "");
    assert_true(outcome(&new));
    assert_int_equal(new.trials.first, 2);
    assert_int_equal(fixture->store.gives, 2);
}

static void looking_a_draw_up_writes_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct client client;
    submit_draw(fixture, &client, SOWER_LEDGER_LOOK, 1, false);
    assert_true(outcome(&client));
    assert_int_equal(client.draw.outcome, SOWER_DRAW_NEW);
    assert_int_equal(fixture->store.entered, 0);
    submit(fixture, &client, 1);
    assert_true(outcome(&client));
    fixture->store.fails = true;
    submit_draw(fixture, &client, SOWER_LEDGER_LOOK, 1, false);
    assert_true(outcome(&client));
    assert_int_equal(client.draw.outcome, SOWER_DRAW_RECORDED);
    assert_int_equal(client.draw.record.ledger, 1);
}

static void a_draw_that_drifts_is_never_remembered(void **state)
{
    struct fixture *fixture = *state;
    struct client client;
    submit(fixture, &client, 1);
    assert_true(outcome(&client));
    for (size_t i = 1; i <= 3; i++) {
        submit(fixture, &client, DRIFTING);
        assert_true(outcome(&client));
        assert_int_equal(client.draw.outcome, SOWER_DRAW_RECORDED);
        assert_int_equal(client.draw.record.ledger, 2);
        assert_int_equal(client.draw.record.drift, 1);
        assert_int_equal(sower_ledger_known(fixture->ledger, &client.draw.record.draw), 0);
        submit_draw(fixture, &client, SOWER_LEDGER_RECORD, DRIFTING, true);
        assert_true(outcome(&client));
        assert_int_equal(client.draw.outcome, SOWER_DRAW_REFUSED);
    }
    assert_int_equal(fixture->store.appends, 2);
    submit_draw(fixture, &client, SOWER_LEDGER_RECORD, DRIFTING + 1, true);
    assert_true(outcome(&client));
    assert_int_equal(client.draw.outcome, SOWER_DRAW_REFUSED);
    assert_int_equal(fixture->store.count, 2);
}

static void other_requests_come_between_the_steps_of_a_model(void **state)
{
    struct fixture *fixture = *state;
    struct client model, draw, pin;
    set_blocked(&fixture->store, true);
    fixture->store.steps_left = 2;
    submit_model(fixture, &model);
    wait_until_entered(&fixture->store, 1);
    submit(fixture, &draw, 1);
    submit_pin(fixture, &pin);
    set_blocked(&fixture->store, false);
    assert_true(outcome(&draw) && outcome(&pin) && outcome(&model));
    assert_int_equal(fixture->store.models, 3);
    assert_true(fixture->store.models_before_pin == 1);
}

static void a_stop_refuses_the_rest_of_a_model(void **state)
{
    struct fixture *fixture = *state;
    struct client model;
    set_blocked(&fixture->store, true);
    fixture->store.steps_left = SIZE_MAX;
    submit_model(fixture, &model);
    wait_until_entered(&fixture->store, 1);
    set_blocked(&fixture->store, false);
    sower_ledger_stop(fixture->ledger);
    assert_false(outcome(&model));
    assert_int_equal(model.wait.problem.code, SOWER_PROBLEM_UNAVAILABLE);
}

static void models_and_pins_are_refused_while_the_store_fails(void **state)
{
    struct fixture *fixture = *state;
    struct client model, pin, probe;
    submit_model(fixture, &model);
    assert_true(outcome(&model));
    assert_true(model.model.written && model.model.time > 0);
    fixture->store.fails = true;
    submit_model(fixture, &model);
    assert_false(outcome(&model));
    submit_pin(fixture, &pin);
    assert_false(outcome(&pin));
    assert_int_equal(pin.wait.problem.code, SOWER_PROBLEM_UNAVAILABLE);
    submit_probe(fixture, &probe);
    assert_false(outcome(&probe)); /* also right after a successful write */
    fixture->store.fails = false;
    submit_pin(fixture, &pin);
    assert_true(outcome(&pin));
    assert_true(pin.pin.ledger == 1 && pin.pin.time > 0);
    submit_probe(fixture, &probe);
    assert_true(outcome(&probe));
    assert_int_equal(fixture->store.probes, 1);
}

static void a_ledger_that_is_not_open_yet_refuses_all_requests(void **state)
{
    struct fixture *fixture = *state, unopened = {.log = fixture->log};
    struct client clients[6];
    struct sower_problem problem;
    unopened.ledger = sower_ledger_new(QUEUE, 64, &unopened.log);
    assert_non_null(unopened.ledger);
    submit(&unopened, &clients[0], 1);
    submit_draw(&unopened, &clients[1], SOWER_LEDGER_LOOK, 1, false);
    submit_probe(&unopened, &clients[2]);
    submit_trials(&unopened, &clients[3], 1, "");
    submit_model(&unopened, &clients[4]);
    submit_pin(&unopened, &clients[5]);
    for (size_t i = 0; i < 6; i++) {
        assert_false(outcome(&clients[i]));
        assert_int_equal(clients[i].wait.problem.code, SOWER_PROBLEM_UNAVAILABLE);
        assert_non_null(strstr(clients[i].wait.problem.sentence, "being opened"));
    }
    assert_null(sower_ledger_reader(unopened.ledger, &problem));
    assert_int_equal(problem.code, SOWER_PROBLEM_UNAVAILABLE);
    sower_ledger_free(unopened.ledger); /* a start that failed */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_ledger_that_is_not_open_yet_refuses_all_requests),
        TEST(a_new_draw_is_written_and_then_known),
        TEST(who_must_wait_finds_what_is_recorded_and_adds_nothing),
        TEST(a_recorded_draw_is_not_written_again),
        TEST(a_draw_that_memory_forgot_is_looked_up_and_not_written_again),
        TEST(requests_that_wait_together_share_a_commit),
        TEST(the_same_draw_in_one_batch_gets_one_line),
        TEST(a_full_queue_refuses_at_once),
        TEST(while_the_store_fails_new_draws_are_refused_and_recorded_ones_served),
        TEST(recorded_draws_in_a_failing_batch_are_served),
        TEST(a_probe_writes_and_says_whether_that_works),
        TEST(requests_for_trials_share_a_commit_and_get_a_number_each),
        TEST(while_the_store_fails_only_trials_of_known_keys_are_given_out),
        TEST(looking_a_draw_up_writes_nothing),
        TEST(a_draw_that_drifts_is_never_remembered),
        TEST(other_requests_come_between_the_steps_of_a_model),
        TEST(a_stop_refuses_the_rest_of_a_model),
        TEST(models_and_pins_are_refused_while_the_store_fails),
        TEST(a_stopping_ledger_completes_its_current_work_and_refuses_the_rest),
        TEST(requests_with_their_own_transaction_serve_clients_in_turn_and_do_not_delay_draws),
        TEST(a_client_may_fill_half_of_the_queue),
        TEST(a_probe_does_not_wait_for_other_requests),
        TEST(a_probe_after_the_answer_of_a_failing_ledger_tries_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
