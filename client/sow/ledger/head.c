#include "client/sow/ledger/head.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "client/sow/daemon/ask.h"
#include "client/sow/daemon/report.h"
#include "proto/hex.h"
#include "proto/record.h"

enum { HEAD_TEXT_MAX = 1 << 20 }; /* more than any head has */

enum sow_exit head_fetch(const struct options *options, struct sower_head *head)
{
    struct sower_buffer text = {0};
    struct sower_problem problem;
    const struct http_request request = {.path = "/v1/ledger/head"};
    struct http_response response;
    enum sow_exit result = ask_text(options, &request, HEAD_TEXT_MAX, &text, &response);
    if (result == SOW_DONE && !sower_head_read_text(text.text, text.length, head, &problem)) {
        result = problem.code == SOWER_PROBLEM_MEMORY
                     ? report_memory(options)
                     : report_not_sowerd(options, &response, "it is not a ledger head");
    }
    sower_buffer_free(&text);
    return result;
}

enum sow_exit head_read(const struct options *options, const char *path, struct sower_head *head)
{
    struct sower_problem problem;
    struct sower_buffer text = {0};
    int file = open(path, O_RDONLY | O_CLOEXEC);
    enum sow_exit result = SOW_DONE;
    if (file < 0 || !sower_buffer_read(&text, file, HEAD_TEXT_MAX)) {
        result = report_failure(options, "the head %s cannot be read: %s.", path, strerror(errno));
    } else if (text.failed) {
        result = report_memory(options);
    } else if (!sower_head_read_text(text.text, text.length, head, &problem)) {
        report_failure(options, "%s is not a ledger head. %s", path, problem.sentence);
        result = problem.code == SOWER_PROBLEM_MEMORY ? SOW_TRANSPORT : SOW_REFUSED;
    }
    if (file >= 0) {
        close(file);
    }
    sower_buffer_free(&text);
    return result;
}

bool head_check_writer(const struct options *options)
{
    const char *writer = options_value(options, "writer");
    if (writer == NULL || sower_hex_is_hash(writer)) {
        return true;
    }
    options_error(options, "--writer must be 64 lower-case hex digits, as 'sow ledger head' prints them.");
    return false;
}

enum sow_exit head_trust(const struct options *options, const struct sower_head *head, const char *wanted,
                         const char *name)
{
    struct sower_problem problem;
    char writer[SOWER_HEX_SIZE];
    sower_hex_print(head->writer, writer);
    if (!sower_head_check_signature(head, &problem)) {
        if (problem.code == SOWER_PROBLEM_MEMORY) {
            return report_memory(options);
        }
        report_failure(options, "%s is not signed by its writer, %s: it was changed.", name, writer);
        return SOW_REFUSED;
    }
    if (wanted != NULL && strcmp(wanted, writer) != 0) {
        report_failure(options, "%s is signed by %s, not by the writer that --writer names.", name, writer);
        return SOW_REFUSED;
    }
    return SOW_DONE;
}
