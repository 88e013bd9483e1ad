/* sow experiments: lists the experiments of the ledger, or the trials of one of them, page by page. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/sow/daemon/ask.h"
#include "client/sow/daemon/report.h"
#include "client/sow/terminal/table.h"
#include "client/sow/terminal/terminal.h"
#include "proto/experiment.h"
#include "proto/text.h"

enum {
    PAGE_ENTRIES = 1000,             /* the most that the daemon sends in a page */
    PAGE_SIZE_MAX = 8 * 1024 * 1024, /* much more than a page has */
    LABEL_COLUMNS = 14,
};

static const struct option_rule EXPERIMENTS[] = {
    {"limit", 'l', "N", "at most N experiments, or N trials of EXPERIMENT"},
    {"json", 'j', NULL, "print JSON lines on a terminal too"},
    {0},
};

static const struct option_group EXPERIMENTS_OPTIONS = {"What to show", EXPERIMENTS};

static const struct option_group *const GROUPS[] = {&EXPERIMENTS_OPTIONS, &http_options, &options_common,
                                                    NULL};

static const struct table_column EXPERIMENT_COLUMNS[] = {
    {"experiment", "EXPERIMENT", 0, TABLE_PLAIN}, {"draws", "DRAWS", 9, TABLE_PLAIN},
    {"trials", "TRIALS", 9, TABLE_PLAIN},         {"first", "FIRST (UTC)", 19, TABLE_TIME},
    {"last", "LAST (UTC)", 19, TABLE_TIME},       {"pinned", "PINNED", 6, TABLE_PLAIN},
};

static const struct table_column TRIAL_COLUMNS[] = {
    {"trial", "TRIAL", 19, TABLE_PLAIN},
    {"draws", "DRAWS", 9, TABLE_PLAIN},
    {"first", "FIRST (UTC)", 19, TABLE_TIME},
    {"last", "LAST (UTC)", 19, TABLE_TIME},
};

/* A list that is being received. */
struct listing {
    const struct options *options;
    const char *experiment; /* the experiment whose trials are listed; NULL: all experiments */
    const char *list;       /* the member of the response that has the entries */
    const struct table_column *columns;
    size_t column_count;
    bool table;          /* print a table; otherwise JSON lines */
    bool header_printed; /* the titles, and for one experiment its summary, were printed */
    uint64_t left;       /* entries that --limit still allows */
    int64_t trial;       /* the last trial that was received; -1: none */
    uint64_t page;       /* where the current page starts, from its address */
};

/* Prints the summary of the experiment: the response without its page of trials. False when memory runs
 * out. */
static bool print_experiment(const struct listing *listing, json_t *response)
{
    const char *key;
    json_t *value;
    json_object_del(response, "next");
    json_object_del(response, "drawn");
    if (!listing->table) {
        return terminal_json_value(stdout, response);
    }
    json_object_del(response, "ledger");
    json_object_foreach(response, key, value)
    {
        terminal_cell(stdout, key, LABEL_COLUMNS);
        fputc(' ', stdout);
        if (json_is_string(value)) {
            terminal_print(stdout, json_string_value(value));
        } else if (json_is_boolean(value)) {
            fputs(json_is_true(value) ? "yes" : "no", stdout);
        } else {
            printf("%" JSON_INTEGER_FORMAT, json_integer_value(value));
        }
        fputc('\n', stdout);
    }
    return true;
}

/* Prints a page. False when memory runs out. */
static bool print_page(struct listing *listing, json_t *response, const json_t *entries)
{
    size_t i;
    json_t *entry;
    bool first = !listing->header_printed;
    if (first && listing->experiment != NULL && !print_experiment(listing, response)) {
        return false;
    }
    if (first && listing->table && json_array_size(entries) > 0) {
        fputs(listing->experiment != NULL ? "\n" : "", stdout);
        table_titles(listing->columns, listing->column_count);
    }
    listing->header_printed = true;
    json_array_foreach(entries, i, entry)
    {
        if (listing->left == 0) {
            break;
        }
        listing->left--;
        if (listing->table) {
            table_row(listing->columns, listing->column_count, entry);
        } else if (!terminal_json_value(stdout, entry)) {
            return false;
        }
    }
    return true;
}

/* Whether an entry is valid. Trials must be in increasing order. */
static bool is_entry(struct listing *listing, const json_t *entry)
{
    const json_t *trial = json_object_get(entry, "trial"), *draws = json_object_get(entry, "draws");
    if (!json_is_integer(draws) || json_integer_value(draws) < 0) {
        return false;
    }
    if (listing->experiment == NULL) {
        size_t length = json_string_length(json_object_get(entry, "experiment"));
        return length > 0 && length <= SOWER_EXPERIMENT_MAX;
    }
    bool follows = json_is_integer(trial) && json_integer_value(trial) > listing->trial;
    listing->trial = json_integer_value(trial);
    return follows;
}

/* Whether the address of the next page is valid. It will be appended to the address of the daemon and must
 * not change the host. Pages must make progress: the numbers go down for experiments, and up for trials. */
