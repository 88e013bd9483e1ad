#include "server/ledger/sqlite/store.h"

#include <stdlib.h>

#include <sqlite3.h>

#include "server/ledger/sqlite/file.h"
#include "server/ledger/sqlite/reader.h"
#include "server/ledger/sqlite/schema.h"
#include "server/ledger/sqlite/statement.h"
#include "server/ledger/sqlite/writer.h"

/* The write-ahead log grows to 16,000 pages (64 MB) before a checkpoint; the default is 1000. Pages that every
 * commit changes are then checkpointed once instead of sixteen times, and only one request in 400 meets a commit
 * with a checkpoint. The page cache is 16 MB, because new draws go to random places of an index. */
static const char writer_pragmas[] = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                                     "PRAGMA wal_autocheckpoint = 16000; PRAGMA cache_size = -16384;";

struct sqlite_store {
    struct sower_store store; /* comes first: close_store casts */
    sqlite3 *database;        /* the writer's connection; the reader has one of its own */
    struct sower_sqlite_writer writer;
    struct sower_sqlite_reader reader;
};

static void close_store(struct sower_store *base)
{
    struct sqlite_store *store = (struct sqlite_store *)base;
    sower_sqlite_writer_close(&store->writer);
    sower_sqlite_reader_close(&store->reader);
    sqlite3_close(store->database);
    free(store);
}

static bool open_connection(const char *path, const char *pragmas, sqlite3 **database,
                            struct sower_problem *problem)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    if (sqlite3_open_v2(path, database, flags, NULL) != SQLITE_OK ||
        sqlite3_busy_timeout(*database, SOWER_SQLITE_BUSY_MILLISECONDS) != SQLITE_OK ||
        sqlite3_exec(*database, pragmas, NULL, NULL, NULL) != SQLITE_OK) {
        return sower_sqlite_refuse(*database, path, problem);
    }
    return true;
}

/* Without a write-ahead log (in-memory databases, some network file systems) a reader would block the writer. */
static bool check_log(sqlite3 *database, const char *path, struct sower_problem *problem)
{
    sqlite3_stmt *statement;
    bool logs = false;
    if (sqlite3_prepare_v2(database, "SELECT 1 FROM pragma_journal_mode WHERE journal_mode = 'wal'", -1,
                           &statement, NULL) != SQLITE_OK ||
        !sower_sqlite_seek(statement, &logs)) {
        sower_sqlite_refuse(database, path, problem);
        sqlite3_finalize(statement);
        return false;
    }
    sqlite3_finalize(statement);
    return logs ||
           sower_problem_set(problem, SOWER_PROBLEM_INVALID, "--ledger",
                             "The ledger %s is in a place that does not support a write-ahead log.", path);
}

static bool open_writer(struct sqlite_store *store, const char *path, const uint8_t writer[SOWER_WRITER_SIZE],
                        struct sower_problem *problem)
{
    return sower_sqlite_writer_prepare(&store->writer, store->database, writer) ||
           sower_sqlite_refuse(store->database, path, problem);
}

static bool open_reader(struct sqlite_store *store, const char *path, const uint8_t writer[SOWER_WRITER_SIZE],
                        struct sower_problem *problem)
{
    sqlite3 *reader;
    if (!open_connection(path, "PRAGMA query_only = ON;", &reader, problem)) {
        sqlite3_close(reader);
        return false;
    }
    return sower_sqlite_reader_prepare(&store->reader, reader, writer) ||
           sower_sqlite_refuse(reader, path, problem);
}

struct sower_store *sower_ledger_sqlite_open(const char *path, const uint8_t writer[SOWER_WRITER_SIZE],
                                             const struct sower_log *log, struct sower_problem *problem)
{
    if (!sower_sqlite_file_check(path, problem)) {
        return NULL;
    }
    struct sqlite_store *store = calloc(1, sizeof *store);
    if (store == NULL) {
        sower_sqlite_refuse(NULL, path, problem);
        return NULL;
    }
    store->store = (struct sower_store){
        .writer = &store->writer.writer, .reader = &store->reader.reader, .close = close_store};
    if (open_connection(path, writer_pragmas, &store->database, problem) &&
        check_log(store->database, path, problem) &&
        sower_sqlite_schema_check(store->database, path, writer, log, problem) &&
        open_writer(store, path, writer, problem) && open_reader(store, path, writer, problem)) {
        return &store->store;
    }
    close_store(&store->store);
    return NULL;
}
