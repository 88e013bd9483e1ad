/* The log: one JSON object per line, on standard error.
 *
 * A line is built in a buffer on the caller's stack and written with one write(2), so that lines of several
 * threads and processes never mix; a pipe keeps lines of at most PIPE_BUF (4096) bytes together. Every line
 * begins with time, level and event.
 *
 * Text from a client is safe to log: it is escaped and cut, bytes that are not UTF-8 appear as `?`, and
 * characters that would change how a line appears (control characters, marks of bidirectional text, line
 * separators) are escaped, so that nobody can write a line of their own or hide a part of one. Secrets (root
 * keys, tokens) are never logged.
 *
 * A reader of the log that is slow or has stopped must not stop the daemon. A line waits while the pipe is
 * full, but all waits together have a limit (SOWER_LOG_PATIENCE), which grows again by a tenth of the time that
 * passes. Beyond it lines are dropped. The next line that can be written comes after an event
 * "log_dropped" with their number.
 *
 * If systemd's journal reads the output (JOURNAL_STREAM), each line begins with its priority, "<6>". */
#ifndef SOWER_SERVER_BASE_LOG_H
#define SOWER_SERVER_BASE_LOG_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/attributes.h"

enum sower_log_level { SOWER_LOG_ERROR, SOWER_LOG_WARNING, SOWER_LOG_INFO, SOWER_LOG_DEBUG };

enum { SOWER_LOG_LINE_MAX = 4096, SOWER_LOG_TEXT_MAX = 1024, SOWER_LOG_PATIENCE = 1000 /* milliseconds */ };

/* Where lines are written. */
struct sower_log_output {
    int file;             /* the caller's, or the same pipe or terminal opened again */
    bool socket;          /* it is a socket */
    bool direct;          /* writing to it never waits, so lines of several threads need no lock */
    bool journal;         /* systemd's journal reads the file */
    bool terminal;        /* a person reads it */
    _Atomic bool behind;  /* lines were dropped: the next one must report that */
    pthread_mutex_t lock; /* guards the rest; held while a line waits, or if writing may wait */
    int64_t patience;     /* milliseconds that lines may still wait, as of the last wait */
    int64_t waited;       /* when the last wait ended (sower_clock_milliseconds) */
    uint64_t dropped;     /* lines since the last one that was written */
    bool torn;            /* the last line was written in part */
    /* Lines since the start; needs no lock: */
    _Atomic uint64_t dropped_ever;
};

struct sower_log {
    enum sower_log_level level; /* less important lines are not written */
    struct sower_log_output *output;
};

struct sower_log_line {
    const struct sower_log *log; /* NULL: the line will not be written, and members are dropped */
    size_t length;
    char text[SOWER_LOG_LINE_MAX];
};

/* "error", "warning", "info", "debug"; false for anything else. */
SOWER_MUST_USE bool sower_log_level_parse(const char *name, enum sower_log_level *level);

/* The file stays the caller's. */
void sower_log_output_init(struct sower_log_output *output, int file);

/* A line: begin, add members, end (which writes the line). A text that does not fit is cut, another member is
 * dropped: the important members come first. `event` and the keys are constants; keys are written without
 * escaping. */
void sower_log_begin(struct sower_log_line *line, const struct sower_log *log, enum sower_log_level level,
                     const char *event);
void sower_log_string(struct sower_log_line *line, const char *key, const char *text);
void sower_log_number(struct sower_log_line *line, const char *key, uint64_t number);
void sower_log_seconds(struct sower_log_line *line, const char *key, uint64_t nanoseconds);
void sower_log_end(struct sower_log_line *line);

/* A whole line with one sentence. */
void sower_log_sentence(const struct sower_log *log, enum sower_log_level level, const char *event,
                        const char *sentence);

#endif
