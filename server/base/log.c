#include "server/base/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/utf8.h"
#include "proto/number.h"
#include "proto/time.h"
#include "server/base/clock.h"

static const char *const level_names[] = {"error", "warning", "info", "debug"};

bool sower_log_level_parse(const char *name, enum sower_log_level *level)
{
    for (size_t i = 0; i < sizeof level_names / sizeof level_names[0]; i++) {
        if (strcmp(name, level_names[i]) == 0) {
            *level = (enum sower_log_level)i;
            return true;
        }
    }
    return false;
}

/* Keeps space for the closing brace and the line feed. */
static size_t space_left(const struct sower_log_line *line)
{
    return sizeof line->text - 2 - line->length;
}

/* Appends all of the bytes or nothing. */
static bool append(struct sower_log_line *line, const char *bytes, size_t length)
{
    if (length > space_left(line)) {
        return false;
    }
    memcpy(line->text + line->length, bytes, length);
    line->length += length;
    return true;
}

/* Appends one character, escaped as in JSON. Returns how many bytes of `text` it had. */
static size_t append_character(struct sower_log_line *line, const unsigned char *text, size_t left,
                               bool *full)
{
    char escape[8];
    size_t taken = sower_utf8_length((const char *)text, left), length;
    if (taken == 0) {
        *full = !append(line, "?", 1);
        return 1;
    }
    if (text[0] == '"' || text[0] == '\\') {
        length = (size_t)snprintf(escape, sizeof escape, "\\%c", text[0]);
    } else if (text[0] < 0x20 || text[0] == 0x7f) {
        length = (size_t)snprintf(escape, sizeof escape, "\\u%04x", text[0]);
    } else {
        *full = !append(line, (const char *)text, taken);
        return taken;
    }
    *full = !append(line, escape, length);
    return taken;
}

/* Appends `,"key":`. False, and nothing is appended, if that leaves no space for `needed` more bytes. */
static bool append_key(struct sower_log_line *line, const char *key, size_t needed)
{
    size_t length = strlen(key);
    if (line->log == NULL || space_left(line) < length + 4 + needed) {
        return false;
    }
    append(line, ",\"", 2);
    append(line, key, length);
    append(line, "\":", 2);
    return true;
}

void sower_log_string(struct sower_log_line *line, const char *key, const char *text)
{
    const size_t length = strnlen(text, SOWER_LOG_TEXT_MAX);
    if (!append_key(line, key, 2)) {
        return;
    }
    append(line, "\"", 1);
    bool full = false;
    for (size_t i = 0; i < length && !full && space_left(line) > 8;) {
        i += append_character(line, (const unsigned char *)text + i, length - i, &full);
    }
    append(line, "\"", 1);
}

void sower_log_number(struct sower_log_line *line, const char *key, uint64_t number)
{
    char digits[SOWER_NUMBER_MAX];
    size_t count = sower_number_print(number, digits);
    if (append_key(line, key, count)) {
        append(line, digits, count);
    }
}

void sower_log_seconds(struct sower_log_line *line, const char *key, uint64_t nanoseconds)
{
    char digits[SOWER_NUMBER_MAX + 7];
    size_t count = sower_number_print(nanoseconds / 1000000000, digits);
    digits[count] = '.';
    sower_number_pad(nanoseconds / 1000 % 1000000, digits + count + 1, 6);
    if (append_key(line, key, count + 7)) {
        append(line, digits, count + 7);
    }
}

void sower_log_begin(struct sower_log_line *line, const struct sower_log *log, enum sower_log_level level,
                     const char *event)
{
    static const char start[] = "{\"time\":\"";
    line->log = level <= log->level ? log : NULL;
    line->length = 0;
    if (line->log == NULL) {
        return;
    }
    char time[SOWER_TIME_SIZE];
    sower_time_print(sower_clock_wall(), time);
    append(line, start, sizeof start - 1);
    append(line, time, strlen(time));
    append(line, "\"", 1);
    sower_log_string(line, "level", level_names[level]);
    sower_log_string(line, "event", event);
}

void sower_log_end(struct sower_log_line *line)
{
    if (line->log == NULL) {
        return;
    }
    line->text[line->length++] = '}';
    line->text[line->length++] = '\n';
    ssize_t written;
    do {
        written = write(line->log->file, line->text, line->length);
    } while (written < 0 && errno == EINTR);
    /* If the log cannot be written, the daemon goes on; there is no other place to report it. */
}

void sower_log_sentence(const struct sower_log *log, enum sower_log_level level, const char *event,
                        const char *sentence)
{
    struct sower_log_line line;
    sower_log_begin(&line, log, level, event);
    sower_log_string(&line, "sentence", sentence);
    sower_log_end(&line);
}
