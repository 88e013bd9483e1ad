#include "server/ledger/postgres/connection.h"

#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "server/base/clock.h"

enum {
    RESULT_MILLISECONDS = 6000, /* time limit of an exchange */
    HURRY_MILLISECONDS = 1000,  /* the same while the daemon stops */
    LOOK_MILLISECONDS = 200,    /* interval of checks whether it stops */
    MILLISECONDS_PER_SECOND = 1000,
    NAME_SIZE = 24, /* name of a prepared statement: its number */
    LEFTOVERS = 8,  /* messages that may have arrived while the connection was idle */
};

/* Settings of a session, unless somebody has changed them. The server's timeouts for locks and statements are
 * shorter than the time limit here, so that the cause is known. A transaction ends soon after its daemon is gone.
 * Every statement has an index and reads in its order, whatever a planner without statistics estimates. */
static const char session[] =
    "SELECT set_config(name, wanted, false) FROM (VALUES ('lock_timeout', '0', '4s'),"
    " ('statement_timeout', '0', '5s'), ('idle_in_transaction_session_timeout', '0', '8s'),"
    " ('synchronous_commit', 'off', 'on'), ('enable_seqscan', 'on', 'off'),"
    " ('enable_bitmapscan', 'on', 'off'), ('jit', 'on', 'off'))"
    " AS setting (name, present, wanted) WHERE current_setting(name) = present";

static const char lost[] = "the connection to the database was lost";

static bool fail(struct sower_postgres *postgres, const char *cause)
{
    snprintf(postgres->cause, sizeof postgres->cause, "%s", cause);
    return false;
}

/* Sets the cause: `before` and the first `count` bytes of a message of libpq or the server, on one line and without
 * a full stop at the end. */
static bool fail_as(struct sower_postgres *postgres, const char *before, const char *text, size_t count)
{
    size_t length = (size_t)snprintf(postgres->cause, sizeof postgres->cause, "%s", before);
    for (const char *end = text + count; text < end && length + 1 < sizeof postgres->cause; text++) {
        bool space = isspace((unsigned char)*text);
        if (!space || (length > 0 && postgres->cause[length - 1] != ' ')) {
            postgres->cause[length++] = space ? ' ' : *text;
        }
    }
    while (length > 0 && strchr(" .", postgres->cause[length - 1]) != NULL) {
        length--;
    }
    postgres->cause[length] = '\0';
    return false;
}

static void drop(struct sower_postgres *postgres)
{
    PQfinish(postgres->connection);
    postgres->connection = NULL;
    postgres->queued = 0;
}

/* Failures that the daemon's owner can do something about, by SQLSTATE. */
static const struct {
    const char *state, *cause;
} failures[] = {
    {"25006", "the database is read-only"},
    {"53100", "the database's disk is full"},
    {"53300", "the database takes no more connections"},
    {"55P03", "another daemon or program holds the ledger's lock"},
    {"57014", "the database takes too long"},
    {"57P01", "the database is shutting down"},
    {"57P02", "the database is shutting down"},
    {"57P03", "the database is starting or shutting down"},
};

static bool fail_with(struct sower_postgres *postgres, const PGresult *result)
{
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    for (size_t i = 0; state != NULL && i < sizeof failures / sizeof failures[0]; i++) {
        if (strcmp(failures[i].state, state) == 0) {
            return fail(postgres, failures[i].cause);
        }
    }
    if (state == NULL || message == NULL) { /* libpq reports this for a lost connection */
        return fail(postgres, lost);
    }
    return fail_as(postgres, "the database says: ", message, strlen(message));
}

void sower_postgres_hurry(struct sower_postgres *postgres)
{
    atomic_store(&postgres->until, sower_clock_milliseconds() + HURRY_MILLISECONDS);
}

/* Milliseconds until the deadline or, if that is earlier, `until`. */
static int64_t time_left(const struct sower_postgres *postgres, int64_t deadline)
{
    int64_t until = atomic_load(&postgres->until);
    return (until != 0 && until < deadline ? until : deadline) - sower_clock_milliseconds();
}

