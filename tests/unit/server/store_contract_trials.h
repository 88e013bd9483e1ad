/* Experiments: trial numbers (each once, without gaps, with keys), pins, and totals. */
#ifndef SOWER_TESTS_UNIT_SERVER_STORE_CONTRACT_TRIALS_H
#define SOWER_TESTS_UNIT_SERVER_STORE_CONTRACT_TRIALS_H

#include "tests/unit/server/store_contract.h"

static struct sower_store_trials make_request(const char *experiment, const char *key, uint64_t count)
{
    return (struct sower_store_trials){
        .root_id = ROOT, .experiment = experiment, .key = key, .count = count, .time = 5};
}

static void give_to(struct sower_store *store, struct sower_store_trials *requests, size_t count)
{
    struct sower_problem problem = {.sentence = ""};
    struct sower_store_trials *pointers[8];
    for (size_t i = 0; i < count; i++) {
        pointers[i] = &requests[i];
    }
    bool done = store->writer->methods->give_trials(store->writer, pointers, count, &problem);
    assert_string_equal(problem.sentence, "");
    assert_true(done);
}

static enum sower_trials_outcome give(struct fixture *fixture, struct sower_store_trials *request)
{
    give_to(fixture->store, request, 1);
    return request->outcome;
}

/* Requests numbers without a key and checks them. */
static void take(struct fixture *fixture, const char *experiment, uint64_t count, uint64_t first)
{
    struct sower_store_trials request = make_request(experiment, "", count);
    assert_int_equal(give(fixture, &request), SOWER_TRIALS_GIVEN);
    assert_int_equal(request.first, first);
}

static enum sower_trials_outcome find_key(struct fixture *fixture, struct sower_store_trials *request)
{
    struct sower_problem problem;
    assert_true(fixture->store->writer->methods->find_trials(fixture->store->writer, &request, 1, &problem));
    return request->outcome;
}

static void numbers_begin_at_0_and_follow_each_other(void **state)
{
    struct fixture *fixture = *state;
    take(fixture, "a", 1, 0);
    take(fixture, "a", 1, 1);
    take(fixture, "a", 1000000, 2);
    take(fixture, "b", 3, 0);
    take(fixture, "a", 1, 1000002);
    open_again(fixture);
    take(fixture, "a", 1, 1000003);
    take(fixture, "b", 1, 3);
    assert_int_equal(check_chains(fixture), 7);
}

static void another_root_has_its_own_numbers(void **state)
{
    struct fixture *fixture = *state;
    take(fixture, "a", 5, 0);
    struct sower_store_trials request = make_request("a", "", 1);
    request.root_id.bytes[31] = 1;
    assert_int_equal(give(fixture, &request), SOWER_TRIALS_GIVEN);
    assert_int_equal(request.first, 0);
}

static void a_batch_is_served_in_order(void **state)
{
    struct fixture *fixture = *state;
    struct page page = {.stop_at = 0};
    struct sower_store_trials requests[] = {make_request("a", "", 2),  make_request("a", "k", 3),
                                            make_request("b", "k", 1), make_request("a", "k", 3),
                                            make_request("a", "k", 4), make_request("a", "", 1)};
    give_to(fixture->store, requests, 6);
    static const uint64_t first[] = {0, 2, 0, 2, 2, 5}, lines[] = {1, 2, 3, 2, 2, 4};
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(requests[i].outcome, i == 4 ? SOWER_TRIALS_KEY_TAKEN : SOWER_TRIALS_GIVEN);
        assert_int_equal(requests[i].first, first[i]);
        assert_int_equal(requests[i].ledger, lines[i]);
    }
    assert_int_equal(read_page(fixture, (struct sower_page){.after = 1}, &page), 3);
    assert_int_equal(page.records[0].kind, SOWER_RECORD_TRIALS);
    assert_int_equal(page.records[0].trial, 2);
    assert_int_equal(page.records[0].count, 3);
    assert_string_equal(page.records[0].key, "k");
    assert_string_equal(page.records[0].experiment, "a");
    assert_string_equal(page.records[2].key, "");
    assert_int_equal(check_chains(fixture), 4);
}

