#include "client/sow/daemon/report.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <strings.h>

#include "client/sow/terminal/terminal.h"
#include "client/sow/daemon/reach.h"
#include "client/sow/daemon/retry.h"
#include "proto/json.h"

enum { TITLE_SIZE = 128, TOO_MANY_REQUESTS = 429 };

/* The sentence may hold text of the daemon or a path, so it is printed safely. */
static void print_line(const struct options *options, const char *sentence)
{
    fprintf(stderr, "sow %s: ", options->command->name);
    terminal_print(stderr, sentence);
    fputc('\n', stderr);
}

enum sow_exit report_failure(const struct options *options, const char *sentence, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, sentence);
    vsnprintf(text, sizeof text, sentence, arguments);
    va_end(arguments);
    print_line(options, text);
    return SOW_TRANSPORT;
}

enum sow_exit report_memory(const struct options *options)
{
    return report_failure(options, "memory has run out.");
}

enum sow_exit report_write_failure(const struct options *options, const char *path, int reason)
{
    if (reason == EPIPE) {
        raise(SIGPIPE); /* libcurl ignores SIGPIPE during a transfer, and so may the parent process */
    }
    return report_failure(options, "cannot write %s: %s.", path != NULL ? path : "standard output",
                          strerror(reason));
}

/* The option for a field of a request ("in_axis": --in-axis); NULL when the command has no such option. */
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

/* Prints what to do about a refused field. */
static void advise(const struct options *options, const char *param)
{
    const char *option = option_of_field(options->command, param);
    if (strcmp(param, "init") == 0) {
        fputs("'sow initializers' lists all initializers; 'sow initializers NAME' shows the parameters of "
              "one.\n",
              stderr);
    } else if (strcmp(param, "Authorization") == 0) {
        fputs("A token comes from --token-file FILE, SOW_TOKEN_FILE, or a line ADDRESS TOKEN in "
              "~/.config/sow/tokens.\n",
              stderr);
    } else if (option != NULL) {
        fprintf(stderr, "Change --%s and try again; nothing was recorded.\n", option);
    } else {
        fprintf(stderr, "See 'sow %s --help'.\n", options->command->name);
    }
}

/* The URL has http and the server speaks TLS, or the other way round. */
static enum sow_exit report_scheme(const struct options *options, const struct http_response *response)
{
    bool tls = response->cause == HTTP_CAUSE_SPEAKS_TLS;
    report_failure(options, "%s speaks %s.", response->address,
                   tls ? "TLS, and not plain HTTP" : "plain HTTP, and not TLS");
    fprintf(stderr, "Write its address with %s in place of %s.\n", tls ? "https://" : "http://",
            tls ? "http://" : "https://");
    return SOW_TRANSPORT;
}

static void print_refusal(const struct options *options, const char *param, const char *detail)
{
    char text[1024];
    bool named = *param != '\0' && strncmp(detail, param, strlen(param)) != 0;
    snprintf(text, sizeof text, "refused: %s%s%s", named ? param : "", named ? ": " : "", detail);
    print_line(options, text);
}

enum sow_exit report_problem(const struct options *options, const struct sower_problem *problem)
{
    if (problem->code == SOWER_PROBLEM_UNAVAILABLE || problem->code == SOWER_PROBLEM_MEMORY) {
        return report_failure(options, "%s", problem->sentence);
    }
    print_refusal(options, problem->field, problem->sentence);
    advise(options, problem->field);
    return SOW_REFUSED;
}

/* Finds what a foreign response says: its HTML title, or its first line; empty for other HTML and for JSON. */
static void find_title(const struct http_response *response, char title[TITLE_SIZE])
{
    const char *text = response->explanation;
    const char *begin = strcasestr(text, "<title>"), *end = strcasestr(text, "</title>");
    if (begin != NULL && end != NULL && end > begin) {
        begin += strlen("<title>");
    } else {
        begin = text;
        end = *text == '<' || *text == '{' ? text : text + strcspn(text, "\r\n");
    }
    snprintf(title, TITLE_SIZE, "%.*s", (int)(end - begin), begin);
}

