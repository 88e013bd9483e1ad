/* The PostgreSQL store: the contract of all stores, and the effects of a server. The tests use a real server, which
 * tests/http/postgres.py starts. */
#include <unistd.h>

#include "tests/unit/server/store_contract_lines.h"
#include "tests/unit/server/store_contract_quotas.h"
#include "tests/unit/server/store_contract_trials.h"

#include <postgresql/libpq-fe.h>

#include "server/ledger/postgres/store.h"

/* The URL of the server's default database; each test creates its own. */
static const char *server_url(void)
{
    return getenv("SOWER_TEST_POSTGRES");
}

static void ignore_notice(void *context, const char *message)
{
    (void)context;
    (void)message;
}

static PGconn *session(const char *url)
{
    PGconn *connection = PQconnectdb(url);
    assert_int_equal(PQstatus(connection), CONNECTION_OK);
    PQsetNoticeProcessor(connection, ignore_notice, NULL);
    return connection;
}

static void run(PGconn *connection, const char *statement)
{
    PGresult *result = PQexec(connection, statement);
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
        print_error("%s", PQerrorMessage(connection));
    }
    PQclear(result);
    assert_true(status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK);
}

static void run_once(const char *url, const char *statement)
{
    PGconn *connection = session(url);
    run(connection, statement);
    PQfinish(connection);
}

/* The URL of another database of the server, with a shorter lock timeout than a daemon's. */
static void make_url(const char *database, char *url, size_t size)
{
    static const char own[] = "/postgres?";
    const char *found = strstr(server_url(), own);
    assert_non_null(found);
    snprintf(url, size, "%.*s/%s?%s&options=-clock_timeout%%3D300", (int)(found - server_url()), server_url(),
             database, found + sizeof own - 1);
}

static bool make_place(struct fixture *fixture)
{
    make_url("place", fixture->url, sizeof fixture->url);
    return true;
}

static bool remove_place(struct fixture *fixture)
{
    run_once(fixture->url, "DROP SCHEMA sower, public CASCADE; CREATE SCHEMA public");
    return true;
}

static struct sower_store *open_store(const struct fixture *fixture, const uint8_t writer[SOWER_WRITER_SIZE],
                                      struct sower_problem *problem)
{
    return sower_ledger_postgres_open(fixture->url, writer, problem);
}

static void execute(const struct fixture *fixture, const char *statement)
{
    PGconn *connection = session(fixture->url);
    run(connection, "SET search_path = sower");
    run(connection, statement);
    PQfinish(connection);
}

static void *hold_lock(const struct fixture *fixture)
{
    PGconn *connection = session(fixture->url);
    run(connection, "BEGIN");
    run(connection, "SELECT * FROM sower.ledger FOR UPDATE");
    return connection;
}

static void release_lock(void *lock)
{
    run(lock, "ROLLBACK");
    PQfinish(lock);
}

static void expect_refusal(const char *url, const char *words)
{
    struct sower_problem problem = {.sentence = ""};
    assert_null(sower_ledger_postgres_open(url, WRITER, &problem));
    assert_string_equal(problem.field, "--ledger");
    if (strstr(problem.sentence, words) == NULL) {
        print_error("\"%s\" is not in: %s\n", words, problem.sentence);
    }
    assert_non_null(strstr(problem.sentence, words));
    assert_null(strstr(problem.sentence, "secret"));
}

static void an_invalid_url_is_refused_without_showing_its_password(void **state)
{
    (void)state;
    static const char *const urls[] = {
        "postgresql://u:secret%zz@h/d",  "postgresql://u:secret/x@h/d", "postgresql://u:p@secret@h/d",
        "postgresql://u:p@h/d?secret=1", "postgresql://u:p@h:secret/d",
    };
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        expect_refusal(urls[i], "postgresql://USER@HOST:PORT/DATABASE");
    }
}

static void a_missing_database_is_refused(void **state)
{
    (void)state;
    char url[256];
    make_url("nowhere", url, sizeof url);
    expect_refusal(url, "\"nowhere\" does not exist");
    expect_refusal("postgresql://u:secret@/d?host=/nonexistent", "No such file");
}

static void a_database_of_another_encoding_is_refused(void **state)
{
    (void)state;
    char url[256];
    run_once(server_url(), "CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'");
    make_url("latin", url, sizeof url);
    expect_refusal(url, "encoding is LATIN1");
    run_once(server_url(), "DROP DATABASE latin");
}

static void a_ledger_of_a_newer_version_is_refused_at_the_start_and_later(void **state)
{
    struct fixture *fixture = *state;
    struct sower_problem problem;
    append(fixture, 0, 1);
    execute(fixture, "UPDATE ledger SET version = 99");
    expect_refusal(fixture->url, "newer sowerd");
    struct sower_store_draw draw = {.record = make_record(1)}, *pointer = &draw;
    assert_false(fixture->store->writer->methods->append(fixture->store->writer, &pointer, 1, &problem));
    assert_int_equal(problem.code, SOWER_PROBLEM_UNAVAILABLE);
    execute(fixture, "UPDATE ledger SET version = 1");
    append(fixture, 1, 1);
}

static void the_schema_of_another_program_is_refused_and_an_empty_one_used(void **state)
{
    struct fixture *fixture = *state;
    fixture->store->close(fixture->store);
    execute(fixture, "DROP SCHEMA sower CASCADE; CREATE SCHEMA sower; CREATE TABLE sower.line (corn text)");
    execute(fixture, "CREATE TABLE public.line (corn text); CREATE TABLE public.ledger (corn text)");
    struct sower_problem problem;
    assert_null(open_store(fixture, WRITER, &problem));
    assert_non_null(strstr(problem.sentence, "another program"));
    execute(fixture, "DROP TABLE sower.line");
    fixture->store = open_as(fixture, WRITER);
    assert_non_null(fixture->store);
    append(fixture, 0, 1);
}