static bool is_next(struct listing *listing, const char *address)
{
    static const char PATH[] = "/v1/experiments";
    bool of_one = listing->experiment != NULL;
    const char *query = address != NULL ? strrchr(address, '?') : NULL;
    const char *mark = query != NULL ? strstr(query, of_one ? "from=" : "before=") : NULL;
    if (mark == NULL || strncmp(address, PATH, strlen(PATH)) != 0) {
        return false;
    }
    uint64_t number = strtoull(strchr(mark, '=') + 1, NULL, 10);
    bool onward = of_one ? number > listing->page : number < listing->page;
    listing->page = number;
    return onward;
}

/* Returns what is wrong with a page, as a clause; NULL: nothing. */
static const char *find_fault(struct listing *listing, const json_t *page)
{
    const json_t *entries = json_object_get(page, listing->list), *next = json_object_get(page, "next"),
                 *entry;
    const char *name = json_string_value(json_object_get(page, "experiment"));
    size_t i;
    if (!json_is_array(entries) || json_array_size(entries) > PAGE_ENTRIES) {
        return "it is not a list of experiments";
    }
    if (listing->experiment != NULL && (name == NULL || strcmp(name, listing->experiment) != 0)) {
        return "it is of another experiment";
    }
    json_array_foreach(entries, i, entry)
    {
        if (!is_entry(listing, entry)) {
            return "it is not a list of experiments";
        }
    }
    return next == NULL || json_is_null(next) || is_next(listing, json_string_value(next))
               ? NULL
               : "the address of its next page is invalid";
}

/* Requests one page and prints it. *next gets the address of the next page, which the caller frees; NULL
 * after the last page. */
static enum sow_exit show_page(struct listing *listing, const char *address, char **next)
{
    enum sow_exit result = SOW_DONE;
    struct http_response response;
    const struct http_request request = {.path = address};
    json_t *page = ask_json(listing->options, &request, PAGE_SIZE_MAX, &response, &result);
    *next = NULL;
    if (page == NULL) {
        return result;
    }
    const char *fault = find_fault(listing, page);
    const char *following = json_string_value(json_object_get(page, "next"));
    json_t *entries = json_incref(json_object_get(page, listing->list));
    if (fault != NULL) {
        result = report_not_sowerd(listing->options, &response, fault);
    } else if ((following != NULL && (*next = strdup(following)) == NULL) ||
               !print_page(listing, page, entries)) {
        result = report_memory(listing->options);
    }
    json_decref(entries);
    json_decref(page);
    return result;
}

static enum sow_exit show_all(struct listing *listing)
{
    char first[SOWER_EXPERIMENT_ADDRESS_SIZE], window[48];
    uint64_t count = listing->left < PAGE_ENTRIES ? listing->left : PAGE_ENTRIES;
    enum sow_exit result = SOW_DONE;
    snprintf(window, sizeof window, "?limit=%" PRIu64, count);
    sower_experiment_address(listing->experiment != NULL ? "/v1/experiments/" : "/v1/experiments",
                             listing->experiment != NULL ? listing->experiment : "", window, first);
    char *address = strdup(first);
    if (address == NULL) {
        return report_memory(listing->options);
    }
    while (address != NULL && listing->left > 0 && result == SOW_DONE) {
        char *next;
        result = show_page(listing, address, &next);
        free(address);
        address = next;
    }
    free(address);
    return result;
}

static bool read_limit(const struct options *options, uint64_t *limit)
{
    const char *text = options_value(options, "limit");
    int64_t number = INT64_MAX;
    if (text != NULL && (!sower_text_integer(text, strlen(text), &number) || number < 1)) {
        options_error(options, "--limit takes a whole number, at least 1.");
        return false;
    }
    *limit = (uint64_t)number;
    return true;
}

static enum sow_exit run(const struct options *options)
{
    char name[SOWER_EXPERIMENT_MAX + 1];
    struct sower_problem problem;
    bool one = options->operand != NULL;
    struct listing listing = {
        .options = options,
        .experiment = one ? name : NULL,
        .list = one ? "drawn" : "experiments",
        .columns = one ? TRIAL_COLUMNS : EXPERIMENT_COLUMNS,
        .column_count = one ? sizeof TRIAL_COLUMNS / sizeof TRIAL_COLUMNS[0]
                            : sizeof EXPERIMENT_COLUMNS / sizeof EXPERIMENT_COLUMNS[0],
        .table = isatty(STDOUT_FILENO) && options_value(options, "json") == NULL,
        .trial = -1,
        .page = one ? 0 : UINT64_MAX,
    };
    if (!read_limit(options, &listing.left)) {
        return SOW_USAGE;
    }
    if (one && !sower_experiment_read(options->operand, strlen(options->operand), name, &problem)) {
        return report_problem(options, &problem);
    }
    return show_all(&listing);
}

const struct command command_experiments = {
    .name = "experiments",
    .summary = "list experiments, or the trials of one",
    .synopsis = "[EXPERIMENT] [--limit N] [--json]",
    .description =
        "Lists the experiments of the ledger, newest first: the number of draws, the count of trial "
        "numbers that were given out, the times of the first and last line, and whether it is pinned. "
        "With a name, shows that experiment and the trials that have draws. Prints a table on a "
        "terminal, one JSON object per line elsewhere; with a name, the experiment comes first, then "
        "its trials.",
    .examples = "  sow experiments --limit 10\n"
                "  sow experiments exp-42\n"
                "  sow experiments | jq -r 'select(.pinned).experiment'\n",
    .operand = "EXPERIMENT",
    .groups = GROUPS,
    .run = run,
};
