#include "client/sow/daemon/report.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <strings.h>

#include "client/sow/terminal/terminal.h"
#include "proto/json.h"

enum { TITLE_SIZE = 128, TOO_MANY_REQUESTS = 429 };

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

enum sow_exit report_unwritten(const struct options *options, const char *path, int reason)
{
    if (reason == EPIPE) {
        raise(SIGPIPE); /* libcurl had it ignored during the transfer; whoever started us may have too */
    }
    return report_failure(options, "cannot write %s: %s.", path != NULL ? path : "standard output",
                          strerror(reason));
}

/* The option that gives a field of a request: "in_axis" is given by --in-axis. NULL when the command has none. */
static const char *option_of_field(const struct command *command, const char *field)
{
    for (size_t g = 0; command->groups[g] != NULL; g++) {
        for (const struct option_rule *rule = command->groups[g]->rules; rule->name != NULL; rule++) {
            size_t i = 0;
            while (field[i] != '\0' && rule->name[i] == (field[i] == '_' ? '-' : field[i])) {
                i++;
            }
            if (field[i] == '\0' && rule->name[i] == '\0') {
                return rule->name;
            }
        }
    }
    return NULL;
}

/* What to do about a refused field. */
static void advise(const struct options *options, const char *param)
{
    const char *option = option_of_field(options->command, param);
    if (strcmp(param, "init") == 0) {
        fputs("'sow initializers' lists what there is; 'sow initializers NAME' shows its parameters.\n",
              stderr);
    } else if (option != NULL) {
        fprintf(stderr, "Change --%s and ask again; nothing was recorded.\n", option);
    } else {
        fprintf(stderr, "See 'sow %s --help'.\n", options->command->name);
    }
}