/* Stores that are opened later wait for locks longer than other stores may take. */
static void wait_for_others(struct fixture *fixture)
{
    char *timeout = strstr(fixture->url, "lock_timeout%3D300");
    assert_non_null(timeout);
    memcpy(timeout, "lock_timeout%3D9s", sizeof "lock_timeout%3D9s");
}

static void *open_in_thread(void *context)
{
    return open_as(context, OTHER_WRITER);
}

static void stores_that_are_opened_together_create_one_schema(void **state)
{
    struct fixture *fixture = *state;
    enum { COUNT = 6 };
    pthread_t threads[COUNT];
    fixture->store->close(fixture->store);
    execute(fixture, "DROP SCHEMA sower CASCADE");
    wait_for_others(fixture);
    for (size_t i = 0; i < COUNT; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, open_in_thread, fixture), 0);
    }
    for (size_t i = 0; i < COUNT; i++) {
        void *store;
        assert_int_equal(pthread_join(threads[i], &store), 0);
        assert_non_null(store);
        ((struct sower_store *)store)->close(store);
    }
    fixture->store = open_as(fixture, WRITER);
    append(fixture, 0, 2);
}

static void lost_connections_are_opened_again_without_a_failure(void **state)
{
    struct fixture *fixture = *state;
    append(fixture, 0, 2);
    for (unsigned i = 2; i < 5; i++) {
        PGconn *connection = session(server_url());
        run(connection,
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = 'place'");
        PQfinish(connection);
        assert_int_equal(last_line(fixture), i);
        append(fixture, i, 1);
    }
    assert_int_equal(check_chains(fixture), 5);
}

static void waiting_for_a_store_that_hangs_in_a_transaction_ends(void **state)
{
    struct fixture *fixture = *state;
    PGconn *idle = session(fixture->url);
    run(idle, "SET idle_in_transaction_session_timeout = 200");
    run(idle, "BEGIN");
    run(idle, "SELECT * FROM sower.ledger FOR UPDATE");
    fixture->store->close(fixture->store);
    wait_for_others(fixture);
    fixture->store = open_as(fixture, WRITER);
    assert_non_null(fixture->store);
    append(fixture, 0, 1);
    PQfinish(idle);
}

static void a_database_with_asynchronous_commit_waits_for_the_disk(void **state)
{
    struct fixture *fixture = *state;
    strcat(fixture->url, "%20-csynchronous_commit%3Doff");
    open_again(fixture);
    append(fixture, 0, 1);
    execute(fixture, "CREATE TABLE seen (setting text)");
    execute(fixture, "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO "
                     "sower.seen VALUES (current_setting('synchronous_commit')); RETURN NULL; END $$");
    execute(fixture, "CREATE TRIGGER note AFTER INSERT ON line EXECUTE FUNCTION note()");
    append(fixture, 1, 1);
    PGconn *connection = session(fixture->url);
    PGresult *result = PQexec(connection, "SELECT setting FROM sower.seen");
    assert_int_equal(PQntuples(result), 1);
    assert_string_equal(PQgetvalue(result, 0, 0), "on");
    PQclear(result);
    PQfinish(connection);
}

static void a_batch_that_the_database_refuses_in_the_middle_leaves_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct sower_problem problem;
    struct sower_store_draw draw = {.record = make_record(1)}, *pointer = &draw;
    append(fixture, 0, 1);
    execute(fixture,
            "ALTER TABLE ledger ADD CHECK (last < 2)"); /* fails in the last statement before the commit */
    assert_false(fixture->store->writer->methods->append(fixture->store->writer, &pointer, 1, &problem));
    assert_non_null(strstr(problem.sentence, "check constraint"));
    assert_int_equal(find_one(fixture, &draw), SOWER_DRAW_NEW);
    assert_int_equal(last_line(fixture), 1);
    execute(fixture, "ALTER TABLE ledger DROP CONSTRAINT ledger_last_check");
    append(fixture, 1, 1);
    assert_int_equal(check_chains(fixture), 2);
}

static int make_database(void **state)
{
    (void)state;
    run_once(server_url(), "CREATE DATABASE place");
    return 0;
}

int main(int count, char **arguments)
{
    (void)count;
    if (server_url() == NULL) { /* run again, with a server */
        execl("/usr/bin/python3", "python3", "tests/http/postgres.py", arguments[0], (char *)NULL);
        perror("tests/http/postgres.py");
        return EXIT_FAILURE;
    }
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CONTRACT_LINES(TEST),
        CONTRACT_TRIALS(TEST),
        CONTRACT_QUOTAS(TEST),
        cmocka_unit_test(an_invalid_url_is_refused_without_showing_its_password),
        cmocka_unit_test(a_missing_database_is_refused),
        cmocka_unit_test(a_database_of_another_encoding_is_refused),
        TEST(a_ledger_of_a_newer_version_is_refused_at_the_start_and_later),
        TEST(the_schema_of_another_program_is_refused_and_an_empty_one_used),
        TEST(stores_that_are_opened_together_create_one_schema),
        TEST(lost_connections_are_opened_again_without_a_failure),
        TEST(waiting_for_a_store_that_hangs_in_a_transaction_ends),
        TEST(a_database_with_asynchronous_commit_waits_for_the_disk),
        TEST(a_batch_that_the_database_refuses_in_the_middle_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, make_database, NULL);
}
