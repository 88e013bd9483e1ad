/* sow ledger: what was recorded, line by line as it comes. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "http.h"
#include "report.h"
#include "terminal.h"

/* Longer than any line of a ledger: names and experiments are short, even with every byte escaped. */
enum { LINE_SIZE_MAX = 16384 };

static const struct option_rule LEDGER[] = {
    {"experiment", 'e', "TEXT", "only lines of this experiment"},
    {"trial", 't', "N", "of that, only lines of this trial"},
    {"name", 'n', "TEXT", "of that, only draws of the tensor of this name"},
    {"seed", 0, "HEX", "only draws of this seed: which weights came from it?"},
    {"manifest", 0, "HEX", "only draws that were first asked for with this manifest, by its hash"},
    {"after", 'a', "N", "only what stands after line N"},
    {"limit", 'l', "N", "at most N lines"},
    {"json", 'j', NULL, "JSON lines, on a terminal too"},
    {0},
};

static const struct option_group LEDGER_OPTIONS = {"Which lines", LEDGER};

static const struct option_group *const GROUPS[] = {&LEDGER_OPTIONS, &http_options, &options_common, NULL};

/* The columns of the table. The name takes what the others leave. A line that is no draw says in its place
 * what it is. */
static const struct column {
    const char *key, *title;
    size_t columns;
} COLUMNS[] = {
    {"ledger", "LINE", 7}, {"time", "TIME (UTC)", 19}, {"experiment", "EXPERIMENT", 14},
    {"trial", "TRIAL", 5}, {"name", "NAME", 0},        {"shape", "SHAPE", 13},
    {"dtype", "DTYPE", 5}, {"init", "INIT", 16},       {"drift", "DRIFT", 7},
};

enum { COLUMN_COUNT = sizeof COLUMNS / sizeof COLUMNS[0], NAME_COLUMNS_MIN = 12 };

/* A ledger on its way. */
struct listing {
    const struct options *options;
    bool table; /* else the lines as they are */
    bool titled;
    char line[LINE_SIZE_MAX];
    size_t size; /* of the line so far */
    /* Why the receiver stopped: a clause for report_stranger, or a write that failed. */
    const char *fault;
    int write_errno;
};

static size_t column_width(size_t column)
{
    if (COLUMNS[column].columns > 0) {
        return COLUMNS[column].columns;
    }
    size_t taken = COLUMN_COUNT - 1; /* the spaces between */
    for (size_t i = 0; i < COLUMN_COUNT; i++) {
        taken += COLUMNS[i].columns;
    }
    size_t all = terminal_columns(stdout);
    return all > taken + NAME_COLUMNS_MIN ? all - taken : NAME_COLUMNS_MIN;
}

