/* Quotas: every line is counted for its owner, in the transaction that adds it, and no owner exceeds its limit. */
#ifndef SOWER_TESTS_UNIT_SERVER_STORE_CONTRACT_QUOTAS_H
#define SOWER_TESTS_UNIT_SERVER_STORE_CONTRACT_QUOTAS_H

#include "tests/unit/server/store_contract_lines.h"
#include "tests/unit/server/store_contract_trials.h"

static struct sower_account account_of(const char *owner, uint64_t lines_max)
{
    return (struct sower_account){.owner = owner, .lines_max = lines_max};
}

/* Appends one draw. Returns whether it is recorded. */
static bool draws(struct sower_store *store, const char *owner, uint64_t lines_max, unsigned number)
{
    struct sower_account account = account_of(owner, lines_max);
    struct sower_store_draw draw = {.record = make_record(number), .account = &account};
    append_to(store, &draw, 1);
    assert_int_equal(account.exceeded, draw.outcome == SOWER_DRAW_NEW);
    assert_true(account.added <= 1 && !(account.exceeded && account.added > 0));
    return draw.outcome == SOWER_DRAW_RECORDED;
}

/* How many lines the owner has, or was promised: the greatest limit that leaves no line. */
static uint64_t used_by(struct sower_store *store, const char *owner)
{
    struct sower_account account = account_of(owner, 1);
    struct sower_store_pin pin = {
        .root_id = ROOT, .experiment = "never pinned", .pinned = true, .account = &account};
    struct sower_problem problem = {.sentence = ""};
    assert_true(store->writer->methods->pin(store->writer, &pin, &problem));
    assert_true(account.exceeded); /* the callers have at least one line */
    return account.used;
}

static void an_owner_has_no_more_lines_than_it_may(void **state)
{
    struct fixture *fixture = *state;
    for (unsigned i = 0; i < 3; i++) {
        assert_true(draws(fixture->store, "ci", 3, i));
    }
    assert_false(draws(fixture->store, "ci", 3, 3));
    assert_false(draws(fixture->store, "ci", 2, 4)); /* the limit was lowered */
    assert_true(draws(fixture->store, "ci", 4, 5));
    assert_true(draws(fixture->store, "ci", 0, 6)); /* no limit, but counted */
    assert_int_equal(used_by(fixture->store, "ci"), 5);
    assert_true(draws(fixture->store, "other", 1, 3));
    append_one(fixture, make_record(4), false); /* nobody's */
    assert_int_equal(check_chains(fixture), 7);
    open_again(fixture);
    assert_false(draws(fixture->store, "ci", 5, 9));
    assert_int_equal(used_by(fixture->store, "ci"), 5);
}

static void what_is_recorded_costs_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct sower_account account = account_of("ci", 2);
    assert_true(draws(fixture->store, "ci", 1, 0));
    assert_true(draws(fixture->store, "ci", 1, 0));
    struct sower_store_draw batch[] = {{.record = make_record(0), .account = &account},
                                       {.record = make_record(1), .account = &account},
                                       {.record = make_record(1), .account = &account}};
    append_to(fixture->store, batch, 3);
    assert_int_equal(account.added, 1);
    assert_false(account.exceeded);
    assert_int_equal(used_by(fixture->store, "ci"), 2);
}

static void requests_of_a_batch_have_their_own_limits(void **state)
{
    struct fixture *fixture = *state;
    enum { COUNT = 1030, OWNERS = 5 };
    static const char *const owners[OWNERS] = {"a", "b", "c", "d", NULL};
    static const uint64_t limits[OWNERS] = {0, 1, 100, 206, 1};
    struct sower_store_draw *draws = calloc(COUNT, sizeof *draws);
    struct sower_account *accounts = calloc(COUNT, sizeof *accounts);
    unsigned recorded[OWNERS] = {0}, total = 0;
    for (unsigned i = 0; i < COUNT; i++) {
        draws[i].record = make_record(i);
        accounts[i] = account_of(owners[i % OWNERS], limits[i % OWNERS]);
        draws[i].account = accounts[i].owner == NULL ? NULL : &accounts[i];
    }
    append_to(fixture->store, draws, COUNT);
    for (unsigned i = 0; i < COUNT; i++) {
        recorded[i % OWNERS] += draws[i].outcome == SOWER_DRAW_RECORDED;
        total += draws[i].outcome == SOWER_DRAW_RECORDED;
        assert_int_equal(accounts[i].exceeded, draws[i].outcome == SOWER_DRAW_NEW);
    }
    static const unsigned expected[OWNERS] = {206, 1, 100, 206, 206};
    assert_memory_equal(recorded, expected, sizeof expected);
    assert_int_equal(check_chains(fixture), total);
    assert_int_equal(used_by(fixture->store, "a"), 206);
    free(draws);
    free(accounts);
}