/* Receives the next result; NULL after the last one of a statement. False if it does not arrive in time. */
static bool receive(struct sower_postgres *postgres, int64_t deadline, PGresult **result)
{
    PGconn *connection = postgres->connection;
    for (;;) {
        int unsent = PQflush(connection);
        if (unsent < 0) {
            return fail(postgres, lost);
        }
        if (PQisBusy(connection) == 0) {
            *result = PQgetResult(connection);
            return true;
        }
        int64_t left = time_left(postgres, deadline);
        struct pollfd wanted = {.fd = PQsocket(connection),
                                .events = (short)(POLLIN | (unsent > 0 ? POLLOUT : 0))};
        int ready =
            left > 0 ? poll(&wanted, 1, (int)(left < LOOK_MILLISECONDS ? left : LOOK_MILLISECONDS)) : 0;
        if (left <= 0) {
            return fail(postgres, "the database does not answer");
        }
        if ((ready < 0 && errno != EINTR) || (ready > 0 && PQconsumeInput(connection) == 0)) {
            return fail(postgres, lost);
        }
    }
}

static bool is_error(const PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);
    return status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK && status != PGRES_PIPELINE_SYNC;
}

/* Receives the result of one statement and the NULL after it. */
static bool receive_statement(struct sower_postgres *postgres, int64_t deadline,
                              struct sower_postgres_results *results, bool *well)
{
    PGresult *result, *end;
    if (!receive(postgres, deadline, &result)) {
        return false;
    }
    if (result == NULL) {
        return fail(postgres, lost);
    }
    results->items[results->count++] = result;
    if (*well && is_error(result)) {
        *well = fail_with(postgres, result);
    }
    if (PQstatus(postgres->connection) != CONNECTION_OK) {
        return *well ? fail(postgres, lost) : false;
    }
    if (!receive(postgres, deadline, &end)) {
        return false;
    }
    PQclear(end);
    return end == NULL || fail(postgres, lost);
}

static bool receive_end(struct sower_postgres *postgres, int64_t deadline)
{
    PGresult *result;
    if (!receive(postgres, deadline, &result)) {
        return false;
    }
    bool ended = PQresultStatus(result) == PGRES_PIPELINE_SYNC;
    PQclear(result);
    return ended || fail(postgres, lost);
}

bool sower_postgres_exchange(struct sower_postgres *postgres, struct sower_postgres_results *results)
{
    bool well = true, complete = !postgres->failed && postgres->connection != NULL;
    int64_t deadline =
        sower_clock_milliseconds() + (postgres->limit > 0 ? postgres->limit : RESULT_MILLISECONDS);
    results->count = 0;
    if (!complete || PQpipelineSync(postgres->connection) != 1) {
        complete = fail(postgres, "a statement cannot be sent to the database");
    }
    for (size_t i = 0; i < postgres->queued && complete; i++) {
        complete = receive_statement(postgres, deadline, results, &well);
    }
    complete = complete && receive_end(postgres, deadline);
    postgres->queued = 0;
    postgres->failed = false;
    if (!complete) {
        drop(postgres);
    }
    if (!complete || !well) {
        sower_postgres_clear(results);
    }
    return complete && well;
}

void sower_postgres_clear(struct sower_postgres_results *results)
{
    for (size_t i = 0; i < results->count; i++) {
        PQclear(results->items[i]);
    }
    results->count = 0;
}

bool sower_postgres_run(struct sower_postgres *postgres)
{
    struct sower_postgres_results results;
    bool done = sower_postgres_exchange(postgres, &results);
    if (done) {
        sower_postgres_clear(&results);
    }
    return done;
}

static void note_queued(struct sower_postgres *postgres, bool queued)
{
    postgres->queued += queued;
    postgres->failed = postgres->failed || !queued;
}

static bool may_queue(const struct sower_postgres *postgres, const struct sower_postgres_values *values)
{
    return postgres->connection != NULL && postgres->queued < SOWER_POSTGRES_QUEUE &&
           (values == NULL || !values->failed);
}