/* A server that is asked by the wrong one of http and https. */
static enum sow_exit report_scheme(const struct options *options, const struct http_response *answer)
{
    bool tls = answer->cause == HTTP_CAUSE_TLS;
    report_failure(options, "%s speaks %s.", answer->address,
                   tls ? "TLS, and not plain HTTP" : "plain HTTP, and not TLS");
    fprintf(stderr, "Write its address with %s in place of %s.\n", tls ? "https://" : "http://",
            tls ? "http://" : "https://");
    return SOW_TRANSPORT;
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

/* What a page says that is no answer of sowerd's: its title, or its first line; empty where it is neither. */
static void find_title(const struct http_response *answer, char title[TITLE_SIZE])
{
    const char *text = answer->explanation;
    const char *begin = strcasestr(text, "<title>"), *end = strcasestr(text, "</title>");
    if (begin != NULL && end != NULL && end > begin) {
        begin += strlen("<title>");
    } else {
        begin = text;
        end = *text == '<' || *text == '{' ? text : text + strcspn(text, "\r\n");
    }
    snprintf(title, TITLE_SIZE, "%.*s", (int)(end - begin), begin);
}

/* Where it may have come from, if not from the daemon's address, and what to do. */
static void advise_address(const struct http_response *answer)
{
    fputs(answer->proxied ? "It was asked through a proxy, as http_proxy, https_proxy or all_proxy in the "
                            "environment says; no_proxy names hosts to ask without it.\n"
                          : "Name the daemon's address with --server URL or SOW_SERVER.\n",
          stderr);
}

enum sow_exit report_unfit(const struct options *options, const struct http_response *answer, const char *why)
{
    report_failure(options, "%s answered, but %s: this is not what was asked for.", answer->address, why);
    advise_address(answer);
    return SOW_TRANSPORT;
}

enum sow_exit report_stranger(const struct options *options, const struct http_response *answer,
                              const char *why)
{
    report_failure(options, "%s answered, but %s: this is no sowerd.", answer->address, why);
    advise_address(answer);
    return SOW_TRANSPORT;
}

/* A status of failure with something else than a problem of sowerd's: another program's page. */
static enum sow_exit report_page(const struct options *options, const struct http_response *answer)
{
    char why[TITLE_SIZE + 2 * HTTP_FIELD_SIZE], title[TITLE_SIZE];
    if (answer->cause == HTTP_CAUSE_TLS) {
        return report_scheme(options, answer);
    }
    find_title(answer, title);
    if (*answer->fields[HTTP_LOCATION] != '\0') {
        snprintf(why, sizeof why, "with status %ld, that it has moved to %s", answer->status,
                 answer->fields[HTTP_LOCATION]);
    } else {
        snprintf(why, sizeof why, "with status %ld and no explanation of sowerd's%s%s%s", answer->status,
                 *title != '\0' ? ", but \"" : "", title, *title != '\0' ? "\"" : "");
    }
    return report_stranger(options, answer, why);
}

/* What a daemon cannot do now. */
static enum sow_exit report_busy(const struct options *options, const struct http_response *answer,
                                 const char *detail)
{
    report_failure(options, "%s cannot do it now (status %ld): %s", answer->address, answer->status, detail);
    if (answer->retry_after > 0) {
        fprintf(stderr, "It asks to come back in %.0f s. ", answer->retry_after);
    }
    fputs("Ask again later; --retry-seconds N waits for it.\n", stderr);
    return SOW_TRANSPORT;
}

/* An answer with a status of failure: a problem of sowerd's, or something else's page. */
static enum sow_exit report_refusal(const struct options *options, const struct http_response *answer)
{
    static const char PROBLEM_TYPE[] = "application/problem+json";
    json_error_t error;
    json_t *problem = sower_json_load(answer->explanation, answer->explanation_size, 0, &error);
    const char *detail = json_string_value(json_object_get(problem, "detail"));
    const char *param = json_string_value(json_object_get(problem, "param"));
    enum sow_exit result = SOW_REFUSED;
    if (problem == NULL && json_error_code(&error) == json_error_out_of_memory) {
        result = report_memory(options);
    } else if (strncasecmp(answer->fields[HTTP_TYPE], PROBLEM_TYPE, sizeof PROBLEM_TYPE - 1) != 0 ||
               detail == NULL) {
        result = report_page(options, answer);
    } else if (answer->status >= 500 || answer->status == TOO_MANY_REQUESTS) {
        result = report_busy(options, answer, detail);
    } else {
        tell_refusal(options, param != NULL ? param : "", detail);
        advise(options, param != NULL ? param : "");
    }
    json_decref(problem);
    return result;
}

static enum sow_exit report_break(const struct options *options, const struct http_response *answer)
{
    if (answer->length >= 0) {
        return report_failure(
            options, "the connection to %s broke after %" PRIu64 " of %" PRId64 " bytes: %s. Ask again.",
            answer->address, answer->received, answer->length, answer->reason);
    }
    return report_failure(options, "the connection to %s broke: %s. Ask again.", answer->address,
                          answer->reason);
}

/* No answer at all, or not all of it. */
static enum sow_exit report_transport(const struct options *options, const struct http_response *answer)
{
    char title[TITLE_SIZE];
    switch (answer->cause) {
    case HTTP_CAUSE_MEMORY: /* libcurl says the same of a header line that it does not take */
        return report_failure(options, "memory has run out, or a header of %s has no end.", answer->address);
    case HTTP_CAUSE_NO_NAME:
        report_failure(options, "no daemon can be reached at %s: %s.", answer->address, answer->reason);
        advise_address(answer);
        break;
    case HTTP_CAUSE_UNREACHED:
        report_failure(options, "no daemon can be reached at %s: %s.", answer->address, answer->reason);
        fputs("Start one with 'sowerd', or name its address with --server URL or SOW_SERVER.\n", stderr);
        break;
    case HTTP_CAUSE_CERTIFICATE:
        report_failure(options, "the certificate of %s is not trusted: %s.", answer->address, answer->reason);
        fputs("Name the certificate of its authority with --ca-file FILE, and the daemon as its certificate "
              "does.\n",
              stderr);
        break;
    case HTTP_CAUSE_PLAIN:
    case HTTP_CAUSE_TLS:
        return report_scheme(options, answer);
    case HTTP_CAUSE_NO_HTTP:
        find_title(answer, title);
        report_failure(options, "%s is no sowerd: it does not speak HTTP; it begins with \"%s\".",
                       answer->address, title);
        advise_address(answer);
        break;
    case HTTP_CAUSE_FLOOD:
        return report_failure(options, "%s is no sowerd: it sends more than %d bytes of headers.",
                              answer->address, HTTP_HEADERS_MAX);
    case HTTP_CAUSE_STALLED:
        return report_failure(options,
                              "%s stalled after %" PRIu64
                              " bytes: it sends nothing, or too slowly to wait for "
                              "(--stall-seconds).",
                              answer->address, answer->received);
    case HTTP_CAUSE_BROKE:
    case HTTP_CAUSE_OTHER:
        return report_break(options, answer);
    }
    return SOW_TRANSPORT;
}

void report_wait(const struct options *options, const struct http_response *answer, double seconds)
{
    char told[512];
    if (answer->end == HTTP_REFUSED) {
        snprintf(told, sizeof told, "cannot do it now (status %ld)", answer->status);
    } else if (answer->cause == HTTP_CAUSE_UNREACHED) {
        snprintf(told, sizeof told, "cannot be reached (%.200s)", answer->reason);
    } else {
        snprintf(told, sizeof told, "broke off (%.200s)", answer->reason);
    }
    report_failure(options, "%s %s; asking again for %.0f s at most (--retry-seconds).", answer->address,
                   told, seconds);
}

enum sow_exit report_response(const struct options *options, const struct http_response *answer)
{
    switch (answer->end) {
    case HTTP_REFUSED:
        return report_refusal(options, answer);
    case HTTP_FAILED:
        return report_transport(options, answer);
    case HTTP_MISUSED:
        return options_error(options, "%s%s%s", answer->address, *answer->address != '\0' ? ": " : "",
                             answer->reason);
    case HTTP_DONE:
    case HTTP_STOPPED:
        break;
    }
    return SOW_DONE;
}
