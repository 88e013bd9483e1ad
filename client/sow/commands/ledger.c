/* sow ledger: lists the ledger, line by line as it is received. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "client/sow/daemon/http.h"
#include "client/sow/daemon/lines.h"
#include "client/sow/daemon/report.h"
#include "client/sow/terminal/table.h"
#include "client/sow/terminal/terminal.h"
#include "proto/json.h"
#include "proto/text.h"

static const struct option_rule LEDGER[] = {
    {"experiment", 'e', "TEXT", "only lines of this experiment"},
    {"trial", 't', "N", "only lines of this trial of the experiment"},
    {"name", 'n', "TEXT", "only draws of the tensor of this name in the experiment"},
    {"seed", 0, "HEX", "only draws with this seed"},
    {"manifest", 0, "HEX", "only draws that were first requested with the manifest of this hash"},
    {"after", 'a', "N", "only lines after line N"},
    {"limit", 'l', "N", "at most N lines"},
    {"json", 'j', NULL, "print JSON lines on a terminal too"},
    {0},
};

static const struct option_group LEDGER_OPTIONS = {"Which lines", LEDGER};

static const struct option_group *const GROUPS[] = {&LEDGER_OPTIONS, &http_options, &options_common, NULL};

static const char *const SUBCOMMANDS[] = {"head", "verify", NULL};

/* A line of another kind than draw has its kind in place of the name. */
static const struct table_column COLUMNS[] = {
    {"ledger", "LINE", 7, TABLE_PLAIN},
    {"time", "TIME (UTC)", 19, TABLE_TIME},
    {"experiment", "EXPERIMENT", 14, TABLE_PLAIN},
    {"trial", "TRIAL", 5, TABLE_PLAIN},
    {"name", "NAME", 0, TABLE_PLAIN},
    {"shape", "SHAPE", 13, TABLE_PLAIN},
    {"dtype", "DTYPE", 5, TABLE_PLAIN},
    {"init", "INIT", 16, TABLE_PLAIN},
    {"drift", "DRIFT", 7, TABLE_PLAIN},
};

enum { COLUMN_COUNT = sizeof COLUMNS / sizeof COLUMNS[0] };

/* A ledger that is being received. */
struct listing {
    const struct options *options;
    bool table; /* print a table; otherwise the lines unchanged */
    bool header_printed;
    struct lines lines;
    int64_t last, left; /* the number of the last line, and how many lines --limit still allows */
    /* Why the receiver stopped: a clause for report_not_sowerd, a failed write, or no memory. */
    const char *fault;
    int write_errno;
    bool no_memory;
};

/* Puts the kind of a line that is not a draw into its name, in parentheses to set it apart from real names. */
static void name_kind(json_t **line)
{
    char text[64];
    const char *kind = json_string_value(json_object_get(*line, "kind"));
    json_int_t count = json_integer_value(json_object_get(*line, "count"));
    if (kind == NULL || strcmp(kind, "draw") == 0) {
        return;
    }
    if (strcmp(kind, "trials") == 0) {
        snprintf(text, sizeof text, "(%" JSON_INTEGER_FORMAT " trial%s)", count, count == 1 ? "" : "s");
    } else if (strcmp(kind, "pin") == 0 || strcmp(kind, "unpin") == 0) {
        snprintf(text, sizeof text, "(%sned)", kind);
    } else {
        snprintf(text, sizeof text, "(%.60s)", kind);
    }
    sower_json_set(line, "name", json_string(text));
}

static void print_row(struct listing *listing, json_t **line)
{
    name_kind(line);
    if (*line == NULL) {
        listing->no_memory = true;
        return;
    }
    if (!listing->header_printed) {
        table_titles(COLUMNS, COLUMN_COUNT);
        listing->header_printed = true;
    }
    table_row(COLUMNS, COLUMN_COUNT, *line);
}

/* The value of an option as a whole number; -1 when the option is not given, or when it is not such a
 * number, which the daemon refuses. */
static int64_t number_of(const struct options *options, const char *name)
{
    const char *text = options_value(options, name);
    int64_t number;
    return text != NULL && sower_text_integer(text, strlen(text), &number) && number >= 0 ? number : -1;
}

/* Whether a member of the line has the value of the option of the same name, if that is given. */
static bool member_fits(const struct options *options, const json_t *line, const char *name)
{
    const char *wanted = options_value(options, name),
               *found = json_string_value(json_object_get(line, name));
    return wanted == NULL || (found != NULL && strcmp(found, wanted) == 0);
}

/* Whether a line has a number greater than the previous one and matches the options. A line of trial
 * numbers may begin before the trial of --trial. */
