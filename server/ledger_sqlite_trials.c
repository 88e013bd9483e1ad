#include "ledger_sqlite_trials.h"

static bool prepare(sqlite3 *writer, const char *text, sqlite3_stmt **statement)
{
    return sqlite3_prepare_v3(writer, text, -1, SQLITE_PREPARE_PERSISTENT, statement, NULL) == SQLITE_OK;
}

bool sower_sqlite_trials_prepare(struct sower_sqlite_trials *trials, sqlite3 *writer)
{
    return prepare(writer, "SELECT first, count FROM trial WHERE root = ?1 AND experiment = ?2 AND key = ?3",
                   &trials->find_key) &&
           prepare(writer,
                   "SELECT first, count FROM trial WHERE root = ?1 AND experiment = ?2"
                   " ORDER BY first DESC LIMIT 1",
                   &trials->find_last) &&
           prepare(writer,
                   "INSERT INTO trial (root, experiment, key, first, count, time)"
                   " VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                   &trials->insert);
}

void sower_sqlite_trials_close(struct sower_sqlite_trials *trials)
{
    sqlite3_finalize(trials->find_key);
    sqlite3_finalize(trials->find_last);
    sqlite3_finalize(trials->insert);
}

/* Binds whose numbers are meant: ?1 and ?2. */
static bool bind_owner(sqlite3_stmt *statement, const struct sower_store_trials *request)
{
    return sqlite3_bind_blob(statement, 1, request->root_id.bytes, (int)sizeof request->root_id.bytes,
                             SQLITE_STATIC) == SQLITE_OK &&
           sqlite3_bind_text(statement, 2, request->experiment, -1, SQLITE_STATIC) == SQLITE_OK;
}

static bool bind_key(sqlite3_stmt *statement, const struct sower_store_trials *request)
{
    return request->key[0] == '\0' ||
           sqlite3_bind_text(statement, 3, request->key, -1, SQLITE_STATIC) == SQLITE_OK;
}

static void reset(sqlite3_stmt *statement)
{
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
}

/* Steps to the one block that a statement finds; its count is 0 when there is none. */
static bool read_block(sqlite3_stmt *statement, uint64_t *first, uint64_t *count)
{
    int code = sqlite3_step(statement);
    *first = code == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(statement, 0) : 0;
    *count = code == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(statement, 1) : 0;
    return code == SQLITE_ROW || code == SQLITE_DONE;
}

bool sower_sqlite_trials_find(struct sower_sqlite_trials *trials, struct sower_store_trials *request)
{
    uint64_t first = 0, count = 0;
    request->outcome = SOWER_TRIALS_NONE;
    if (request->key[0] == '\0') {
        return true;
    }
    bool done = bind_owner(trials->find_key, request) && bind_key(trials->find_key, request) &&
                read_block(trials->find_key, &first, &count);
    reset(trials->find_key);
    if (!done || count == 0) {
        return done;
    }
    request->outcome = count == request->count ? SOWER_TRIALS_GIVEN : SOWER_TRIALS_KEY_TAKEN;
    request->first = first;
    return true;
}

static bool insert(struct sower_sqlite_trials *trials, const struct sower_store_trials *request)
{
    sqlite3_stmt *statement = trials->insert;
    bool done = bind_owner(statement, request) && bind_key(statement, request) &&
                sqlite3_bind_int64(statement, 4, (int64_t)request->first) == SQLITE_OK &&
                sqlite3_bind_int64(statement, 5, (int64_t)request->count) == SQLITE_OK &&
                sqlite3_bind_int64(statement, 6, request->time) == SQLITE_OK &&
                sqlite3_step(statement) == SQLITE_DONE;
    reset(statement);
    return done;
}

bool sower_sqlite_trials_give(struct sower_sqlite_trials *trials, struct sower_store_trials *request)
{
    uint64_t first, count;
    if (!sower_sqlite_trials_find(trials, request)) {
        return false;
    }
    if (request->outcome != SOWER_TRIALS_NONE) {
        return true;
    }
    bool done = bind_owner(trials->find_last, request) && read_block(trials->find_last, &first, &count);
    reset(trials->find_last);
    if (!done) {
        return false;
    }
    request->first = first + count; /* at most 2^63, which is not given out */
    if (request->count > SOWER_TRIAL_MAX + 1 - request->first) {
        request->outcome = SOWER_TRIALS_EXHAUSTED;
        return true;
    }
    request->outcome = SOWER_TRIALS_GIVEN;
    return insert(trials, request);
}