void sower_postgres_queue(struct sower_postgres *postgres, size_t statement,
                          const struct sower_postgres_values *values)
{
    static const struct sower_postgres_values none;
    char name[NAME_SIZE];
    snprintf(name, sizeof name, "%zu", statement);
    const struct sower_postgres_values *given = values == NULL ? &none : values;
    note_queued(postgres, may_queue(postgres, values) &&
                              PQsendQueryPrepared(postgres->connection, name, given->count, given->bytes,
                                                  given->lengths, given->formats, 1) == 1);
}

void sower_postgres_queue_text(struct sower_postgres *postgres, const char *text,
                               const struct sower_postgres_values *values)
{
    static const struct sower_postgres_values none;
    const struct sower_postgres_values *given = values == NULL ? &none : values;
    note_queued(postgres, may_queue(postgres, values) &&
                              PQsendQueryParams(postgres->connection, text, given->count, given->types,
                                                given->bytes, given->lengths, given->formats, 1) == 1);
}

void sower_postgres_roll_back(struct sower_postgres *postgres)
{
    char cause[SOWER_POSTGRES_CAUSE_SIZE];
    if (postgres->connection == NULL || PQtransactionStatus(postgres->connection) == PQTRANS_IDLE) {
        return;
    }
    memcpy(cause, postgres->cause, sizeof cause); /* keep the earlier cause */
    sower_postgres_queue_text(postgres, "ROLLBACK", NULL);
    if (!sower_postgres_run(postgres)) {
        drop(postgres); /* the server rolls back when the connection ends */
    }
    memcpy(postgres->cause, cause, sizeof cause);
}

static void ignore_notice(void *context, const char *message)
{
    (void)context;
    (void)message;
}

/* Prepares the statements on the connection, SOWER_POSTGRES_QUEUE at a time. */
static bool prepare(struct sower_postgres *postgres)
{
    char name[NAME_SIZE];
    sower_postgres_queue_text(postgres, session, NULL);
    for (size_t i = 0; i < postgres->statement_count; i++) {
        if (postgres->queued == SOWER_POSTGRES_QUEUE && !sower_postgres_run(postgres)) {
            return false;
        }
        snprintf(name, sizeof name, "%zu", i);
        note_queued(postgres,
                    may_queue(postgres, NULL) &&
                        PQsendPrepare(postgres->connection, name, postgres->statements[i], 0, NULL) == 1);
    }
    return sower_postgres_run(postgres);
}

static bool check_encoding(struct sower_postgres *postgres)
{
    const char *encoding = PQparameterStatus(postgres->connection, "server_encoding");
    if (encoding != NULL && strcmp(encoding, "UTF8") == 0) {
        return true;
    }
    snprintf(postgres->cause, sizeof postgres->cause,
             "the database's encoding is %s, but the ledger needs UTF8",
             encoding == NULL ? "unknown" : encoding);
    return false;
}

/* Sets the cause from libpq's message: "connection to server at ADDRESS failed: CAUSE", perhaps with advice on
 * further lines. The person who starts the daemon (`first`) gets the whole message; clients get only CAUSE. */
static bool fail_to_connect(struct sower_postgres *postgres, const char *message, bool first)
{
    static const char mark[] = " failed: ";
    const char *found = strstr(message, mark);
    if (first) {
        return fail_as(postgres, "", message, strlen(message));
    }
    if (found == NULL) {
        return fail(postgres, "the database cannot be reached");
    }
    found += sizeof mark - 1;
    return fail_as(postgres, "the database cannot be reached: ", found, strcspn(found, "\n"));
}