static void a_key_gives_the_same_numbers_after_reopening(void **state)
{
    struct fixture *fixture = *state;
    char key[SOWER_TRIALS_KEY_MAX + 1];
    memset(key, '\'', sizeof key - 1);
    key[sizeof key - 1] = '\0';
    struct sower_store_trials request = make_request("a", key, 4);
    take(fixture, "a", 3, 0);
    assert_int_equal(find_key(fixture, &request), SOWER_TRIALS_NONE);
    assert_int_equal(give(fixture, &request), SOWER_TRIALS_GIVEN);
    assert_int_equal(request.first, 3);
    open_again(fixture);
    request.first = request.ledger = 99;
    assert_int_equal(find_key(fixture, &request), SOWER_TRIALS_GIVEN);
    assert_int_equal(request.first, 3);
    assert_int_equal(request.ledger, 2);
    assert_int_equal(give(fixture, &request), SOWER_TRIALS_GIVEN);
    assert_int_equal(request.first, 3);
    request.count = 5;
    assert_int_equal(find_key(fixture, &request), SOWER_TRIALS_KEY_TAKEN);
    take(fixture, "a", 1, 7);
}

static void a_request_without_a_key_is_never_found(void **state)
{
    struct fixture *fixture = *state;
    struct sower_store_trials request = make_request("a", "", 1);
    take(fixture, "a", 1, 0);
    assert_int_equal(find_key(fixture, &request), SOWER_TRIALS_NONE);
}

static void numbers_end_at_the_highest_trial(void **state)
{
    struct fixture *fixture = *state;
    take(fixture, "a", 1, 0);
    execute(fixture, "UPDATE experiment SET given = 9223372036854775804");
    struct sower_store_trials request = make_request("a", "", 5);
    assert_int_equal(give(fixture, &request), SOWER_TRIALS_EXHAUSTED);
    take(fixture, "a", 3, SOWER_TRIAL_MAX - 3);
    request.count = 2;
    assert_int_equal(give(fixture, &request), SOWER_TRIALS_EXHAUSTED);
    take(fixture, "a", 1, SOWER_TRIAL_MAX);
    request.count = 1;
    assert_int_equal(give(fixture, &request), SOWER_TRIALS_EXHAUSTED);
    request.count = SOWER_TRIALS_COUNT_MAX;
    assert_int_equal(give(fixture, &request), SOWER_TRIALS_EXHAUSTED);
    take(fixture, "b", 1, 0);
}

static void a_refused_request_does_not_prevent_the_others(void **state)
{
    struct fixture *fixture = *state;
    take(fixture, "a", 1, 0);
    execute(fixture, "UPDATE experiment SET given = 9223372036854775807");
    struct sower_store_trials requests[] = {make_request("a", "k", 2), make_request("b", "", 1),
                                            make_request("a", "", 1), make_request("a", "", 1)};
    give_to(fixture->store, requests, 4);
    assert_int_equal(requests[0].outcome, SOWER_TRIALS_EXHAUSTED);
    assert_int_equal(requests[1].outcome, SOWER_TRIALS_GIVEN);
    assert_int_equal(requests[2].outcome, SOWER_TRIALS_GIVEN);
    assert_int_equal(requests[2].first, SOWER_TRIAL_MAX);
    assert_int_equal(requests[3].outcome, SOWER_TRIALS_EXHAUSTED);
    assert_int_equal(find_key(fixture, &requests[0]), SOWER_TRIALS_NONE);
}

static void two_stores_on_one_ledger_share_the_numbers(void **state)
{
    struct fixture *fixture = *state;
    struct sower_store *second = open_as(fixture, OTHER_WRITER);
    assert_non_null(second);
    for (uint64_t i = 0; i < 20; i += 2) {
        take(fixture, "a", 1, i);
        struct sower_store_trials request = make_request("a", "", 1);
        give_to(second, &request, 1);
        assert_int_equal(request.first, i + 1);
    }
    second->close(second);
    assert_int_equal(check_chains(fixture), 20);
}

