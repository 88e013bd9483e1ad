/* sow recipes: prints the recipes, which are part of this program. */
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "client/sow/daemon/report.h"
#include "client/sow/terminal/terminal.h"
#include "core/edit_distance.h"
#include "proto/json.h"
#include "proto/recipes.h"

enum { NAME_COLUMNS = 24 };

static const struct option_rule RECIPES[] = {
    {"json", 'j', NULL, "print JSON, as in /v1/recipes"},
    {0},
};

static const struct option_group RECIPES_OPTIONS = {"Output", RECIPES};

static const struct option_group *const GROUPS[] = {&RECIPES_OPTIONS, &options_common, NULL};

/* Prints the JSON value and releases it. */
static enum sow_exit print_json(const struct options *options, json_t *json)
{
    bool printed = terminal_json_value(stdout, json);
    json_decref(json);
    return printed ? SOW_DONE : report_memory(options);
}

/* Prints the manifest of the recipe with one rule per line, to be saved and edited. */
static enum sow_exit print_rules(const struct options *options, const struct sower_recipe *recipe)
{
    json_t *manifest = sower_recipe_manifest(recipe), *value, *rule;
    const char *key, *separator = "{";
    struct sower_buffer text = {0};
    size_t i;
    json_object_foreach(manifest, key, value)
    {
        bool rules = strcmp(key, "rules") == 0;
        sower_buffer_text(&text, separator);
        sower_buffer_string(&text, key);
        sower_buffer_text(&text, rules ? ":[" : ":");
        json_array_foreach(rules ? value : NULL, i, rule)
        {
            sower_buffer_text(&text, i == 0 ? "\n  " : ",\n  ");
            sower_json_print(rule, JSON_COMPACT, &text);
        }
        if (!rules) {
            sower_json_print(value, JSON_COMPACT, &text);
        }
        separator = ",\n ";
    }
    sower_buffer_text(&text, "\n]}\n");
    bool printed = manifest != NULL && !text.failed;
    json_decref(manifest);
    if (printed) {
        fwrite(text.text, 1, text.length, stdout);
    }
    sower_buffer_free(&text);
    return printed ? SOW_DONE : report_memory(options);
}

static enum sow_exit run(const struct options *options)
{
    bool json = options_value(options, "json") != NULL;
    if (options->operand == NULL && json) {
        return print_json(options, sower_recipes_json());
    }
    const struct sower_recipe *recipe;
    for (size_t i = 0; options->operand == NULL && (recipe = sower_recipe(i)) != NULL; i++) {
        terminal_cell(stdout, recipe->name, NAME_COLUMNS);
        terminal_wrap(stdout, recipe->summary, NAME_COLUMNS);
    }
    if (options->operand == NULL) {
        return SOW_DONE;
    }
    recipe = sower_recipe_find(options->operand);
    if (recipe == NULL) {
        char suggestion[SOWER_SUGGESTION_SIZE];
        sower_nearest_suggestion(sower_recipe_nearest(options->operand), "'", "'", suggestion);
        return options_error(options, "there is no recipe '%s'%s", options->operand, suggestion);
    }
    return json ? print_json(options, sower_recipe_json(recipe)) : print_rules(options, recipe);
}

const struct command command_recipes = {
    .name = "recipes",
    .summary = "list the recipes for models, or print one as rules",
    .synopsis = "[NAME] [--json]",
    .description =
        "Lists the recipes: named rules that initialize a model as well-known code does. With a name, "
        "prints the rules of that recipe in the form of a manifest, which can be edited. No daemon is "
        "needed.",
    .examples = "  sow recipes\n"
                "  sow recipes hf_gpt2 > rules.json\n"
                "  sow model -e exp-42 --like model.safetensors --manifest rules.json -o start.safetensors\n",
    .operand = "NAME",
    .groups = GROUPS,
    .run = run,
};
