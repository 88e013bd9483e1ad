/* Trial numbers in the SQLite store: each once, without gaps, under keys that are kept. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "../../server/ledger_sqlite.h"

static const uint8_t WRITER[SOWER_WRITER_SIZE] = {7};

struct fixture {
    char directory[32], path[64];
    struct sower_store *store;
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    struct sower_problem problem;
    strcpy(fixture->directory, "/tmp/sower-test-XXXXXX");
    if (mkdtemp(fixture->directory) == NULL) {
        return -1;
    }
    snprintf(fixture->path, sizeof fixture->path, "%s/ledger", fixture->directory);
    fixture->store = sower_ledger_sqlite_open(fixture->path, WRITER, &problem);
    *state = fixture;
    return fixture->store == NULL;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    fixture->store->methods->close(fixture->store);
    int wrong = unlink(fixture->path) != 0 || rmdir(fixture->directory) != 0;
    free(fixture);
    return wrong;
}

static struct sower_store_trials make_request(const char *experiment, const char *key, uint64_t count)
{
    return (struct sower_store_trials){.experiment = experiment, .key = key, .count = count, .time = 5};
}

static enum sower_trials_outcome give(struct sower_store *store, struct sower_store_trials *request)
{
    struct sower_problem problem;
    assert_true(store->methods->give_trials(store, &request, 1, &problem));
    return request->outcome;
}

/* Takes numbers without a key and checks which they are. */
static void take(struct fixture *fixture, const char *experiment, uint64_t count, uint64_t first)
{
    struct sower_store_trials request = make_request(experiment, "", count);
    assert_int_equal(give(fixture->store, &request), SOWER_TRIALS_GIVEN);
    assert_int_equal(request.first, first);
}

static enum sower_trials_outcome find(struct fixture *fixture, struct sower_store_trials *request)
{
    struct sower_problem problem;
    assert_true(fixture->store->methods->find_trials(fixture->store, &request, 1, &problem));
    return request->outcome;
}

static void open_again(struct fixture *fixture)
{
    struct sower_problem problem;
    fixture->store->methods->close(fixture->store);
    fixture->store = sower_ledger_sqlite_open(fixture->path, WRITER, &problem);
    assert_non_null(fixture->store);
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
}

static void another_root_has_its_own_numbers(void **state)
{
    struct fixture *fixture = *state;
    take(fixture, "a", 5, 0);
    struct sower_store_trials request = make_request("a", "", 1);
    request.root_id.bytes[31] = 1;
    assert_int_equal(give(fixture->store, &request), SOWER_TRIALS_GIVEN);
    assert_int_equal(request.first, 0);
}

static void a_batch_is_served_in_its_order(void **state)
{
    struct fixture *fixture = *state;
    struct sower_problem problem;
    struct sower_store_trials requests[] = {make_request("a", "", 2),  make_request("a", "k", 3),
                                            make_request("b", "k", 1), make_request("a", "k", 3),
                                            make_request("a", "k", 4), make_request("a", "", 1)};
    struct sower_store_trials *pointers[6];
    for (size_t i = 0; i < 6; i++) {
        pointers[i] = &requests[i];
    }
    assert_true(fixture->store->methods->give_trials(fixture->store, pointers, 6, &problem));
    static const uint64_t first[] = {0, 2, 0, 2, 2, 5};
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(requests[i].outcome, i == 4 ? SOWER_TRIALS_KEY_TAKEN : SOWER_TRIALS_GIVEN);
        assert_true(i == 4 || requests[i].first == first[i]);
    }
}

static void a_key_gives_the_same_numbers_after_opening_again(void **state)
{
    struct fixture *fixture = *state;
    struct sower_store_trials request = make_request("a", "k", 4);
    take(fixture, "a", 3, 0);
    assert_int_equal(find(fixture, &request), SOWER_TRIALS_NONE);
    assert_int_equal(give(fixture->store, &request), SOWER_TRIALS_GIVEN);
    assert_int_equal(request.first, 3);
    open_again(fixture);
    request.first = 99;
    assert_int_equal(find(fixture, &request), SOWER_TRIALS_GIVEN);
    assert_int_equal(request.first, 3);
    assert_int_equal(give(fixture->store, &request), SOWER_TRIALS_GIVEN);
    assert_int_equal(request.first, 3);
    request.count = 5;
    assert_int_equal(find(fixture, &request), SOWER_TRIALS_KEY_TAKEN);
    take(fixture, "a", 1, 7);
}

