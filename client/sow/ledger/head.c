/* sow ledger head: how many lines there are and where the chains end, signed; what one keeps. */
#include "client/sow/ledger/head.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/sow/daemon/ask.h"
#include "client/sow/daemon/report.h"
#include "client/sow/terminal/output.h"
#include "proto/hex.h"
#include "proto/json.h"
#include "proto/record.h"
#include "proto/time.h"

enum { HEAD_TEXT_MAX = 1 << 20 }; /* beyond any head */

static const struct option_rule HEAD[] = {
    {"output", 'o', "FILE", "write the head, as JSON, to FILE, whole or not at all"},
    {"json", 'j', NULL, "JSON, on a terminal too"},
    {"writer", 'w', "HEX", "insist on the signature of this key, 64 hex digits"},
    {0},
};

static const struct option_group HEAD_OPTIONS = {"The head", HEAD};

static const struct option_group *const GROUPS[] = {&HEAD_OPTIONS, &http_options, &options_common, NULL};

enum sow_exit head_fetch(const struct options *options, struct sower_head *head)
{
    struct sower_buffer text = {0};
    struct sower_problem problem;
    const struct http_question question = {.path = "/v1/ledger/head"};
    struct http_response answer;
    enum sow_exit result = ask_text(options, &question, HEAD_TEXT_MAX, &text, &answer);
    if (result == SOW_DONE && !sower_head_read_text(text.text, text.length, head, &problem)) {
        result = problem.code == SOWER_PROBLEM_MEMORY
                     ? report_memory(options)
                     : report_stranger(options, &answer, "not with the head of a ledger");
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
        report_failure(options, "%s is no head of a ledger. %s", path, problem.sentence);
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
        report_failure(options, "%s is signed by %s, and not by the writer that is wanted.", name, writer);
        return SOW_REFUSED;
    }
    return SOW_DONE;
}

static void print(const struct sower_head *head)
{
    char time[SOWER_TIME_SIZE], hex[SOWER_HEX_SIZE];
    sower_time_print(head->time, time);
    sower_hex_print(head->writer, hex);
    printf("lines   %" PRIu64 "\ntime    %s\nsigned  %s\n", head->ledger, time, hex);
    for (size_t i = 0; i < head->count; i++) {
        char link[SOWER_HEX_SIZE];
        sower_hex_print(head->chains[i].writer, hex);
        sower_hex_print(head->chains[i].link, link);
        printf("chain   %s  number %" PRIu64 "\n        %s\n", hex, head->chains[i].sequence, link);
    }
}

static enum sow_exit write_text(const struct options *options, const char *text)
{
    const char *path = options_value(options, "output");
    struct output output;
    path = path == NULL || strcmp(path, "-") == 0 ? NULL : path;
    if (!output_open(&output, path)) {
        return options_error(options, "cannot write %s: %s.", path, strerror(errno));
    }
    bool written =
        output_write(&output, text, strlen(text)) && output_write(&output, "\n", 1) && output_finish(&output);
    int reason = errno;
    output_discard(&output);
    return written ? SOW_DONE : report_unwritten(options, path, reason);
}

static enum sow_exit write_head(const struct options *options, const struct sower_head *head)
{
    json_t *object = sower_head_json(head);
    char *text = sower_json_text(object, JSON_COMPACT);
    enum sow_exit result = text != NULL ? write_text(options, text) : report_memory(options);
    free(text);
    json_decref(object);
    return result;
}

static enum sow_exit run(const struct options *options)
{
    bool for_people = isatty(STDOUT_FILENO) && options_value(options, "json") == NULL &&
                      options_value(options, "output") == NULL;
    if (!head_check_writer(options)) {
        return SOW_USAGE;
    }
    struct sower_head *head = malloc(sizeof *head);
    if (head == NULL) {
        return report_memory(options);
    }
    enum sow_exit result = head_fetch(options, head);
    const char *wanted = options_value(options, "writer");
    result = result == SOW_DONE ? head_trust(options, head, wanted, "the daemon's head") : result;
    if (result == SOW_DONE && for_people) {
        print(head);
    } else if (result == SOW_DONE) {
        result = write_head(options, head);
    }
    free(head);
    return result;
}

const struct command command_ledger_head = {
    .name = "ledger head",
    .summary = "fetch the ledger's signed head, to be kept",
    .synopsis = "[-o FILE] [--json] [--writer HEX]",
    .description =
        "Fetches the head of the ledger, the number of lines and the end of each chain, and checks the "
        "daemon's "
        "signature: for people on a terminal, as JSON elsewhere. Kept where the daemon cannot reach it, it "
        "shows later whether a line up to there was changed: sow ledger verify --head FILE.",
    .examples = "  sow ledger head\n"
                "  sow ledger head -o head-$(date +%F).json\n",
    .groups = GROUPS,
    .run = run,
};
