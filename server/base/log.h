/* The log: one JSON object a line on standard error.
 *
 * A line is built in a buffer on the caller's stack and leaves in one write(2), so that lines of several
 * threads never mix. Every line begins with time, level and event. Text from a client may be logged without
 * care: it is escaped, cut to a length, and bytes that are no UTF-8 appear as `?`. Secrets (a root) are never
 * logged. */
#ifndef SOWER_SERVER_BASE_LOG_H
#define SOWER_SERVER_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sower_log_level { SOWER_LOG_ERROR, SOWER_LOG_WARNING, SOWER_LOG_INFO, SOWER_LOG_DEBUG };

struct sower_log {
    enum sower_log_level level; /* lines above this level are not written */
    int file;
};

enum { SOWER_LOG_LINE_MAX = 8192, SOWER_LOG_TEXT_MAX = 1024 };

struct sower_log_line {
    const struct sower_log *log; /* NULL: the line is not wanted, and what is added to it is dropped */
    size_t length;
    char text[SOWER_LOG_LINE_MAX];
};

/* "error", "warning", "info", "debug"; false for anything else. */
bool sower_log_level_parse(const char *name, enum sower_log_level *level);

/* A line: begin, add members, end (which writes it). `event` and the keys are plain words of ours. */
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
