/* Records: the state of a reader of ledger lines, and the messages about its source.
 *
 * records_read.h reads the lines of an export, of the daemon or of a database; the caller takes each line in a
 * callback. */
#ifndef SOWER_CLIENT_SOW_LEDGER_RECORDS_H
#define SOWER_CLIENT_SOW_LEDGER_RECORDS_H

#include <stdbool.h>
#include <stdint.h>

#include "client/sow/options.h"
#include "client/sow/terminal/progress.h"
#include "core/problem.h"
#include "proto/record.h"

enum records_end {
    RECORDS_DONE,      /* all lines were taken */
    RECORDS_STOPPED,   /* a callback returned false */
    RECORDS_MALFORMED, /* the line after the first `count` lines is not a ledger line; see `problem` */
    RECORDS_FAILED,    /* reading failed, which has been reported; `result` is the exit status */
};

struct records {
    const struct options *options;
    /* Takes a line; returns false to stop. */
    bool (*take)(void *context, const struct sower_record *record);
    /* Takes the end of a chain from the table of writers of a database, after all lines; returns false to stop.
     * NULL: read only the lines, and skip all checks of the database. */
    bool (*take_end)(void *context, const struct sower_link *end);
    void *context;
    uint64_t count;   /* lines taken so far */
    bool is_database; /* the lines come from a database */
    bool lacks_wal;   /* it uses a write-ahead log, which is not beside it: it was closed, or copied without
                         it */
    struct sower_problem problem;
    enum sow_exit result;
    struct progress progress;
};

/* The source of the lines, for messages: the path, "standard input" or "the daemon". */
const char *records_name(const char *path);

/* After a fault in a database without its write-ahead log: says on stderr that the rest may be in that file. */
void records_hint(const struct records *records, const char *path);

#endif