/* Prints a hint: the request may have gone to a wrong address or proxy. */
static void advise_address(const struct http_response *response)
{
    fputs(response->proxied
              ? "The request went through a proxy, as http_proxy, https_proxy or all_proxy in the "
                "environment says; no_proxy names the hosts to reach without it.\n"
              : "Name the daemon's address with --server URL or SOW_SERVER.\n",
          stderr);
}

enum sow_exit report_mismatch(const struct options *options, const struct http_response *response,
                              const char *why)
{
    report_failure(options, "%s responded, but %s: this is not what was requested.", response->address, why);
    advise_address(response);
    return SOW_TRANSPORT;
}

enum sow_exit report_not_sowerd(const struct options *options, const struct http_response *response,
                                const char *why)
{
    report_failure(options, "%s responded, but %s: this is not a sowerd.", response->address, why);
    advise_address(response);
    return SOW_TRANSPORT;
}

/* A failure status without a problem document from sowerd: the response of another program. */
static enum sow_exit report_foreign_response(const struct options *options,
                                             const struct http_response *response)
{
    char why[TITLE_SIZE + 2 * HTTP_FIELD_SIZE], title[TITLE_SIZE];
    if (response->cause == HTTP_CAUSE_SPEAKS_TLS) {
        return report_scheme(options, response);
    }
    find_title(response, title);
    if (*response->fields[HTTP_LOCATION] != '\0') {
        snprintf(why, sizeof why, "the response with status %ld redirects to %s", response->status,
                 response->fields[HTTP_LOCATION]);
    } else {
        snprintf(why, sizeof why, "the response with status %ld has no explanation from sowerd%s%s%s",
                 response->status, *title != '\0' ? "; it says \"" : "", title, *title != '\0' ? "\"" : "");
    }
    return report_not_sowerd(options, response, why);
}

/* The daemon cannot serve the request at the moment. */
static enum sow_exit report_unavailable(const struct options *options, const struct http_response *response,
                                        const char *detail)
{
    report_failure(options, "%s cannot do it now (status %ld): %s", response->address, response->status,
                   detail);
    if (response->retry_after > 0) {
        fprintf(stderr, "It asks to wait for %.0f s. ", response->retry_after);
    }
    fputs("Try again later, or let sow wait with --retry-seconds N.\n", stderr);
    return SOW_TRANSPORT;
}

/* A response with a failure status: a problem document from sowerd, or another program's response. */
static enum sow_exit report_refusal(const struct options *options, const struct http_response *response)
{
    static const char PROBLEM_TYPE[] = "application/problem+json";
    json_error_t error;
    json_t *problem = sower_json_load(response->explanation, response->explanation_size, 0, &error);
    const char *detail = json_string_value(json_object_get(problem, "detail"));
    const char *param = json_string_value(json_object_get(problem, "param"));
    enum sow_exit result = SOW_REFUSED;
    if (problem == NULL && json_error_code(&error) == json_error_out_of_memory) {
        result = report_memory(options);
    } else if (strncasecmp(response->fields[HTTP_TYPE], PROBLEM_TYPE, sizeof PROBLEM_TYPE - 1) != 0 ||
               detail == NULL) {
        result = report_foreign_response(options, response);
    } else if (response->status >= 500 ||
               (response->status == TOO_MANY_REQUESTS && !retry_is_hopeless(response))) {
        result = report_unavailable(options, response, detail);
    } else {
        print_refusal(options, param != NULL ? param : "", detail);
        advise(options, param != NULL ? param : "");
    }
    json_decref(problem);
    return result;
}

static enum sow_exit report_lost_connection(const struct options *options,
                                            const struct http_response *response)
{
    if (response->length >= 0) {
        return report_failure(
            options, "the connection to %s broke after %" PRIu64 " of %" PRId64 " bytes: %s. Try again.",
            response->address, response->received, response->length, response->reason);
    }
    return report_failure(options, "the connection to %s broke: %s. Try again.", response->address,
                          response->reason);
}

