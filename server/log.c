#include "log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *const level_names[] = {"error", "warning", "info", "debug"};

bool sower_log_level_parse(const char *name, enum sower_log_level *level)
{
    for (size_t i = 0; i < sizeof level_names / sizeof level_names[0]; i++)
        if (strcmp(name, level_names[i]) == 0) {
            *level = (enum sower_log_level)i;
            return true;
        }
    return false;
}

/* Room is always kept for the closing brace and the line feed. */
static size_t room(const struct sower_log_line *line)
{
    return sizeof line->text - 2 - line->length;
}

/* Appends all of the bytes or nothing. */
static bool append(struct sower_log_line *line, const char *bytes, size_t length)
{
    if (length > room(line))
        return false;
    memcpy(line->text + line->length, bytes, length);
    line->length += length;
    return true;
}

/* The length of the UTF-8 sequence at `text`, or 0 when there is none of `left` bytes at most. */
static size_t sequence_length(const unsigned char *text, size_t left)
{
    unsigned char lead = text[0];
    size_t length = lead < 0x80   ? 1
                    : lead < 0xc2 ? 0
                    : lead < 0xe0 ? 2
                    : lead < 0xf0 ? 3
                    : lead < 0xf5 ? 4
                                  : 0;
    if (length > left)
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    bool outside =
        length == 3 ? (lead == 0xe0 && text[1] < 0xa0) || (lead == 0xed && text[1] > 0x9f)
                    : length == 4 && ((lead == 0xf0 && text[1] < 0x90) || (lead == 0xf4 && text[1] > 0x8f));
    return outside ? 0 : length;
}

/* One character of JSON text, escaped; returns the bytes that it took from `text`. */
static size_t append_character(struct sower_log_line *line, const unsigned char *text, size_t left,
                               bool *full)
{
    char escape[8];
    size_t taken = sequence_length(text, left), length;
    if (taken == 0) {
        *full = !append(line, "?", 1);
        return 1;
    }
    if (text[0] == '"' || text[0] == '\\')
        length = (size_t)snprintf(escape, sizeof escape, "\\%c", text[0]);
    else if (text[0] < 0x20 || text[0] == 0x7f)
        length = (size_t)snprintf(escape, sizeof escape, "\\u%04x", text[0]);
    else {
        *full = !append(line, (const char *)text, taken);
        return taken;
    }
    *full = !append(line, escape, length);
    return taken;
}

void sower_log_text(struct sower_log_line *line, const char *key, const char *text, size_t length)
{
    char head[64];
    int head_length = snprintf(head, sizeof head, ",\"%s\":\"", key);
    /* A member whose key would not fit with an empty text is left out. */
    if (line->log == NULL || room(line) < (size_t)head_length + 1)
        return;
    append(line, head, (size_t)head_length);
    if (length > SOWER_LOG_TEXT_MAX)
        length = SOWER_LOG_TEXT_MAX;
    bool full = false;
    for (size_t i = 0; i < length && !full && room(line) > 8;)
        i += append_character(line, (const unsigned char *)text + i, length - i, &full);
    append(line, "\"", 1);
}

void sower_log_string(struct sower_log_line *line, const char *key, const char *text)
{
    sower_log_text(line, key, text, strlen(text));
}

void sower_log_number(struct sower_log_line *line, const char *key, uint64_t number)
{
    char member[96];
    if (line->log != NULL)
        append(line, member, (size_t)snprintf(member, sizeof member, ",\"%s\":%" PRIu64, key, number));
}

void sower_log_seconds(struct sower_log_line *line, const char *key, uint64_t nanoseconds)
{
    char member[96];
    if (line->log != NULL)
        append(line, member,
               (size_t)snprintf(member, sizeof member, ",\"%s\":%" PRIu64 ".%06" PRIu64, key,
                                nanoseconds / 1000000000, nanoseconds / 1000 % 1000000));
}

void sower_log_begin(struct sower_log_line *line, const struct sower_log *log, enum sower_log_level level,
                     const char *event)
{
    line->log = level <= log->level ? log : NULL;
    line->length = 0;
    if (line->log == NULL)
        return;
    struct timespec now;
    struct tm day;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &day);
    line->length = (size_t)snprintf(
        line->text, sizeof line->text,
        "{\"time\":\"%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ\",\"level\":\"%s\",\"event\":\"%s\"",
        day.tm_year + 1900, day.tm_mon + 1, day.tm_mday, day.tm_hour, day.tm_min, day.tm_sec,
        now.tv_nsec / 1000000, level_names[level], event);
}

void sower_log_end(struct sower_log_line *line)
{
    if (line->log == NULL)
        return;
    line->text[line->length++] = '}';
    line->text[line->length++] = '\n';
    ssize_t written;
    do
        written = write(line->log->file, line->text, line->length);
    while (written < 0 && errno == EINTR);
    /* A log that cannot be written must not stop the daemon, and there is nowhere else to say so. */
}

void sower_log_sentence(const struct sower_log *log, enum sower_log_level level, const char *event,
                        const char *sentence)
{
    struct sower_log_line line;
    sower_log_begin(&line, log, level, event);
    sower_log_string(&line, "sentence", sentence);
    sower_log_end(&line);
}
