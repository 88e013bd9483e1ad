#include "client/sow/ledger/records.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/sow/daemon/http.h"
#include "client/sow/daemon/lines.h"
#include "client/sow/daemon/report.h"
#include "client/sow/terminal/terminal.h"
#include "proto/record_read.h"

enum { BLOCK_SIZE = 64 * 1024, MAGIC_SIZE = 16 };

/* What a SQLite database begins with, its NUL included. */
static const char MAGIC[MAGIC_SIZE] = "SQLite format 3";

/* An export on its way. */
struct export
{
    struct records *records;
    struct lines lines;
    bool wrong;
    bool stranger; /* the daemon's answer is no ledger */
};

const char *records_name(const char *path)
{
    return path == NULL ? "the daemon" : strcmp(path, "-") == 0 ? "standard input" : path;
}

void records_hint(const struct records *records, const char *path)
{
    if (records->lacks_log) {
        fputs("If the file was copied while sowerd was running, the rest is in ", stderr);
        terminal_print(stderr, path);
        fputs("-wal: copy that file too.\n", stderr);
    }
}

static bool take_line(void *context, const char *line, size_t size)
{
    struct export *export = context;
    struct records *records = export->records;
    struct sower_record record;
    if (!sower_record_read_text(line, size, &record, &records->problem)) {
        export->wrong = true;
        return false;
    }
    bool taken = records->take(records->context, &record);
    records->count += taken;
    return taken;
}

static void begin(struct export *export, struct records *records)
{
    export->records = records;
    export->lines = (struct lines){.take = take_line, .context = export};
    export->wrong = export->stranger = false;
}

/* How the reading ended, which went well so far as `going` tells. */
static enum records_end finish(struct export *export, bool going)
{
    if (export->lines.too_long) {
        sower_problem_set(&export->records->problem, SOWER_PROBLEM_INVALID, "", "It is too long.");
    }
    return going ? RECORDS_DONE : export->wrong || export->lines.too_long ? RECORDS_WRONG : RECORDS_STOPPED;
}

static enum records_end fail(struct records *records, const char *path, const char *reason)
{
    progress_end(&records->progress);
    records->result = report_failure(records->options, "%s cannot be read: %s.", records_name(path), reason);
    return RECORDS_FAILED;
}

/* What a file is that is neither an export nor a database, and what to do about it; NULL: nothing known. */
static const char *know_stranger(const char *head, size_t size)
{
    static const struct {
        const char *begin, *what;
    } known[] = {
        {"version https://",
         "it is a pointer that Git LFS left in place of the file; git lfs pull fetches it"},
        {"\x1f\x8b", "it is compressed; gzip -dc FILE | sow ledger verify - reads it"},
        {"\x28\xb5\x2f\xfd", "it is compressed; zstd -dc FILE | sow ledger verify - reads it"},
        {"\xfd"
         "7zXZ",
         "it is compressed; xz -dc FILE | sow ledger verify - reads it"},
        {"BZh", "it is compressed; bzip2 -dc FILE | sow ledger verify - reads it"},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        size_t length = strlen(known[i].begin);
        if (size >= length && memcmp(head, known[i].begin, length) == 0) {
            return known[i].what;
        }
    }
    return NULL;
}

/* As read(2), which may be interrupted. */
static ssize_t read_some(int file, void *bytes, size_t size)
{
    ssize_t count;
    do {
        count = read(file, bytes, size);
    } while (count < 0 && errno == EINTR);
    return count;
}

/* Reads the rest of an export of which `head` has come. */
static enum records_end read_export(struct records *records, int file, const char *path, const char *head,
                                    size_t size)
{
    struct export export;
    char block[BLOCK_SIZE];
    uint64_t done = size;
    ssize_t count = 0;
    begin(&export, records);
    bool going = lines_feed(&export.lines, head, size);
    while (going && (count = read_some(file, block, sizeof block)) > 0) {
        going = lines_feed(&export.lines, block, (size_t)count);
        done += (size_t)count;
        progress_update(&records->progress, done);
    }
    if (going && count < 0) {
        return fail(records, path, strerror(errno));
    }
    going = going && lines_end(&export.lines);
    return finish(&export, going);
}

static enum records_end read_stream(struct records *records, int file, const char *path)
{
    char head[MAGIC_SIZE];
    struct stat status;
    size_t size = 0;
    ssize_t count = 1;
    while (size < sizeof head && count > 0) {
        count = read_some(file, head + size, sizeof head - size);
        size += count > 0 ? (size_t)count : 0;
    }
    if (count < 0) {
        return fail(records, path,
                    errno == EISDIR ? "it is a directory; name the file in it, such as ledger.sqlite"
                                    : strerror(errno));
    }
    bool regular = fstat(file, &status) == 0 && S_ISREG(status.st_mode);
    progress_begin(&records->progress, !regular, false);
    progress_expect(&records->progress, regular ? (uint64_t)status.st_size : 0);
    const char *stranger = know_stranger(head, size);
    if (stranger != NULL) {
        return fail(records, path, stranger);
    }
    if (size < sizeof head || memcmp(head, MAGIC, sizeof head) != 0) {
        return read_export(records, file, path, head, size);
    }
    return regular && strcmp(path, "-") != 0 ? records_read_database(records, path)
                                             : fail(records, path, "a database is no stream; name its file");
}

static enum records_end read_file(struct records *records, const char *path)
{
    bool is_input = strcmp(path, "-") == 0;
    int file = is_input ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        return fail(records, path, strerror(errno));
    }
    enum records_end end = read_stream(records, file, path);
    if (!is_input) {
        close(file);
    }
    return end;
}

static bool begin_answer(void *context, const struct http_response *answer)
{
    static const char TYPE[] = "application/x-ndjson";
    struct export *export = context;
    export->stranger = strncmp(answer->fields[HTTP_TYPE], TYPE, sizeof TYPE - 1) != 0;
    return !export->stranger;
}

static bool receive(void *context, const void *bytes, size_t size)
{
    return lines_feed(&((struct export *)context)->lines, bytes, size);
}

static enum records_end read_daemon(struct records *records)
{
    struct export export;
    struct http_receiver receiver = {begin_answer, receive, &export, false};
    struct http_question question = {.path = "/v1/ledger"};
    struct http_response answer;
    begin(&export, records);
    enum http_end end = http_ask(records->options, &question, &receiver, &answer);
    if (end != HTTP_DONE && (end != HTTP_STOPPED || export.stranger)) {
        records->result = export.stranger
                              ? report_stranger(records->options, &answer, "not with lines of a ledger")
                              : report_response(records->options, &answer);
        return RECORDS_FAILED;
    }
    return finish(&export, end == HTTP_DONE && lines_end(&export.lines));
}

enum records_end records_read(struct records *records, const char *path)
{
    records->count = 0;
    records->is_database = records->lacks_log = false;
    progress_begin(&records->progress, true, false);
    enum records_end end = path == NULL ? read_daemon(records) : read_file(records, path);
    progress_end(&records->progress);
    return end;
}