static void a_batch_that_cannot_be_written_gives_out_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct sower_problem problem;
    take(fixture, "a", 1, 0);
    void *lock = hold_lock(fixture);
    struct sower_store_trials request = make_request("a", "k", 1), *pointer = &request;
    assert_false(fixture->store->writer->methods->give_trials(fixture->store->writer, &pointer, 1, &problem));
    assert_int_equal(problem.code, SOWER_PROBLEM_UNAVAILABLE);
    assert_int_equal(find_key(fixture, &request), SOWER_TRIALS_NONE);
    release_lock(lock);
    take(fixture, "a", 1, 1);
}

/* Pins or unpins experiment e0; returns the line. */
static uint64_t pin(struct fixture *fixture, bool pinned)
{
    struct sower_problem problem = {.sentence = ""};
    struct sower_store_pin request = {
        .root_id = ROOT, .experiment = "e0", .pinned = pinned, .time = 1769860900000, .ledger = 99};
    assert_true(fixture->store->writer->methods->pin(fixture->store->writer, &request, &problem));
    return request.ledger;
}

static void a_pinned_experiment_refuses_drift_until_it_is_unpinned(void **state)
{
    struct fixture *fixture = *state;
    struct page page = {.stop_at = 0};
    append(fixture, 0, 4);
    assert_int_equal(pin(fixture, false), 0);
    assert_int_equal(pin(fixture, true), 5);
    assert_int_equal(pin(fixture, true), 5);
    struct sower_record drifting = make_drifting(0, 1), fresh = make_record(6), other = make_drifting(1, 1);
    drifting.time = fresh.time = other.time = 1769860900001;
    struct sower_store_draw draw = append_one(fixture, drifting, false);
    assert_int_equal(draw.outcome, SOWER_DRAW_REFUSED);
    assert_int_equal(draw.record.drift, 1);
    assert_int_equal(append_one(fixture, fresh, false).record.ledger, 6);
    assert_int_equal(append_one(fixture, other, false).record.ledger, 7); /* another experiment */
    assert_int_equal(pin(fixture, false), 8);
    assert_int_equal(pin(fixture, false), 0);
    assert_int_equal(append_one(fixture, drifting, false).outcome, SOWER_DRAW_RECORDED);
    assert_int_equal(read_page(fixture, (struct sower_page){.after = 4}, &page), 5);
    assert_int_equal(page.records[0].kind, SOWER_RECORD_PIN);
    assert_int_equal(page.records[3].kind, SOWER_RECORD_UNPIN);
    assert_string_equal(page.records[3].experiment, "e0");
    assert_memory_equal(&page.records[3].root_id, &ROOT, sizeof ROOT);
    assert_int_equal(check_chains(fixture), 9);
}

static void an_experiment_may_be_pinned_before_it_is_used(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(pin(fixture, true), 1);
    open_again(fixture);
    assert_int_equal(pin(fixture, true), 1);
    struct sower_store_draw draws[] = {{.record = make_record(0)}, {.record = make_drifting(0, 1)}};
    draws[0].record.time = draws[1].record.time = 1769860900000;
    append_to(fixture->store, draws, 2);
    assert_int_equal(draws[0].outcome, SOWER_DRAW_RECORDED);
    assert_int_equal(draws[1].outcome, SOWER_DRAW_REFUSED);
}

struct experiments {
    struct sower_experiment experiments[8];
    size_t count;
};

static bool visit_experiment(void *context, const struct sower_experiment *experiment)
{
    struct experiments *found = context;
    found->experiments[found->count++] = *experiment;
    return true;
}

