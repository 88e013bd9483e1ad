#include "report.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <strings.h>

#include "../proto/json.h"
#include "tensor.h"
#include "terminal.h"

/* Foreign text, such as a daemon's sentence or a path, may hold anything: it is printed safely. */
static void say(const struct options *options, const char *sentence)
{
    fprintf(stderr, "sow %s: ", options->command->name);
    terminal_print(stderr, sentence);
    fputc('\n', stderr);
}

enum sow_exit report_failure(const struct options *options, const char *what, ...)
{
    char told[1024];
    va_list arguments;
    va_start(arguments, what);
    vsnprintf(told, sizeof told, what, arguments);
    va_end(arguments);
    say(options, told);
    return SOW_TRANSPORT;
}

enum sow_exit report_memory(const struct options *options)
{
    return report_failure(options, "memory has run out.");
}

void report_drift(const struct options *options, const struct http_answer *answer, const char *what)
{
    char told[256 + HTTP_FIELD_SIZE];
    if (*answer->drift == '\0') {
        return;
    }
    snprintf(told, sizeof told,
             "warning: %s has the experiment, trial and name of line %s of the ledger, and another shape, "
             "dtype, initializer or layout.",
             what, answer->drift);
    say(options, told);
}

enum sow_exit report_unwritten(const struct options *options, const char *path, int reason)
{
    if (reason == EPIPE) {
        raise(SIGPIPE); /* libcurl had it ignored during the transfer; whoever started us may have too */
    }
    return report_failure(options, "cannot write %s: %s.", path != NULL ? path : "standard output",
                          strerror(reason));
}

static bool has_option(const struct command *command, const char *name)
{
    for (size_t g = 0; command->groups[g] != NULL; g++) {
        for (const struct option_rule *rule = command->groups[g]->rules; rule->name != NULL; rule++) {
            if (strcmp(rule->name, name) == 0) {
                return true;
            }
        }
    }
    return false;
}

/* What to do about a refused field. */
static void advise(const struct options *options, const char *param)
{
    const char *option = tensor_option(param);
    if (strcmp(param, "init") == 0) {
        fputs("'sow initializers' lists what there is; 'sow initializers NAME' shows its parameters.\n",
              stderr);
    } else if (option != NULL && has_option(options->command, option)) {
        fprintf(stderr, "Change --%s and ask again; nothing was recorded.\n", option);
    } else {
        fprintf(stderr, "See 'sow %s --help'.\n", options->command->name);
    }
}

static void tell_refusal(const struct options *options, const char *param, const char *detail)
{
    char told[1024];
    bool named = *param != '\0' && strncmp(detail, param, strlen(param)) != 0;
    snprintf(told, sizeof told, "refused: %s%s%s", named ? param : "", named ? ": " : "", detail);
    say(options, told);
}

enum sow_exit report_problem(const struct options *options, const struct sower_problem *problem)
{
    if (problem->code == SOWER_PROBLEM_UNAVAILABLE || problem->code == SOWER_PROBLEM_MEMORY) {
        return report_failure(options, "%s", problem->sentence);
    }
    tell_refusal(options, problem->field, problem->sentence);
    advise(options, problem->field);
    return SOW_REFUSED;
}

enum sow_exit report_stranger(const struct options *options, const struct http_answer *answer,
                              const char *why)
{
    report_failure(options, "%s answered, but %s: this is no sowerd.", answer->address, why);
    fputs("Name the daemon's address with --server URL or SOW_SERVER.\n", stderr);
    return SOW_TRANSPORT;
}

/* An answer with a status of failure: a problem of sowerd's, or something else's page. */
static enum sow_exit report_refusal(const struct options *options, const struct http_answer *answer)
{
    static const char PROBLEM_TYPE[] = "application/problem+json";
    char why[64];
    json_error_t error;
    json_t *problem = sower_json_load(answer->explanation, answer->explanation_size, 0, &error);
    const char *detail = json_string_value(json_object_get(problem, "detail"));
    const char *param = json_string_value(json_object_get(problem, "param"));
    enum sow_exit result = SOW_REFUSED;
    if (problem == NULL && json_error_code(&error) == json_error_out_of_memory) {
        result = report_memory(options);
    } else if (strncasecmp(answer->type, PROBLEM_TYPE, sizeof PROBLEM_TYPE - 1) != 0 || detail == NULL) {
        snprintf(why, sizeof why, "with status %ld and no explanation", answer->status);
        result = report_stranger(options, answer, why);
    } else if (answer->status >= 500) {
        tell_refusal(options, param != NULL ? param : "", detail);
        fputs("The daemon at ", stderr);
        terminal_print(stderr, answer->address);
        fprintf(stderr, " could not do it now (status %ld); nothing was sent. Try again.\n", answer->status);
    } else {
        tell_refusal(options, param != NULL ? param : "", detail);
        advise(options, param != NULL ? param : "");
    }
    json_decref(problem);
    return result;
}

static enum sow_exit report_transport(const struct options *options, const struct http_answer *answer)
{
    if (!answer->connected) {
        report_failure(options, "no daemon can be reached at %s: %s.", answer->address, answer->reason);
        fputs("Start one with 'sowerd', or name its address with --server URL or SOW_SERVER.\n", stderr);
    } else if (answer->length >= 0) {
        report_failure(options,
                       "the connection to %s broke after %" PRIu64 " of %" PRId64 " bytes: %s. Ask again.",
                       answer->address, answer->received, answer->length, answer->reason);
    } else {
        report_failure(options, "the connection to %s broke: %s. Ask again.", answer->address,
                       answer->reason);
    }
    return SOW_TRANSPORT;
}

enum sow_exit report_answer(const struct options *options, const struct http_answer *answer)
{
    switch (answer->end) {
    case HTTP_REFUSED:
        return report_refusal(options, answer);
    case HTTP_FAILED:
        return report_transport(options, answer);
    case HTTP_MISUSED:
        return options_error(options, "'%s' is no address of a daemon; one looks like http://127.0.0.1:7697.",
                             answer->address);
    case HTTP_DONE:
    case HTTP_STOPPED:
        break;
    }
    return SOW_DONE;
}
