/* sow ledger head: prints or saves the signed head of the ledger: the number of lines and the end of each chain. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/sow/daemon/http.h"
#include "client/sow/daemon/report.h"
#include "client/sow/ledger/head.h"
#include "client/sow/terminal/output.h"
#include "proto/hex.h"
#include "proto/json.h"
#include "proto/record.h"
#include "proto/time.h"

static const struct option_rule HEAD[] = {
    {"output", 'o', "FILE", "write the head, as JSON, to FILE, completely or not at all"},
    {"json", 'j', NULL, "print JSON on a terminal too"},
    {"writer", 'w', "HEX", "require the signature of this key, 64 hex digits"},
    {0},
};

static const struct option_group HEAD_OPTIONS = {"The head", HEAD};

static const struct option_group *const GROUPS[] = {&HEAD_OPTIONS, &http_options, &options_common, NULL};

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
    return written ? SOW_DONE : report_write_failure(options, path, reason);
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
    .summary = "fetch the signed head of the ledger, to be saved",
    .synopsis = "[-o FILE] [--json] [--writer HEX]",
    .description =
        "Fetches the head of the ledger (the number of lines and the end of each chain) and checks "
        "the signature of the daemon. Prints it for people on a terminal, as JSON elsewhere. Save the "
        "head where the daemon has no access: later 'sow ledger verify --head FILE' shows whether one "
        "of these lines was changed.",
    .examples = "  sow ledger head\n"
                "  sow ledger head -o head-$(date +%F).json\n",
    .groups = GROUPS,
    .run = run,
};
