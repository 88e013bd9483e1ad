/* sow pin: an experiment whose tensors shall stay what they are. */
#include <stdio.h>
#include <string.h>

#include "client/sow/daemon/ask.h"
#include "client/sow/daemon/figures.h"
#include "client/sow/daemon/report.h"
#include "client/sow/terminal/terminal.h"
#include "proto/experiment.h"

enum { ANSWER_SIZE_MAX = 16384 };

static const struct option_rule PIN[] = {
    {"remove", 'r', NULL, "unpin it"},
    {"json", 'j', NULL, "print the daemon's answer"},
    {0},
};

static const struct option_group PIN_OPTIONS = {"The pin", PIN};

static const struct option_group *const GROUPS[] = {&PIN_OPTIONS, &http_options, &options_common, NULL};

static void print_sentence(const json_t *answer, bool pinned)
{
    const json_t *line = json_object_get(answer, "ledger");
    terminal_print(stdout, json_string_value(json_object_get(answer, "experiment")));
    if (json_is_integer(line)) {
        printf(" is %s by line %" JSON_INTEGER_FORMAT " of the ledger.\n", pinned ? "pinned" : "unpinned",
               json_integer_value(line));
    } else {
        printf(" is %s.\n", pinned ? "pinned" : "not pinned");
    }
}

/* Judges what the daemon says. */
static enum sow_exit check(const struct options *options, const struct http_response *answer,
                           const char *name, bool pinned, const json_t *said)
{
    char reason[FIGURES_REASON_SIZE];
    const json_t *line = json_object_get(said, "ledger");
    json_t *wanted = json_pack("{s:s, s:b}", "experiment", name, "pinned", (int)pinned);
    enum sow_exit result = SOW_DONE;
    if (wanted == NULL) {
        result = report_memory(options);
    } else if (!figures_fit(said, wanted, reason)) {
        result = report_unfit(options, answer, reason);
    } else if (pinned ? !figures_is_line(line) : !figures_may_be_line(line)) {
        result = report_unfit(options, answer, "without the line of the ledger that pinned it");
    }
    json_decref(wanted);
    return result;
}

static enum sow_exit run(const struct options *options)
{
    char path[SOWER_EXPERIMENT_ADDRESS_SIZE], name[SOWER_EXPERIMENT_MAX + 1];
    struct sower_problem problem;
    struct http_response answer;
    enum sow_exit result = SOW_DONE;
    bool pinned = options_value(options, "remove") == NULL;
    if (options->operand == NULL) {
        return options_error(options, "which experiment?");
    }
    if (!sower_experiment_read(options->operand, strlen(options->operand), name, &problem)) {
        return report_problem(options, &problem);
    }
    const struct http_question question = {
        .path = sower_experiment_address("/v1/experiments/", name, "/pin", path),
        .method = pinned ? "PUT" : "DELETE"};
    json_t *said = ask_json(options, &question, ANSWER_SIZE_MAX, &answer, &result);
    result = said != NULL ? check(options, &answer, name, pinned, said) : result;
    if (result != SOW_DONE) {
        json_decref(said);
        return result;
    }
    if (options_value(options, "json") != NULL) {
        result = terminal_json_value(stdout, said) ? SOW_DONE : report_memory(options);
    } else {
        print_sentence(said, pinned);
    }
    json_decref(said);
    return result;
}

const struct command command_pin = {
    .name = "pin",
    .summary = "keep the tensors of an experiment what they are",
    .synopsis = "EXPERIMENT [--remove] [--json]",
    .description =
        "Pins an experiment: from now on the daemon refuses what drifts in it, a tensor whose experiment, "
        "trial "
        "and name stand in the ledger with another shape, dtype, initializer or layout. New names, and all "
        "that "
        "stands there as it is asked for, are served as before. The ledger keeps a line of each pin.",
    .examples = "  sow pin exp-42\n"
                "  sow pin --remove exp-42\n"
                "  sow experiments exp-42     # says whether it is pinned\n",
    .operand = "EXPERIMENT",
    .groups = GROUPS,
    .run = run,
};
