/* sow pin: pins an experiment, so that none of its tensors can change. */
#include <stdio.h>
#include <string.h>

#include "client/sow/daemon/ask.h"
#include "client/sow/daemon/figures.h"
#include "client/sow/daemon/report.h"
#include "client/sow/terminal/terminal.h"
#include "proto/experiment.h"

enum { RESPONSE_SIZE_MAX = 16384 };

static const struct option_rule PIN[] = {
    {"remove", 'r', NULL, "unpin the experiment"},
    {"json", 'j', NULL, "print the response of the daemon as JSON"},
    {0},
};

static const struct option_group PIN_OPTIONS = {"The pin", PIN};

static const struct option_group *const GROUPS[] = {&PIN_OPTIONS, &http_options, &options_common, NULL};

static void print_sentence(const json_t *response, bool pinned)
{
    const json_t *line = json_object_get(response, "ledger");
    terminal_print(stdout, json_string_value(json_object_get(response, "experiment")));
    if (json_is_integer(line)) {
        printf(" is %s by line %" JSON_INTEGER_FORMAT " of the ledger.\n", pinned ? "pinned" : "unpinned",
               json_integer_value(line));
    } else {
        printf(" is %s.\n", pinned ? "pinned" : "not pinned");
    }
}

/* Checks the response. */
static enum sow_exit check(const struct options *options, const struct http_response *response,
                           const char *name, bool pinned, const json_t *pin)
{
    char reason[FIGURES_REASON_SIZE];
    const json_t *line = json_object_get(pin, "ledger");
    json_t *expected = json_pack("{s:s, s:b}", "experiment", name, "pinned", (int)pinned);
    enum sow_exit result = SOW_DONE;
    if (expected == NULL) {
        result = report_memory(options);
    } else if (!figures_match(pin, expected, reason)) {
        result = report_mismatch(options, response, reason);
    } else if (pinned ? !figures_is_line(line) : !figures_may_be_line(line)) {
        result = report_mismatch(options, response, "it has no number of the ledger line of the pin");
    }
    json_decref(expected);
    return result;
}

static enum sow_exit run(const struct options *options)
{
    char path[SOWER_EXPERIMENT_ADDRESS_SIZE], name[SOWER_EXPERIMENT_MAX + 1];
    struct sower_problem problem;
    struct http_response response;
    enum sow_exit result = SOW_DONE;
    bool pinned = options_value(options, "remove") == NULL;
    if (options->operand == NULL) {
        return options_error(options, "EXPERIMENT is missing.");
    }
    if (!sower_experiment_read(options->operand, strlen(options->operand), name, &problem)) {
        return report_problem(options, &problem);
    }
    const struct http_request request = {.path =
                                             sower_experiment_address("/v1/experiments/", name, "/pin", path),
                                         .method = pinned ? "PUT" : "DELETE"};
    json_t *pin = ask_json(options, &request, RESPONSE_SIZE_MAX, &response, &result);
    result = pin != NULL ? check(options, &response, name, pinned, pin) : result;
    if (result != SOW_DONE) {
        json_decref(pin);
        return result;
    }
    if (options_value(options, "json") != NULL) {
        result = terminal_json_value(stdout, pin) ? SOW_DONE : report_memory(options);
    } else {
        print_sentence(pin, pinned);
    }
    json_decref(pin);
    return result;
}

const struct command command_pin = {
    .name = "pin",
    .summary = "pin an experiment: its tensors cannot change",
    .synopsis = "EXPERIMENT [--remove] [--json]",
    .description =
        "Pins an experiment. From then on the daemon refuses requests that drift in this experiment: "
        "those for a tensor whose experiment, trial and name are in the ledger with another shape, "
        "dtype, initializer or layout. The same array in another precision (f32, f16, bf16, f8), new "
        "names, and requests that agree with the ledger are served as before. The ledger records each pin.",
    .examples = "  sow pin exp-42\n"
                "  sow pin --remove exp-42\n"
                "  sow experiments exp-42     # says whether it is pinned\n",
    .operand = "EXPERIMENT",
    .groups = GROUPS,
    .run = run,
};
