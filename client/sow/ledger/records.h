/* Records: the lines of a ledger, one after another, wherever they are kept.
 *
 * A file is an export (NDJSON, as /v1/ledger gives it) or the daemon's SQLite database, which its first bytes
 * tell; "-" is an export on standard input; without a name the daemon is asked. They are read as a stream, in
 * the order in which they stand there; in a database that is the order of their numbers. A database is only
 * read, in one transaction, and may be in use meanwhile. */
#ifndef SOWER_CLIENT_SOW_LEDGER_RECORDS_H
#define SOWER_CLIENT_SOW_LEDGER_RECORDS_H

#include <stdbool.h>
#include <stdint.h>

#include "client/sow/options.h"
#include "client/sow/terminal/progress.h"
#include "core/problem.h"
#include "proto/record.h"

enum records_end {
    RECORDS_DONE,
    RECORDS_STOPPED,   /* whoever takes them wanted no more */
    RECORDS_MALFORMED, /* what comes behind `count` lines is no line of a ledger: `problem` says why */
    RECORDS_FAILED,    /* they cannot be read, which has been told; `result` is how to end */
};

struct records {
    const struct options *options;
    /* Takes a record; false stops. */
    bool (*take)(void *context, const struct sower_record *record);
    /* Takes the end of a chain as the database keeps it beside the lines, after all of them; NULL: they are
     * not wanted. */
    bool (*take_end)(void *context, const struct sower_link *end);
    void *context;
    uint64_t count;   /* taken so far */
    bool is_database; /* they came from one */
    bool lacks_wal; /* which was written with a write-ahead log, and has none beside it: closed, or copied */
    struct sower_problem problem;
    enum sow_exit result;
    struct progress progress;
};

/* What is read, for sentences: the path, "standard input" or "the daemon". */
const char *records_name(const char *path);

/* Reads them; `path` is NULL for the daemon. */
enum records_end records_read(struct records *records, const char *path);

/* Something is missing or does not fit: says where the rest may be, if the database lacks its log. */
void records_hint(const struct records *records, const char *path);

/* The part of it that reads a database (records_sqlite.c). */
enum records_end records_read_database(struct records *records, const char *path);

#endif