static void a_request_without_a_key_is_never_found(void **state)
{
    struct fixture *fixture = *state;
    struct sower_store_trials request = make_request("a", "", 1);
    take(fixture, "a", 1, 0);
    assert_int_equal(find(fixture, &request), SOWER_TRIALS_NONE);
}

static void set_last(struct fixture *fixture, const char *first)
{
    sqlite3 *database;
    char *text = sqlite3_mprintf("INSERT INTO trial VALUES (zeroblob(32), 'a', %s, 1, 5, NULL)", first);
    assert_int_equal(sqlite3_open(fixture->path, &database), SQLITE_OK);
    assert_int_equal(sqlite3_exec(database, text, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(database);
    sqlite3_free(text);
}

static void numbers_end_at_the_greatest_trial(void **state)
{
    struct fixture *fixture = *state;
    set_last(fixture, "9223372036854775803");
    struct sower_store_trials request = make_request("a", "", 5);
    assert_int_equal(give(fixture->store, &request), SOWER_TRIALS_EXHAUSTED);
    take(fixture, "a", 3, SOWER_TRIAL_MAX - 3);
    request.count = 2;
    assert_int_equal(give(fixture->store, &request), SOWER_TRIALS_EXHAUSTED);
    take(fixture, "a", 1, SOWER_TRIAL_MAX);
    request.count = 1;
    assert_int_equal(give(fixture->store, &request), SOWER_TRIALS_EXHAUSTED);
    request.count = SOWER_TRIALS_COUNT_MAX;
    assert_int_equal(give(fixture->store, &request), SOWER_TRIALS_EXHAUSTED);
    take(fixture, "b", 1, 0);
}

static void a_request_that_is_refused_does_not_keep_the_others_from_theirs(void **state)
{
    struct fixture *fixture = *state;
    struct sower_problem problem;
    set_last(fixture, "9223372036854775807");
    struct sower_store_trials full = make_request("a", "k", 1), other = make_request("b", "", 1);
    struct sower_store_trials *pointers[] = {&full, &other};
    assert_true(fixture->store->methods->give_trials(fixture->store, pointers, 2, &problem));
    assert_int_equal(full.outcome, SOWER_TRIALS_EXHAUSTED);
    assert_int_equal(other.outcome, SOWER_TRIALS_GIVEN);
    assert_int_equal(find(fixture, &full), SOWER_TRIALS_NONE);
}

static void two_stores_on_one_file_share_the_numbers(void **state)
{
    struct fixture *fixture = *state;
    struct sower_problem problem;
    struct sower_store *second = sower_ledger_sqlite_open(fixture->path, WRITER, &problem);
    assert_non_null(second);
    for (uint64_t i = 0; i < 20; i += 2) {
        take(fixture, "a", 1, i);
        struct sower_store_trials request = make_request("a", "", 1);
        assert_int_equal(give(second, &request), SOWER_TRIALS_GIVEN);
        assert_int_equal(request.first, i + 1);
    }
    second->methods->close(second);
}

static void a_batch_that_cannot_be_written_gives_out_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct sower_problem problem;
    sqlite3 *other;
    take(fixture, "a", 1, 0);
    assert_int_equal(sqlite3_open(fixture->path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    struct sower_store_trials request = make_request("a", "k", 1), *pointer = &request;
    assert_false(fixture->store->methods->give_trials(fixture->store, &pointer, 1, &problem));
    assert_int_equal(problem.code, SOWER_PROBLEM_UNAVAILABLE);
    assert_int_equal(find(fixture, &request), SOWER_TRIALS_NONE);
    assert_int_equal(sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(other);
    take(fixture, "a", 1, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(numbers_begin_at_0_and_follow_each_other),
        TEST(another_root_has_its_own_numbers),
        TEST(a_batch_is_served_in_its_order),
        TEST(a_key_gives_the_same_numbers_after_opening_again),
        TEST(a_request_without_a_key_is_never_found),
        TEST(numbers_end_at_the_greatest_trial),
        TEST(a_request_that_is_refused_does_not_keep_the_others_from_theirs),
        TEST(two_stores_on_one_file_share_the_numbers),
        TEST(a_batch_that_cannot_be_written_gives_out_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
