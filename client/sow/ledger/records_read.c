#include "client/sow/ledger/records_read.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/sow/daemon/http.h"
#include "client/sow/daemon/lines.h"
#include "client/sow/daemon/report.h"
#include "client/sow/ledger/records_sqlite.h"
#include "proto/record_read.h"

enum { BLOCK_SIZE = 64 * 1024, MAGIC_SIZE = 16 };

/* The first bytes of a SQLite database, with the NUL. */
static const char MAGIC[MAGIC_SIZE] = "SQLite format 3";

/* An export that is being read. */
struct export_reader {
    struct records *records;
    struct lines lines;
    bool malformed;
    bool not_ledger; /* the daemon's response is not a ledger */
};

static bool take_line(void *context, const char *line, size_t size)
{
    struct export_reader *reader = context;
    struct records *records = reader->records;
    struct sower_record record;
    if (!sower_record_read_text(line, size, &record, &records->problem)) {
        reader->malformed = true;
        return false;
    }
    bool taken = records->take(records->context, &record);
    records->count += taken;
    return taken;
}

static void begin(struct export_reader *reader, struct records *records)
{
    reader->records = records;
    reader->lines = (struct lines){.take = take_line, .context = reader};
    reader->malformed = reader->not_ledger = false;
}

/* Finds out how the reading ended; `going`: nothing stopped it. */
static enum records_end finish(struct export_reader *reader, bool going)
{
    if (reader->lines.too_long) {
        sower_problem_set(&reader->records->problem, SOWER_PROBLEM_INVALID, "", "It is too long.");
    }
    return going                                         ? RECORDS_DONE
           : reader->malformed || reader->lines.too_long ? RECORDS_MALFORMED
                                                         : RECORDS_STOPPED;
}

static enum records_end fail(struct records *records, const char *path, const char *reason)
{
    progress_end(&records->progress);
    records->result = report_failure(records->options, "%s cannot be read: %s.", records_name(path), reason);
    return RECORDS_FAILED;
}

/* Explains a file that is neither an export nor a database, and says how to read it; NULL for an unknown
 * format. */
static const char *explain_format(const char *prefix, size_t size)
{
    static const struct {
        const char *begin, *what;
    } known[] = {
        {"version https://", "it is a Git LFS pointer, not the file; git lfs pull fetches the file"},
        {"\x1f\x8b", "it is compressed; gzip -dc FILE | sow ledger verify - reads it"},
        {"\x28\xb5\x2f\xfd", "it is compressed; zstd -dc FILE | sow ledger verify - reads it"},
        {"\xfd"
         "7zXZ",
         "it is compressed; xz -dc FILE | sow ledger verify - reads it"},
        {"BZh", "it is compressed; bzip2 -dc FILE | sow ledger verify - reads it"},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        size_t length = strlen(known[i].begin);
        if (size >= length && memcmp(prefix, known[i].begin, length) == 0) {
            return known[i].what;
        }
    }
    return NULL;
}

/* read(2), repeated when a signal interrupts it. */
static ssize_t read_some(int file, void *bytes, size_t size)
{
    ssize_t count;
    do {
        count = read(file, bytes, size);
    } while (count < 0 && errno == EINTR);
    return count;
}

/* Reads an export, whose first bytes (`prefix`) have been read already. */
static enum records_end read_export(struct records *records, int file, const char *path, const char *prefix,
                                    size_t size)
{
    struct export_reader reader;
    char block[BLOCK_SIZE];
    uint64_t done = size;
    ssize_t count = 0;
    begin(&reader, records);
    bool going = lines_feed(&reader.lines, prefix, size);
    while (going && (count = read_some(file, block, sizeof block)) > 0) {
        going = lines_feed(&reader.lines, block, (size_t)count);
        done += (size_t)count;
        progress_update(&records->progress, done);
    }
    if (going && count < 0) {
        return fail(records, path, strerror(errno));
    }
    going = going && lines_end(&reader.lines);
    return finish(&reader, going);
}

static enum records_end read_stream(struct records *records, int file, const char *path)
{
    char prefix[MAGIC_SIZE];
    struct stat status;
    size_t size = 0;
    ssize_t count = 1;
    while (size < sizeof prefix && count > 0) {
        count = read_some(file, prefix + size, sizeof prefix - size);
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
    const char *not_ledger = explain_format(prefix, size);
    if (not_ledger != NULL) {
        return fail(records, path, not_ledger);
    }
    if (size < sizeof prefix || memcmp(prefix, MAGIC, sizeof prefix) != 0) {
        return read_export(records, file, path, prefix, size);
    }
    return regular && strcmp(path, "-") != 0
               ? records_read_database(records, path)
               : fail(records, path, "a database cannot be read as a stream; name its file");
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

static bool begin_response(void *context, const struct http_response *response)
{
    static const char TYPE[] = "application/x-ndjson";
    struct export_reader *reader = context;
    reader->not_ledger = strncmp(response->fields[HTTP_TYPE], TYPE, sizeof TYPE - 1) != 0;
    return !reader->not_ledger;
}

static bool receive(void *context, const void *bytes, size_t size)
{
    return lines_feed(&((struct export_reader *)context)->lines, bytes, size);
}

static enum records_end read_daemon(struct records *records)
{
    struct export_reader reader;
    struct http_receiver receiver = {begin_response, receive, &reader, false};
    struct http_request request = {.path = "/v1/ledger"};
    struct http_response response;
    begin(&reader, records);
    enum http_end end = http_ask(records->options, &request, &receiver, &response);
    if (end != HTTP_DONE && (end != HTTP_STOPPED || reader.not_ledger)) {
        records->result = reader.not_ledger ? report_not_sowerd(records->options, &response,
                                                                "it does not consist of ledger lines")
                                            : report_response(records->options, &response);
        return RECORDS_FAILED;
    }
    return finish(&reader, end == HTTP_DONE && lines_end(&reader.lines));
}

enum records_end records_read(struct records *records, const char *path)
{
    records->count = 0;
    records->is_database = records->lacks_wal = false;
    progress_begin(&records->progress, true, false);
    enum records_end end = path == NULL ? read_daemon(records) : read_file(records, path);
    progress_end(&records->progress);
    return end;
}