static void experiments_are_counted_and_listed_newest_first(void **state)
{
    struct fixture *fixture = *state;
    struct sower_problem problem;
    struct experiments found = {.count = 0};
    struct sower_experiment one;
    struct sower_store_reader *reader = fixture->store->reader;
    take(fixture, "given", 7, 0);
    append(fixture, 1, 5);
    struct sower_store_trials request = make_request("e1", "", 2);
    request.time = make_record(5).time;
    assert_int_equal(give(fixture, &request), SOWER_TRIALS_GIVEN);
    assert_int_equal(pin(fixture, true), 8);
    assert_true(reader->methods->experiments(reader, INT64_MAX, 8, visit_experiment, &found, &problem));
    assert_int_equal(found.count, 3);
    assert_string_equal(found.experiments[0].name, "e0");
    assert_string_equal(found.experiments[1].name, "e1");
    assert_string_equal(found.experiments[2].name, "given");
    assert_int_equal(found.experiments[0].draws, 2);
    assert_int_equal(found.experiments[0].pinned, 8);
    assert_int_equal(found.experiments[0].first, make_record(2).time);
    assert_int_equal(found.experiments[0].last, 1769860900000);
    assert_int_equal(found.experiments[1].draws, 3);
    assert_int_equal(found.experiments[1].given, 2);
    assert_int_equal(found.experiments[2].given, 7);
    assert_int_equal(found.experiments[2].last, 5);
    found.count = 0;
    assert_true(reader->methods->experiments(reader, found.experiments[1].id + 1, 1, visit_experiment, &found,
                                             &problem));
    assert_int_equal(found.count, 1);
    assert_true(reader->methods->experiment(reader, &ROOT, "e1", &one, &problem));
    assert_int_equal(one.id, found.experiments[0].id);
    assert_int_equal(one.draws, 3);
    assert_memory_equal(&one.root_id, &ROOT, sizeof ROOT);
    assert_true(reader->methods->experiment(reader, &ROOT, "e2", &one, &problem));
    assert_int_equal(one.id, 0);
}

struct trials {
    struct sower_trial trials[8];
    size_t count;
};

static bool visit_trial(void *context, const struct sower_trial *trial)
{
    struct trials *found = context;
    found->trials[found->count++] = *trial;
    return true;
}

static void trials_are_counted_and_listed_from_a_given_number(void **state)
{
    struct fixture *fixture = *state;
    struct sower_problem problem;
    struct trials found = {.count = 0};
    struct sower_experiment experiment;
    struct sower_store_reader *reader = fixture->store->reader;
    for (unsigned i = 0; i < 12; i++) {
        struct sower_record record = make_record(2 * i);
        record.trial = i % 3 == 2 ? SOWER_TRIAL_MAX : i % 3;
        append_one(fixture, record, false);
    }
    assert_true(reader->methods->experiment(reader, &ROOT, "e0", &experiment, &problem));
    assert_true(reader->methods->trials(reader, experiment.id, 1, 8, visit_trial, &found, &problem));
    assert_int_equal(found.count, 2);
    assert_int_equal(found.trials[0].trial, 1);
    assert_int_equal(found.trials[0].draws, 4);
    assert_int_equal(found.trials[0].first, make_record(2).time);
    assert_int_equal(found.trials[0].last, make_record(20).time);
    assert_int_equal(found.trials[1].trial, SOWER_TRIAL_MAX);
    found.count = 0;
    assert_true(reader->methods->trials(reader, experiment.id, 0, 1, visit_trial, &found, &problem));
    assert_int_equal(found.count, 1);
    assert_true(reader->methods->trials(reader, experiment.id + 1, 0, 8, visit_trial, &found, &problem));
    assert_int_equal(found.count, 1);
}

#define CONTRACT_TRIALS(test)                                                                                \
    test(numbers_begin_at_0_and_follow_each_other), test(another_root_has_its_own_numbers),                  \
        test(a_batch_is_served_in_order), test(a_key_gives_the_same_numbers_after_reopening),                \
        test(a_request_without_a_key_is_never_found), test(numbers_end_at_the_highest_trial),                \
        test(a_refused_request_does_not_prevent_the_others),                                                 \
        test(two_stores_on_one_ledger_share_the_numbers),                                                    \
        test(a_batch_that_cannot_be_written_gives_out_nothing),                                              \
        test(a_pinned_experiment_refuses_drift_until_it_is_unpinned),                                        \
        test(an_experiment_may_be_pinned_before_it_is_used),                                                 \
        test(experiments_are_counted_and_listed_newest_first),                                               \
        test(trials_are_counted_and_listed_from_a_given_number)

#endif
