/* sow initializers: prints the catalogue, which is part of this program. */
#include <string.h>

#include <jansson.h>

#include "client/sow/daemon/report.h"
#include "client/sow/terminal/terminal.h"
#include "core/catalogue.h"
#include "core/names.h"
#include "core/shape.h"
#include "proto/documents.h"
#include "proto/text.h"

enum { NAME_COLUMNS = 18, LABEL_COLUMNS = 12 };

static const struct option_rule INITIALIZERS[] = {
    {"json", 'j', NULL, "print JSON, as in /v1/initializers"},
    {0},
};

static const struct option_group INITIALIZERS_OPTIONS = {"Output", INITIALIZERS};

static const struct option_group *const GROUPS[] = {&INITIALIZERS_OPTIONS, &options_common, NULL};

static void print_list(void)
{
    const struct sower_entry *entry;
    for (size_t i = 0; (entry = sower_catalogue_entry(i)) != NULL; i++) {
        terminal_cell(stdout, entry->name, NAME_COLUMNS);
        terminal_wrap(stdout, entry->summary, NAME_COLUMNS);
    }
}

static void print_row(const char *label, const char *text)
{
    terminal_cell(stdout, label, LABEL_COLUMNS);
    terminal_wrap(stdout, text, LABEL_COLUMNS);
}

static void print_default(const struct sower_parameter *parameter, char *text, size_t size)
{
    char real[SOWER_REAL_SIZE];
    if (parameter->required) {
        snprintf(text, size, "required");
    } else if (parameter->kind == SOWER_PARAMETER_CHOICE) {
        snprintf(text, size, "default %s", parameter->choices[(size_t)parameter->default_value]);
    } else if (parameter->kind == SOWER_PARAMETER_BOOLEAN) {
        snprintf(text, size, "default %s", parameter->default_value != 0 ? "true" : "false");
    } else {
        sower_text_print_real(parameter->default_value, real);
        snprintf(text, size, "default %s", real);
    }
}

static void print_parameters(const struct sower_entry *entry)
{
    char domain[160], fallback[64], row[512];
    for (const struct sower_parameter *parameter = entry->parameters; parameter->name != NULL; parameter++) {
        sower_catalogue_domain(parameter, domain, sizeof domain);
        print_default(parameter, fallback, sizeof fallback);
        snprintf(row, sizeof row, "%s: %s; %s; %s", parameter->name, parameter->meaning, domain, fallback);
        print_row(parameter == entry->parameters ? "parameters" : "", row);
    }
}

static void print_dimensions(const struct sower_entry *entry)
{
    char text[64];
    if (entry->rank_minimum == entry->rank_maximum) {
        snprintf(text, sizeof text, "%zu", entry->rank_minimum);
    } else {
        snprintf(text, sizeof text, "%zu to %zu", entry->rank_minimum, entry->rank_maximum);
    }
    print_row("dimensions", text);
}

static void print_card(const struct sower_entry *entry)
{
    char text[512];
    printf("%s", entry->name);
    for (size_t i = 0; entry->aliases[i] != NULL; i++) {
        printf("%s%s", i == 0 ? ", also " : ", ", entry->aliases[i]);
    }
    fputc('\n', stdout);
    terminal_wrap(stdout, entry->summary, 0);
    fputc('\n', stdout);
    print_row("formula", entry->formula);
    print_parameters(entry);
    print_dimensions(entry);
    print_row("source", entry->source);
    snprintf(text, sizeof text, "--init '%s'", entry->example);
    print_row("example", text);
}

/* Prints the JSON value and releases it. */
static enum sow_exit print_json(const struct options *options, json_t *json)
{
    bool printed = terminal_json_value(stdout, json);
    json_decref(json);
    return printed ? SOW_DONE : report_memory(options);
}

static enum sow_exit run(const struct options *options)
{
    bool json = options_value(options, "json") != NULL;
    if (options->operand == NULL) {
        if (json) {
            return print_json(options, sower_document_catalogue());
        }
        print_list();
        return SOW_DONE;
    }
    struct sower_signature signature;
    if (!sower_names_find(options->operand, strlen(options->operand), &signature)) {
        char suggestion[SOWER_SUGGESTION_SIZE];
        sower_names_suggest(options->operand, strlen(options->operand), "'", suggestion);
        return options_error(options, "there is no initializer '%s'%s", options->operand, suggestion);
    }
    if (json) {
        return print_json(options, sower_document_entry(signature.entry));
    }
    print_card(signature.entry);
    return SOW_DONE;
}

const struct command command_initializers = {
    .name = "initializers",
    .summary = "list the initializers, or explain one",
    .synopsis = "[NAME] [--json]",
    .description =
        "Lists all initializers. With a name, shows the formula of that initializer, its parameters "
        "with their domains and defaults, and its source. No daemon is needed.",
    .examples = "  sow initializers\n"
                "  sow initializers he_normal\n"
                "  sow initializers --json | jq '.[].name'\n",
    .operand = "NAME",
    .groups = GROUPS,
    .run = run,
};