static bool connect_now(struct sower_postgres *postgres, bool first)
{
    /* The URL (dbname) overrides the settings before it. */
    static const char *const names[] = {"fallback_application_name", "connect_timeout",
                                        "keepalives_idle",           "keepalives_interval",
                                        "keepalives_count",          "tcp_user_timeout",
                                        "target_session_attrs",      "dbname",
                                        "client_encoding",           NULL};
    const char *const texts[] = {"sowerd", "3",          "10",          "5",    "3",
                                 "15000",  "read-write", postgres->url, "UTF8", NULL};
    PGconn *connection = PQconnectdbParams(names, texts, 1);
    postgres->connection = connection;
    if (connection == NULL) {
        return fail(postgres, "the daemon is out of memory");
    }
    if (PQstatus(connection) != CONNECTION_OK) {
        return fail_to_connect(postgres, PQerrorMessage(connection), first);
    }
    PQsetNoticeProcessor(connection, ignore_notice, NULL);
    if (PQsetnonblocking(connection, 1) != 0 || PQenterPipelineMode(connection) != 1) {
        return fail(postgres, "the daemon is out of memory");
    }
    return check_encoding(postgres) && prepare(postgres);
}

/* Connects again. After a failed attempt, waits as long as it took before the next one. */
static bool reconnect(struct sower_postgres *postgres, bool first)
{
    int64_t begin = sower_clock_milliseconds();
    postgres->queued = 0;
    postgres->failed = false;
    if (connect_now(postgres, first)) {
        return true;
    }
    drop(postgres);
    postgres->refuse_until = sower_clock_milliseconds() + (sower_clock_milliseconds() - begin);
    return false;
}

/* Whether the server has left the connection open since its last use. */
static bool is_alive(struct sower_postgres *postgres)
{
    struct pollfd wanted = {.fd = PQsocket(postgres->connection), .events = POLLIN};
    for (int i = 0; i < LEFTOVERS && poll(&wanted, 1, 0) > 0; i++) {
        if (PQconsumeInput(postgres->connection) == 0) {
            return false;
        }
    }
    return PQstatus(postgres->connection) == CONNECTION_OK;
}

bool sower_postgres_ready(struct sower_postgres *postgres)
{
    if (postgres->connection != NULL && is_alive(postgres)) {
        return true;
    }
    if (postgres->connection != NULL) {
        drop(postgres);
    } else if (sower_clock_milliseconds() < postgres->refuse_until) {
        return false; /* the cause is still valid */
    }
    if (atomic_load(&postgres->until) != 0) {
        return fail(postgres, "the daemon is stopping");
    }
    return reconnect(postgres, false);
}

static const char *option(const PQconninfoOption *options, const char *name)
{
    while (options->keyword != NULL && strcmp(options->keyword, name) != 0) {
        options++;
    }
    return options->keyword == NULL || options->val == NULL ? "" : options->val;
}

/* Checks the URL without libpq's message, which quotes the part that it does not understand. That may be part of a
 * password: a slash or a second @ in a password moves its rest into the host or port. */
static bool check_url(struct sower_postgres *postgres, const char *url)
{
    PQconninfoOption *options = PQconninfoParse(url, NULL);
    bool well = options != NULL &&
                option(options, "port")[strspn(option(options, "port"), "0123456789,")] == '\0' &&
                (option(options, "host")[0] == '\0' || strchr(option(options, "host") + 1, '@') == NULL);
    PQconninfoFree(options);
    return well || fail(postgres, "its URL is not of the form postgresql://USER@HOST:PORT/DATABASE, where a "
                                  "character of a password other than a letter or digit is written as %XX");
}

bool sower_postgres_open(struct sower_postgres *postgres, const char *url, const char *const *statements,
                         size_t count)
{
    *postgres = (struct sower_postgres){.statements = statements, .statement_count = count};
    postgres->url = strdup(url);
    if (postgres->url == NULL) {
        return fail(postgres, "the daemon is out of memory");
    }
    return check_url(postgres, url) && reconnect(postgres, true);
}

void sower_postgres_close(struct sower_postgres *postgres)
{
    if (postgres->connection != NULL) {
        drop(postgres);
    }
    if (postgres->url != NULL) {
        sodium_memzero(postgres->url, strlen(postgres->url)); /* it may contain a password */
    }
    free(postgres->url);
    postgres->url = NULL;
}

bool sower_postgres_fail(const struct sower_postgres *postgres, struct sower_problem *problem)
{
    return sower_problem_set(problem, SOWER_PROBLEM_UNAVAILABLE, "", "The ledger cannot be used now: %s.",
                             postgres->cause);
}
