#include "client/sow/options.h"

#include <getopt.h>
#include <stdarg.h>
#include <string.h>

#include "client/sow/terminal/terminal.h"
#include "core/edit_distance.h"

/* getopt_long returns this number plus the index of the rule for a long option; a short option returns its
 * letter, which is smaller. */
enum { LONG_OPTION = 256 };

static const struct option_rule COMMON[] = {
    {"help", 'h', NULL, "show this help"},
    {0},
};

const struct option_group options_common = {"Common", COMMON};

/* The rule at an index, counted through all groups of the command; NULL after the last one. */
static const struct option_rule *rule_at(const struct command *command, size_t index)
{
    for (size_t g = 0; command->groups[g] != NULL; g++) {
        const struct option_rule *rules = command->groups[g]->rules;
        for (size_t r = 0; rules[r].name != NULL; r++) {
            if (index-- == 0) {
                return &rules[r];
            }
        }
    }
    return NULL;
}

/* The index of an option; OPTION_MAX if the command has no such option. */
static size_t index_of(const struct command *command, const char *name)
{
    const struct option_rule *rule;
    for (size_t i = 0; (rule = rule_at(command, i)) != NULL; i++) {
        if (strcmp(rule->name, name) == 0) {
            return i;
        }
    }
    return OPTION_MAX;
}

const char *options_value(const struct options *options, const char *name)
{
    size_t index = index_of(options->command, name);
    return index < OPTION_MAX ? options->values[index] : NULL;
}

/* Whether an option may be repeated. */
static bool repeats(const struct option_rule *rule)
{
    static const char mark[] = " ...";
    size_t length = rule->value != NULL ? strlen(rule->value) : 0;
    return length >= sizeof mark && strcmp(rule->value + length - (sizeof mark - 1), mark) == 0;
}

const char *options_nth(const struct options *options, const char *name, size_t n)
{
    size_t index = index_of(options->command, name);
    if (index == OPTION_MAX || !repeats(rule_at(options->command, index))) {
        return n == 0 ? options_value(options, name) : NULL;
    }
    for (size_t i = 0; i < options->repeated_count; i++) {
        if (options->repeated[i].index == index && n-- == 0) {
            return options->repeated[i].value;
        }
    }
    return NULL;
}

enum sow_exit options_error(const struct options *options, const char *sentence, ...)
{
    const struct command *command = options->command;
    char text[512];
    va_list arguments;
    va_start(arguments, sentence);
    vsnprintf(text, sizeof text, sentence, arguments);
    va_end(arguments);
    fprintf(stderr, "sow %s: ", command->name);
    terminal_print(stderr, text);
    fprintf(stderr, "\nusage: sow %s %s\nTry 'sow %s --help'.\n", command->name, command->synopsis,
            command->name);
    return SOW_USAGE;
}

/* The number of options that begin with this word. */
static size_t count_prefixed(const struct command *command, const char *word)
{
    size_t count = 0;
    const struct option_rule *rule;
    for (size_t i = 0; (rule = rule_at(command, i)) != NULL; i++) {
        count += strncmp(rule->name, word, strlen(word)) == 0;
    }
    return count;
}

static const char *nearest_option(const struct command *command, const char *word)
{
    struct sower_nearest nearest = {.name = word};
    const struct option_rule *rule;
    for (size_t i = 0; (rule = rule_at(command, i)) != NULL; i++) {
        sower_nearest_try(&nearest, rule->name);
    }
    return nearest.found;
}

/* Reports an option that getopt_long did not find; `letter` is 0 for a long option. */
static void report_unknown_option(const struct options *options, const char *argument, int letter)
{
    if (letter != 0) {
        options_error(options, "there is no option -%c.", letter);
        return;
    }
    char word[64], suggestion[SOWER_SUGGESTION_SIZE];
    const char *name = argument + strspn(argument, "-");
    snprintf(word, sizeof word, "%.*s", (int)strcspn(name, "="), name);
    if (count_prefixed(options->command, word) > 1) {
        options_error(options, "--%s is ambiguous; write the option in full.", word);
        return;
    }
    sower_nearest_suggestion(nearest_option(options->command, word), "--", "", suggestion);
    options_error(options, "there is no option --%s%s", word, suggestion);
}

/* Fills the tables of getopt_long. The leading ":" makes it return ":" for a missing value and "?" for an
 * unknown option. */