/* A value as text: sizes joined by "×", a time without its "T" and fraction. */
static void cell_text(const char *key, const json_t *value, char *text, size_t size)
{
    size_t length = 0, i;
    json_t *item;
    text[0] = '\0';
    if (json_is_integer(value)) {
        snprintf(text, size, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    } else if (json_is_string(value)) {
        snprintf(text, size, "%s", json_string_value(value));
    }
    json_array_foreach(value, i, item)
    {
        int written = snprintf(text + length, size - length, "%s%" JSON_INTEGER_FORMAT, i == 0 ? "" : "×",
                               json_integer_value(item));
        length += written > 0 && (size_t)written < size - length ? (size_t)written : 0;
    }
    if (strcmp(key, "time") == 0 && strlen(text) > 19) {
        text[10] = ' ';
        text[19] = '\0';
    }
}

/* What a line says that is no draw, in parentheses, so that it is not taken for a name. */
static void print_kind(const char *kind, const json_t *line, char *text, size_t size)
{
    json_int_t count = json_integer_value(json_object_get(line, "count"));
    if (strcmp(kind, "trials") == 0) {
        snprintf(text, size, "(%" JSON_INTEGER_FORMAT " trial%s given out)", count, count == 1 ? "" : "s");
    } else if (strcmp(kind, "pin") == 0 || strcmp(kind, "unpin") == 0) {
        snprintf(text, size, "(%sned)", kind);
    } else {
        snprintf(text, size, "(%s)", kind);
    }
}

static void print_row(const json_t *line)
{
    char text[1024];
    const char *kind = json_string_value(json_object_get(line, "kind"));
    for (size_t i = 0; i < COLUMN_COUNT; i++) {
        if (line == NULL) {
            snprintf(text, sizeof text, "%s", COLUMNS[i].title);
        } else if (strcmp(COLUMNS[i].key, "name") == 0 && kind != NULL && strcmp(kind, "draw") != 0) {
            print_kind(kind, line, text, sizeof text);
        } else {
            cell_text(COLUMNS[i].key, json_object_get(line, COLUMNS[i].key), text, sizeof text);
        }
        fputs(i == 0 ? "" : " ", stdout);
        terminal_cell(stdout, text, column_width(i));
    }
    fputc('\n', stdout);
}

static bool print_line(struct listing *listing)
{
    json_t *line = json_loadb(listing->line, listing->size, 0, NULL);
    if (!json_is_integer(json_object_get(line, "ledger"))) {
        json_decref(line);
        listing->fault = "not with lines of a ledger";
        return false;
    }
    if (!listing->titled) {
        print_row(NULL);
        listing->titled = true;
    }
    print_row(line);
    json_decref(line);
    listing->size = 0;
    return true;
}

/* Collects lines and prints each as a row of the table. */
static bool take_table(struct listing *listing, const char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] == '\n') {
            if (!print_line(listing)) {
                return false;
            }
        } else if (listing->size < LINE_SIZE_MAX) {
            listing->line[listing->size++] = bytes[i];
        } else {
            listing->fault = "with a line longer than any of a ledger";
            return false;
        }
    }
    return true;
}

static bool begin(void *context, const struct http_answer *answer)
{
    static const char TYPE[] = "application/x-ndjson";
    struct listing *listing = context;
    if (strncmp(answer->type, TYPE, sizeof TYPE - 1) != 0) {
        listing->fault = "not with lines of a ledger";
        return false;
    }
    return true;
}

static bool receive(void *context, const void *bytes, size_t size)
{
    struct listing *listing = context;
    if (listing->table && !take_table(listing, bytes, size)) {
        return false;
    }
    if (!listing->table) {
        fwrite(bytes, 1, size, stdout);
    }
    /* What has come is shown at once, also to a reader of the pipe. */
    if (fflush(stdout) != 0 || ferror(stdout)) {
        listing->write_errno = errno;
        return false;
    }
    return true;
}

static enum sow_exit report_stop(const struct listing *listing, const struct http_answer *answer)
{
    if (listing->fault != NULL) {
        return report_stranger(listing->options, answer, listing->fault);
    }
    return report_unwritten(listing->options, NULL, listing->write_errno);
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
    struct http_receiver receiver = {begin, receive, NULL, &listing};
    struct http_question question = {.path = "/v1/ledger", .pairs = pairs, .pair_count = count};
    struct http_answer answer;
    enum http_end end = http_ask(options, &question, &receiver, &answer);
    if (end == HTTP_STOPPED) {
        return report_stop(&listing, &answer);
    }
    return end == HTTP_DONE ? SOW_DONE : report_answer(options, &answer);
}

const struct command command_ledger = {
    .name = "ledger",
    .summary = "list what was recorded",
    .synopsis = "[--experiment TEXT [--trial N] [--name TEXT]] [--seed HEX] [--manifest HEX] [option …]",
    .description =
        "Lists what the daemon has recorded: draws, trial numbers that were given out, and pins; as a table "
        "on a terminal, as one JSON object a line elsewhere. The line of a draw is all that is needed to "
        "draw its tensor again. A draw that drifts names the first line with its experiment, trial and name, "
        "where another shape, dtype, initializer or layout stands.",
    .examples = "  sow ledger --experiment exp-42 --trial 7\n"
                "  # which weights came from this seed?\n"
                "  sow ledger --seed \"$(sow seed -e exp-42 -n w)\"\n"
                "  sow ledger > ledger.ndjson\n"
                "  sow ledger --after 1000 --limit 50\n",
    .groups = GROUPS,
    .run = run,
};