static void daemons_on_one_ledger_share_the_quotas(void **state)
{
    struct fixture *fixture = *state;
    struct sower_store *other = open_as(fixture, OTHER_WRITER);
    for (unsigned i = 0; i < 6; i++) {
        assert_true(draws(i % 2 == 0 ? fixture->store : other, "ci", 6, i));
    }
    assert_false(draws(fixture->store, "ci", 6, 6));
    assert_false(draws(other, "ci", 6, 6));
    assert_int_equal(used_by(other, "ci"), 6);
    other->close(other);
    assert_int_equal(check_chains(fixture), 6);
}

/* One step of a model of the draws 0 to count - 1. */
static bool step(struct sower_store *store, struct sower_store_model *model, struct sower_problem *problem)
{
    return store->writer->methods->append_model(store->writer, model, problem);
}

static const struct drawn FROM_0 = {0, 0};

static struct sower_store_model model_of(size_t count, struct sower_account *account)
{
    return (struct sower_store_model){.count = count,
                                      .fill = fill,
                                      .context = (void *)(uintptr_t)&FROM_0,
                                      .account = account,
                                      .manifest = {7},
                                      .text = "{\"tensors\":[]}",
                                      .length = 14,
                                      .time = 1769860900000};
}

/* Appends a whole model. Returns how many lines it added. */
static uint64_t add_model(struct sower_store *store, size_t count, const char *owner, uint64_t lines_max)
{
    struct sower_account account = account_of(owner, lines_max);
    struct sower_store_model model = model_of(count, &account);
    struct sower_problem problem = {.sentence = ""};
    do {
        assert_true(step(store, &model, &problem));
    } while (model.unfinished);
    assert_int_equal(account.promise, 0);
    return account.exceeded ? UINT64_MAX : account.added;
}

static void a_model_is_added_whole_or_not_at_all(void **state)
{
    struct fixture *fixture = *state;
    static const size_t counts[] = {20, 2 * SOWER_STORE_CHUNK + 3, SOWER_STORE_STEP + 7};
    uint64_t lines = 0;
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(add_model(fixture->store, counts[i], "ci", counts[i] - 1), UINT64_MAX);
        assert_int_equal(last_line(fixture), lines);
        assert_true(i > 0 || !keeps_manifest(fixture, 7));
        assert_int_equal(add_model(fixture->store, counts[i], "ci", counts[i]), counts[i] - lines);
        lines = counts[i];
        assert_int_equal(add_model(fixture->store, counts[i], "ci", 1), 0); /* it is recorded */
    }
    assert_int_equal(used_by(fixture->store, "ci"), lines);
    assert_int_equal(check_chains(fixture), lines);
}

/* Looks a large model up and writes its first step. */
static void begin_model(struct sower_store *store, struct sower_store_model *model)
{
    struct sower_problem problem = {.sentence = ""};
    while (!model->written) {
        assert_true(step(store, model, &problem));
        assert_true(model->unfinished);
    }
}

static void others_leave_room_for_the_rest_of_a_model(void **state)
{
    struct fixture *fixture = *state;
    struct sower_store *other = open_as(fixture, OTHER_WRITER);
    struct sower_account account = account_of("ci", LARGE + 2);
    struct sower_store_model model = model_of(LARGE, &account);
    struct sower_problem problem = {.sentence = ""};
    begin_model(fixture->store, &model);
    assert_int_equal(last_line(fixture), SOWER_STORE_STEP);
    assert_int_equal(used_by(fixture->store, "ci"), LARGE);
    assert_int_equal(used_by(other, "ci"), LARGE);
    assert_true(draws(fixture->store, "ci", LARGE + 2, LARGE));
    assert_true(draws(other, "ci", LARGE + 2, LARGE + 1));
    assert_false(draws(fixture->store, "ci", LARGE + 2, LARGE + 2));
    assert_false(draws(other, "ci", LARGE + 2, LARGE + 2));
    assert_true(draws(other, "ci", 0, LARGE - 1)); /* a draw of the model: one less to add */
    while (model.unfinished) {
        assert_true(step(fixture->store, &model, &problem));
    }
    assert_false(account.exceeded);
    assert_int_equal(account.added, LARGE - 1);
    assert_int_equal(used_by(fixture->store, "ci"), LARGE + 2);
    assert_int_equal(used_by(other, "ci"), LARGE + 2);
    other->close(other);
    assert_int_equal(check_chains(fixture), LARGE + 2);
}

static void a_promise_ends_when_its_daemon_starts_again(void **state)
{
    struct fixture *fixture = *state;
    struct sower_store *other = open_as(fixture, OTHER_WRITER);
    struct sower_account account = account_of("ci", LARGE);
    struct sower_store_model model = model_of(LARGE, &account);
    begin_model(fixture->store, &model);
    assert_int_equal(used_by(other, "ci"), LARGE);
    open_again(fixture); /* as after a kill: the model is forgotten */
    assert_int_equal(used_by(other, "ci"), SOWER_STORE_STEP);
    assert_int_equal(used_by(fixture->store, "ci"), SOWER_STORE_STEP);
    other->close(other);
    assert_int_equal(add_model(fixture->store, LARGE, "ci", LARGE), LARGE - SOWER_STORE_STEP);
    assert_int_equal(used_by(fixture->store, "ci"), LARGE);
}

