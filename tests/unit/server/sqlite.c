/* The SQLite store: the contract of all stores, and paths where a ledger cannot be created. */
#include <unistd.h>

#include "tests/unit/server/store_contract_lines.h"
#include "tests/unit/server/store_contract_quotas.h"
#include "tests/unit/server/store_contract_trials.h"

#include <sqlite3.h>

#include "server/ledger/sqlite/store.h"

static bool make_place(struct fixture *fixture)
{
    strcpy(fixture->directory, "/tmp/sower-test-XXXXXX");
    if (mkdtemp(fixture->directory) == NULL) {
        return false;
    }
    snprintf(fixture->url, sizeof fixture->url, "%s/ledger", fixture->directory);
    return true;
}

static bool remove_place(struct fixture *fixture)
{
    return unlink(fixture->url) == 0 && rmdir(fixture->directory) == 0;
}

static struct sower_store *open_store(const struct fixture *fixture, const uint8_t writer[SOWER_WRITER_SIZE],
                                      struct sower_problem *problem)
{
    return sower_ledger_sqlite_open(fixture->url, writer, NULL, problem);
}

static void execute(const struct fixture *fixture, const char *statement)
{
    sqlite3 *database;
    assert_int_equal(sqlite3_open(fixture->url, &database), SQLITE_OK);
    assert_int_equal(sqlite3_exec(database, statement, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(database);
}

static void *hold_lock(const struct fixture *fixture)
{
    sqlite3 *database;
    assert_int_equal(sqlite3_open(fixture->url, &database), SQLITE_OK);
    assert_int_equal(sqlite3_exec(database, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    return database;
}

static void release_lock(void *lock)
{
    assert_int_equal(sqlite3_exec(lock, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(lock);
}

static void a_place_that_cannot_hold_a_ledger_is_refused(void **state)
{
    (void)state;
    struct sower_problem problem;
    static const char *const paths[] = {"/nonexistent/directory/ledger", "/dev/null", "/tmp", ":memory:", ""};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        assert_null(sower_ledger_sqlite_open(paths[i], WRITER, NULL, &problem));
        assert_string_equal(problem.field, "--ledger");
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CONTRACT_LINES(TEST),
        CONTRACT_TRIALS(TEST),
        CONTRACT_QUOTAS(TEST),
        TEST(a_place_that_cannot_hold_a_ledger_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