/* The server has refused the handshake, or the certificate of this client cannot be used. */
static enum sow_exit report_client_certificate(const struct options *options,
                                               const struct http_response *response)
{
    if (reach_has_certificate(options)) {
        report_failure(options, "the certificate of this client is not accepted by %s: %s.",
                       response->address, response->reason);
        fputs(
            "Name one that the daemon's --tls-client-ca has signed, with --client-certificate FILE, and its "
            "key with --client-key FILE.\n",
            stderr);
    } else {
        report_failure(options, "%s wants a certificate from its clients: %s.", response->address,
                       response->reason);
        fputs("Name yours with --client-certificate FILE and its key with --client-key FILE.\n", stderr);
    }
    return SOW_TRANSPORT;
}

/* No response, or an incomplete one. */
static enum sow_exit report_transport(const struct options *options, const struct http_response *response)
{
    char title[TITLE_SIZE];
    switch (response->cause) {
    case HTTP_CAUSE_MEMORY: /* libcurl also reports a header line that is too long as out of memory */
        return report_failure(options, "memory has run out, or %s sends a header line that is too long.",
                              response->address);
    case HTTP_CAUSE_UNKNOWN_HOST:
        report_failure(options, "no daemon can be reached at %s: %s.", response->address, response->reason);
        advise_address(response);
        break;
    case HTTP_CAUSE_UNREACHABLE:
        report_failure(options, "no daemon can be reached at %s: %s.", response->address, response->reason);
        fputs("Start one with 'sowerd', or name its address with --server URL or SOW_SERVER.\n", stderr);
        break;
    case HTTP_CAUSE_CERTIFICATE:
        report_failure(options, "the certificate of %s is not trusted: %s.", response->address,
                       response->reason);
        fputs("Name the certificate of its authority with --ca-file FILE, and use a host name "
              "that its certificate has.\n",
              stderr);
        break;
    case HTTP_CAUSE_CLIENT_CERTIFICATE:
        return report_client_certificate(options, response);
    case HTTP_CAUSE_SPEAKS_HTTP:
    case HTTP_CAUSE_SPEAKS_TLS:
        return report_scheme(options, response);
    case HTTP_CAUSE_NOT_HTTP:
        find_title(response, title);
        report_failure(options, "%s is not a sowerd: it does not speak HTTP; its first bytes are \"%s\".",
                       response->address, title);
        advise_address(response);
        break;
    case HTTP_CAUSE_LARGE_HEADERS:
        return report_failure(options, "%s is not a sowerd: it sends more than %d bytes of headers.",
                              response->address, HTTP_HEADERS_MAX);
    case HTTP_CAUSE_STALLED:
        return report_failure(
            options, "%s stalled after %" PRIu64 " bytes: it sent less than 64 KiB within --stall-seconds.",
            response->address, response->received);
    case HTTP_CAUSE_CONNECTION_LOST:
    case HTTP_CAUSE_OTHER:
        return report_lost_connection(options, response);
    }
    return SOW_TRANSPORT;
}

void report_retry(const struct options *options, const struct http_response *response, double seconds)
{
    char text[512];
    if (response->end == HTTP_REFUSED) {
        snprintf(text, sizeof text, "cannot do it now (status %ld)", response->status);
    } else if (response->cause == HTTP_CAUSE_UNREACHABLE) {
        snprintf(text, sizeof text, "cannot be reached (%.200s)", response->reason);
    } else {
        snprintf(text, sizeof text, "closed the connection (%.200s)", response->reason);
    }
    report_failure(options, "%s %s; retrying for up to %.0f s (--retry-seconds).", response->address, text,
                   seconds);
}

enum sow_exit report_response(const struct options *options, const struct http_response *response)
{
    switch (response->end) {
    case HTTP_REFUSED:
        return report_refusal(options, response);
    case HTTP_FAILED:
        return report_transport(options, response);
    case HTTP_BAD_OPTION:
        return options_error(options, "%s%s%s", response->address, *response->address != '\0' ? ": " : "",
                             response->reason);
    case HTTP_DONE:
    case HTTP_STOPPED:
        break;
    }
    return SOW_DONE;
}