static void a_promise_ends_with_a_failed_step(void **state)
{
    struct fixture *fixture = *state;
    struct sower_store *other = open_as(fixture, OTHER_WRITER);
    struct sower_account account = account_of("ci", LARGE);
    struct sower_store_model model = model_of(LARGE, &account);
    struct sower_problem problem;
    begin_model(fixture->store, &model);
    void *lock = hold_lock(fixture);
    assert_false(step(fixture->store, &model, &problem));
    release_lock(lock);
    assert_int_equal(account.promise, 0);
    assert_int_equal(account.added, SOWER_STORE_STEP);
    assert_int_equal(used_by(fixture->store, "ci"), SOWER_STORE_STEP);
    append_one(fixture, make_record(LARGE), false); /* the next commit, whoever's it is, tells the others */
    assert_int_equal(used_by(other, "ci"), SOWER_STORE_STEP);
    other->close(other);
}

static void trial_numbers_and_pins_cost_a_line(void **state)
{
    struct fixture *fixture = *state;
    struct sower_problem problem = {.sentence = ""};
    struct sower_store_writer *writer = fixture->store->writer;
    struct sower_account accounts[4];
    struct sower_store_trials requests[4] = {make_request("e", "", 10), make_request("e", "key", 1),
                                             make_request("e", "key", 1), make_request("e", "", 1)};
    for (size_t i = 0; i < 4; i++) {
        accounts[i] = account_of("ci", 2);
        requests[i].account = &accounts[i];
    }
    give_to(fixture->store, requests, 4);
    static const uint64_t added[] = {1, 1, 0, 0};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(accounts[i].added, added[i]);
        assert_int_equal(accounts[i].exceeded, i == 3);
        assert_int_equal(requests[i].outcome, i == 3 ? SOWER_TRIALS_NONE : SOWER_TRIALS_GIVEN);
    }
    assert_int_equal(requests[2].first, 10);
    struct sower_account account = account_of("ci", 3);
    struct sower_store_pin pin = {.root_id = ROOT, .experiment = "e", .pinned = true, .account = &account};
    assert_true(writer->methods->pin(writer, &pin, &problem));
    assert_int_equal(account.added, 1);
    account = account_of("ci", 3);
    assert_true(writer->methods->pin(writer, &pin, &problem)); /* it is pinned */
    assert_false(account.exceeded);
    pin.pinned = false;
    assert_true(writer->methods->pin(writer, &pin, &problem));
    assert_true(account.exceeded);
    assert_int_equal(account.added, 0);
    assert_int_equal(used_by(fixture->store, "ci"), 3);
    assert_int_equal(check_chains(fixture), 3);
}

static void a_failed_transaction_is_not_counted(void **state)
{
    struct fixture *fixture = *state;
    struct sower_account account = account_of("ci", 10);
    struct sower_store_draw draw = {.record = make_record(1), .account = &account}, *pointer = &draw;
    struct sower_store_writer *writer = fixture->store->writer;
    struct sower_problem problem;
    assert_true(draws(fixture->store, "ci", 10, 0));
    void *lock = hold_lock(fixture);
    assert_false(writer->methods->append(writer, &pointer, 1, &problem));
    release_lock(lock);
    assert_int_equal(used_by(fixture->store, "ci"), 1);
}

static void a_ledger_without_quotas_gets_them_when_it_is_opened(void **state)
{
    struct fixture *fixture = *state;
    append(fixture, 0, 3);
    execute(fixture, "DROP TABLE quota");
    open_again(fixture);
    assert_true(draws(fixture->store, "ci", 1, 3));
    assert_false(draws(fixture->store, "ci", 1, 4));
    assert_int_equal(check_chains(fixture), 4);
}

#define CONTRACT_QUOTAS(test)                                                                                \
    test(an_owner_has_no_more_lines_than_it_may), test(what_is_recorded_costs_nothing),                      \
        test(requests_of_a_batch_have_their_own_limits), test(daemons_on_one_ledger_share_the_quotas),       \
        test(a_model_is_added_whole_or_not_at_all), test(others_leave_room_for_the_rest_of_a_model),         \
        test(a_promise_ends_when_its_daemon_starts_again), test(a_promise_ends_with_a_failed_step),          \
        test(trial_numbers_and_pins_cost_a_line), test(a_failed_transaction_is_not_counted),                 \
        test(a_ledger_without_quotas_gets_them_when_it_is_opened)

#endif