static bool is_wanted(struct listing *listing, const json_t *line)
{
    const struct options *options = listing->options;
    const json_t *number = json_object_get(line, "ledger"), *kind = json_object_get(line, "kind");
    const json_t *trial = json_object_get(line, "trial");
    int64_t wanted = number_of(options, "trial");
    bool is_draw = json_string_value(kind) == NULL || strcmp(json_string_value(kind), "draw") == 0;
    bool follows = json_is_integer(number) && json_integer_value(number) > listing->last && listing->left > 0;
    listing->last = json_integer_value(number);
    listing->left--;
    return follows && member_fits(options, line, "experiment") && member_fits(options, line, "name") &&
           member_fits(options, line, "seed") && member_fits(options, line, "manifest") &&
           (wanted < 0 || !is_draw || (json_is_integer(trial) && json_integer_value(trial) == wanted));
}

static bool print_line(void *context, const char *text, size_t size)
{
    struct listing *listing = context;
    json_error_t error;
    json_t *line = sower_json_load(text, size, 0, &error);
    bool good = json_is_object(line) && is_wanted(listing, line);
    listing->no_memory = line == NULL && json_error_code(&error) == json_error_out_of_memory;
    if (good && listing->table) {
        print_row(listing, &line);
    } else if (good) {
        terminal_json(stdout, text, size);
        fputc('\n', stdout);
    } else if (!listing->no_memory) {
        listing->fault = json_is_integer(json_object_get(line, "ledger"))
                             ? "it has a line that was not requested"
                             : "it does not consist of ledger lines";
    }
    json_decref(line);
    return good && !listing->no_memory;
}

static bool begin(void *context, const struct http_response *response)
{
    static const char TYPE[] = "application/x-ndjson";
    struct listing *listing = context;
    if (strncmp(response->fields[HTTP_TYPE], TYPE, sizeof TYPE - 1) != 0) {
        listing->fault = "it does not consist of ledger lines";
        return false;
    }
    return true;
}

static bool receive(void *context, const void *bytes, size_t size)
{
    struct listing *listing = context;
    if (!lines_feed(&listing->lines, bytes, size)) {
        listing->fault =
            listing->lines.too_long ? "it has a line that is too long for a ledger line" : listing->fault;
        return false;
    }
    /* Show lines as soon as they are received, also in a pipe. */
    if (fflush(stdout) != 0 || ferror(stdout)) {
        listing->write_errno = errno;
        return false;
    }
    return true;
}

static enum sow_exit report_stop(const struct listing *listing, const struct http_response *response)
{
    if (listing->no_memory) {
        return report_memory(listing->options);
    }
    if (listing->fault != NULL) {
        return report_not_sowerd(listing->options, response, listing->fault);
    }
    return report_write_failure(listing->options, NULL, listing->write_errno);
}

static enum sow_exit run(const struct options *options)
{
    static const char *const FIELDS[] = {"experiment", "trial", "name", "seed", "manifest", "after", "limit"};
    struct sower_pair pairs[sizeof FIELDS / sizeof FIELDS[0]];
    size_t count = 0;
    for (size_t i = 0; i < sizeof FIELDS / sizeof FIELDS[0]; i++) {
        const char *value = options_value(options, FIELDS[i]);
        if (value != NULL) {
            pairs[count++] = (struct sower_pair){FIELDS[i], strlen(FIELDS[i]), value, strlen(value)};
        }
    }
    struct listing listing = {
        .options = options,
        .table = isatty(STDOUT_FILENO) && options_value(options, "json") == NULL,
    };
    int64_t after = number_of(options, "after"), limit = number_of(options, "limit");
    listing.last = after >= 0 ? after : 0;
    listing.left = limit >= 0 ? limit : INT64_MAX;
    listing.lines = (struct lines){.take = print_line, .context = &listing};
    struct http_receiver receiver = {begin, receive, &listing, false};
    struct http_request request = {.path = "/v1/ledger", .pairs = pairs, .pair_count = count};
    struct http_response response;
    enum http_end end = http_ask(options, &request, &receiver, &response);
    if (end == HTTP_STOPPED) {
        return report_stop(&listing, &response);
    }
    if (end == HTTP_DONE && listing.lines.size > 0) {
        return report_not_sowerd(options, &response, "its last line is not ended by a line feed");
    }
    return end == HTTP_DONE ? SOW_DONE : report_response(options, &response);
}

const struct command command_ledger = {
    .name = "ledger",
    .summary = "list what was recorded",
    .synopsis = "[--experiment TEXT [--trial N] [--name TEXT]] [--seed HEX] [--manifest HEX] [option …]",
    .description =
        "Lists the lines of the ledger: draws, trial numbers that were given out, and pins; as a "
        "table on a terminal, as one JSON object per line elsewhere. The line of a draw has "
        "everything that is needed to draw the tensor again. If a draw drifts, its line has the "
        "number of the first line with the same experiment, trial and name, but another shape, dtype, "
        "initializer or layout.",
    .examples = "  sow ledger --experiment exp-42 --trial 7\n"
                "  # which weights came from this seed?\n"
                "  sow ledger --seed \"$(sow seed -e exp-42 -n w)\"\n"
                "  sow ledger > ledger.ndjson\n"
                "  sow ledger --after 1000 --limit 50\n",
    .subcommands = SUBCOMMANDS,
    .groups = GROUPS,
    .run = run,
};
