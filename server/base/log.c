#include "server/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/utf8.h"
#include "proto/number.h"
#include "proto/time.h"
#include "server/base/clock.h"

enum {
    ESCAPE_MAX = 8, /* the longest escape of a character, and the quote after a text */
    RECOVERY = 10,  /* of so many milliseconds a line may wait one */
};

static const char *const level_names[] = {"error", "warning", "info", "debug"};

/* Priorities of syslog. */
static const char *const priorities[] = {"<3>", "<4>", "<6>", "<7>"};

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

/* JOURNAL_STREAM names the device and the inode of the journal's socket. A program that was started with a
 * redirected output inherits the variable; so the file is compared. */
static bool is_journal(int file)
{
    const char *stream = getenv("JOURNAL_STREAM");
    struct stat status;
    char name[64];
    if (stream == NULL || fstat(file, &status) != 0) {
        return false;
    }
    snprintf(name, sizeof name, "%ju:%ju", (uintmax_t)status.st_dev, (uintmax_t)status.st_ino);
    return strcmp(stream, name) == 0;
}

/* A file, or a device that is not a terminal, always takes a line. A pipe or a terminal is opened again, so that it
 * can be non-blocking for the daemon alone; that fails if it belongs to another user. */
static bool can_be_direct(struct sower_log_output *output)
{
    struct stat status;
    char name[32];
    if (fstat(output->file, &status) != 0) {
        return false;
    }
    output->socket = S_ISSOCK(status.st_mode);
    if (output->socket || S_ISREG(status.st_mode) || (S_ISCHR(status.st_mode) && !output->terminal)) {
        return true;
    }
    snprintf(name, sizeof name, "/proc/self/fd/%d", output->file);
    const int own = open(name, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    output->file = own >= 0 ? own : output->file;
    return own >= 0;
}

void sower_log_output_init(struct sower_log_output *output, int file)
{
    *output = (struct sower_log_output){.file = file,
                                        .journal = is_journal(file),
                                        .terminal = isatty(file) == 1,
                                        .patience = SOWER_LOG_PATIENCE,
                                        .waited = sower_clock_milliseconds()};
    output->direct = can_be_direct(output);
    pthread_mutex_init(&output->lock, NULL);
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
static size_t append_character(struct sower_log_line *line, const char *text, size_t left, bool *full)
{
    char escape[8];
    uint32_t point;
    const size_t taken = sower_utf8_length(text, left);
    if (taken == 0) {
        *full = !append(line, "?", 1);
        return 1;
    }
    if (text[0] == '"' || text[0] == '\\') {
        *full = !append(line, text[0] == '"' ? "\\\"" : "\\\\", 2);
    } else if (sower_utf8_controls(text, taken, &point)) {
        *full = !append(line, escape, (size_t)snprintf(escape, sizeof escape, "\\u%04x", point & 0xffffU));
    } else {
        *full = !append(line, text, taken);
    }
    return taken;
}

/* How many bytes at the beginning need no escape: all of most texts. */
static size_t plain_length(const char *text, size_t left)
{
    size_t length = 0;
    while (length < left && text[length] >= ' ' && text[length] < 0x7f && text[length] != '"' &&
           text[length] != '\\') {
        length++;
    }
    return length;
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
    for (size_t i = 0; i < length && !full && space_left(line) > ESCAPE_MAX;) {
        const size_t left = length - i, space = space_left(line) - ESCAPE_MAX,
                     plain = plain_length(text + i, left < space ? left : space);
        if (plain > 0 && append(line, text + i, plain)) {
            i += plain;
        } else {
            i += append_character(line, text + i, length - i, &full);
        }
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
    append(line, priorities[level], log->output->journal ? strlen(priorities[level]) : 0);
    append(line, start, sizeof start - 1);
    append(line, time, strlen(time));
    append(line, "\"", 1);
    sower_log_string(line, "level", level_names[level]);
    sower_log_string(line, "event", event);
}

static ssize_t put(const struct sower_log_output *output, const char *bytes, size_t length)
{
    return output->socket ? send(output->file, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL)
                          : write(output->file, bytes, length);
}

/* Whether the output takes a line now. Waits for that, but no longer than its patience. poll says that a pipe
 * or a socket can be written when PIPE_BUF bytes fit, so that a write of a line does not wait then. */
static bool is_writable(struct sower_log_output *output)
{
    struct pollfd file = {.fd = output->file, .events = POLLOUT};
    if (poll(&file, 1, 0) > 0) {
        return true;
    }
    const int64_t start = sower_clock_milliseconds(),
                  patience = output->patience + (start - output->waited) / RECOVERY;
    output->patience = patience < SOWER_LOG_PATIENCE ? patience : SOWER_LOG_PATIENCE;
    const bool writable = output->patience > 0 && poll(&file, 1, (int)output->patience) > 0;
    output->waited = sower_clock_milliseconds();
    output->patience -= output->waited - start;
    return writable;
}

/* Some bytes were refused although the output was writable: it is non-blocking, and another program fills it.
 * Waits for a moment. */
static bool may_try_again(struct sower_log_output *output)
{
    if (errno == EINTR) {
        return true;
    }
    if (errno != EAGAIN || output->patience <= 0) {
        return false;
    }
    output->patience--;
    (void)poll(NULL, 0, 1);
    return true;
}

static ssize_t write_some(struct sower_log_output *output, const char *bytes, size_t length)
{
    if (!is_writable(output)) {
        errno = ETIMEDOUT;
        return -1;
    }
    return put(output, bytes, length);
}

/* Writes all of the bytes; false if this is not possible now. */
static bool write_all(struct sower_log_output *output, const char *bytes, size_t length)
{
    size_t done = 0;
    while (done < length) {
        const ssize_t written = write_some(output, bytes + done, length - done);
        if (written < 0 && !may_try_again(output)) {
            output->torn = output->torn || done > 0;
            return false;
        }
        done += written > 0 ? (size_t)written : 0;
    }
    return true;
}

/* A line that was written in part ends before the next one. */
static bool write_line(struct sower_log_output *output, const char *bytes, size_t length)
{
    if (output->torn && !write_all(output, "\n", 1)) {
        return false;
    }
    output->torn = false;
    return write_all(output, bytes, length);
}

static void finish(struct sower_log_line *line)
{
    line->text[line->length++] = '}';
    line->text[line->length++] = '\n';
}

/* Says how many lines were dropped before this one. False if the output is still full. */
static bool report_dropped(struct sower_log_output *output)
{
    const struct sower_log log = {SOWER_LOG_WARNING, output};
    struct sower_log_line line;
    if (output->dropped == 0) {
        return true;
    }
    sower_log_begin(&line, &log, SOWER_LOG_WARNING, "log_dropped");
    sower_log_number(&line, "lines", output->dropped);
    finish(&line);
    if (!write_line(output, line.text, line.length)) {
        return false;
    }
    output->dropped = 0;
    return true;
}

/* Writes a line of which `done` bytes are written, or counts it as dropped. */
static void write_in_turn(struct sower_log_output *output, const char *bytes, size_t length, size_t done)
{
    pthread_mutex_lock(&output->lock);
    const bool written = done > 0 ? write_all(output, bytes + done, length - done)
                                  : report_dropped(output) && write_line(output, bytes, length);
    output->torn = output->torn || (done > 0 && !written);
    output->dropped += !written;
    atomic_fetch_add_explicit(&output->dropped_ever, !written, memory_order_relaxed);
    atomic_store(&output->behind, output->dropped > 0);
    pthread_mutex_unlock(&output->lock);
}

void sower_log_end(struct sower_log_line *line)
{
    if (line->log == NULL) {
        return;
    }
    struct sower_log_output *output = line->log->output;
    finish(line);
    ssize_t written = -1;
    if (output->direct && !atomic_load(&output->behind)) {
        written = put(output, line->text, line->length);
    }
    if (written < (ssize_t)line->length) {
        write_in_turn(output, line->text, line->length, written > 0 ? (size_t)written : 0);
    }
}

void sower_log_sentence(const struct sower_log *log, enum sower_log_level level, const char *event,
                        const char *sentence)
{
    struct sower_log_line line;
    sower_log_begin(&line, log, level, event);
    sower_log_string(&line, "sentence", sentence);
    sower_log_end(&line);
}