static size_t make_tables(const struct command *command, struct option longs[OPTION_MAX + 1],
                          char shorts[2 * OPTION_MAX + 2])
{
    size_t count = 0, letters = 0;
    const struct option_rule *rule;
    shorts[letters++] = ':';
    while (count < OPTION_MAX && (rule = rule_at(command, count)) != NULL) {
        longs[count] = (struct option){.name = rule->name,
                                       .has_arg = rule->value != NULL ? required_argument : no_argument,
                                       .val = LONG_OPTION + (int)count};
        if (rule->letter != 0) {
            shorts[letters++] = rule->letter;
        }
        if (rule->letter != 0 && rule->value != NULL) {
            shorts[letters++] = ':';
        }
        count++;
    }
    shorts[letters] = '\0';
    longs[count] = (struct option){0};
    return count;
}

/* The index of the rule for a result of getopt_long. */
static size_t rule_index(const struct command *command, int found)
{
    if (found >= LONG_OPTION) {
        return (size_t)(found - LONG_OPTION);
    }
    size_t index = 0;
    while (rule_at(command, index)->letter != found) {
        index++;
    }
    return index;
}

/* Stores one option that getopt_long returned. */
static bool take_option(struct options *options, int found, const char *argument)
{
    if (found == '?') {
        if (optopt >= LONG_OPTION) {
            options_error(options, "--%s takes no value.",
                          rule_at(options->command, (size_t)(optopt - LONG_OPTION))->name);
        } else {
            report_unknown_option(options, argument, optopt);
        }
        return false;
    }
    bool missing = found == ':';
    size_t index = rule_index(options->command, missing ? optopt : found);
    const struct option_rule *rule = rule_at(options->command, index);
    if (missing) {
        options_error(options, "--%s needs a value: --%s %s.", rule->name, rule->name, rule->value);
        return false;
    }
    if (repeats(rule)) {
        if (options->repeated_count == OPTION_REPEAT_MAX) {
            options_error(options, "the options that may be repeated are given more than %d times.",
                          OPTION_REPEAT_MAX);
            return false;
        }
        options->repeated[options->repeated_count++] = (struct option_repeated){index, optarg};
    } else if (rule->value != NULL && options->values[index] != NULL) {
        options_error(options, "--%s is given twice.", rule->name);
        return false;
    }
    options->values[index] = rule->value != NULL ? optarg : "";
    return true;
}

static void report_unexpected(const struct options *options, const char *argument)
{
    struct sower_nearest nearest = {.name = argument};
    char suggestion[SOWER_SUGGESTION_SIZE];
    for (const char *const *word = options->command->subcommands; word != NULL && *word != NULL; word++) {
        sower_nearest_try(&nearest, *word);
    }
    sower_nearest_suggestion(nearest.found, "'", "'", suggestion);
    options_error(options, "unexpected argument '%s'%s", argument, suggestion);
}

bool options_parse(const struct command *command, int argc, char **argv, struct options *options)
{
    struct option longs[OPTION_MAX + 1];
    char shorts[2 * OPTION_MAX + 2];
    *options = (struct options){.command = command};
    make_tables(command, longs, shorts);
    opterr = 0;
    int found;
    while ((found = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
        if (!take_option(options, found, argv[optind - 1])) {
            return false;
        }
    }
    int operands = argc - optind, most = command->operand != NULL ? 1 : 0;
    if (operands > most) {
        report_unexpected(options, argv[optind + most]);
        return false;
    }
    options->operand = operands > 0 ? argv[optind] : NULL;
    return true;
}

static void help_rule(const struct option_rule *rule, FILE *file)
{
    char left[64];
    snprintf(left, sizeof left, "%c%c%s --%s%s%s", rule->letter != 0 ? '-' : ' ',
             rule->letter != 0 ? rule->letter : ' ', rule->letter != 0 ? "," : " ", rule->name,
             rule->value != NULL ? " " : "", rule->value != NULL ? rule->value : "");
    fprintf(file, "  %-26s", left);
    if (strlen(left) > 25) {
        fprintf(file, "\n%28s", "");
    }
    terminal_wrap(file, rule->meaning, 28);
}

void options_help(const struct command *command, FILE *file)
{
    fprintf(file, "usage: sow %s %s\n\n", command->name, command->synopsis);
    terminal_wrap(file, command->description, 0);
    for (size_t g = 0; command->groups[g] != NULL; g++) {
        fprintf(file, "\n%s:\n", command->groups[g]->title);
        const struct option_rule *rules = command->groups[g]->rules;
        for (size_t r = 0; rules[r].name != NULL; r++) {
            help_rule(&rules[r], file);
        }
    }
    fprintf(file, "\nExamples:\n%s", command->examples);
}
