/* The log: one JSON object per line, on standard error.
 *
 * A line is built in a buffer on the caller's stack and written with one write(2), so that lines of several
 * threads never mix. Every line begins with time, level and event. Text from a client is safe to log: it is
 * escaped and cut to SOWER_LOG_TEXT_MAX bytes, and bytes that are not UTF-8 appear as `?`. Secrets (a root
 * key) are never logged. */
#ifndef SOWER_SERVER_BASE_LOG_H
#define SOWER_SERVER_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/attributes.h"

enum sower_log_level { SOWER_LOG_ERROR, SOWER_LOG_WARNING, SOWER_LOG_INFO, SOWER_LOG_DEBUG };

struct sower_log {
    enum sower_log_level level; /* less important lines are not written */
    int file;
};

enum { SOWER_LOG_LINE_MAX = 8192, SOWER_LOG_TEXT_MAX = 1024 };

struct sower_log_line {
    const struct sower_log *log; /* NULL: the line will not be written, and members are dropped */
    size_t length;
    char text[SOWER_LOG_LINE_MAX];
};

/* "error", "warning", "info", "debug"; false for anything else. */
SOWER_MUST_USE bool sower_log_level_parse(const char *name, enum sower_log_level *level);

/* A line: begin, add members, end (which writes the line). A member that does not fit is dropped. `event` and
 * the keys are constants; keys are written without escaping. */
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
