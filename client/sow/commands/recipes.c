/* sow recipes: prints the recipes, which are part of this program. */
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "client/sow/daemon/report.h"
#include "client/sow/terminal/terminal.h"
#include "core/edit_distance.h"
#include "proto/json.h"
#include "proto/recipes.h"
#include "proto/text.h"

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
        if (!rules) { /* a constant has few digits: 0.1, and not 0.10000000000000001 */
            sower_json_print(value, JSON_COMPACT | JSON_REAL_PRECISION(15), &text);
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

/* "Blocks: encoder.layer, transformer.layer" */
static void add_blocks(struct sower_buffer *text, const struct sower_recipe *recipe)
{
    for (size_t i = 0; recipe->blocks != NULL && recipe->blocks[i] != NULL; i++) {
        sower_buffer_text(text, i == 0 ? "\nBlocks: " : ", ");
        sower_buffer_text(text, recipe->blocks[i]);
    }
}

/* "Constants: initializer_factor=1, d_kv=64" */
static void add_constants(struct sower_buffer *text, const struct sower_recipe *recipe)
{
    const struct sower_recipe_constant *constants = recipe->constants;
    for (size_t i = 0; constants != NULL && constants[i].name != NULL; i++) {
        char number[SOWER_REAL_SIZE];
        sower_text_print_real(constants[i].value, number);
        sower_buffer_text(text, i == 0 ? "\nConstants: " : ", ");
        sower_buffer_text(text, constants[i].name);
        sower_buffer_text(text, "=");
        sower_buffer_text(text, number);
    }
}

/* "Compared with timm 1.0.31 (2026-01-31): VisionTransformer" */
static void add_comparisons(struct sower_buffer *text, const struct sower_recipe *recipe)
{
    const struct sower_recipe_comparison *with = recipe->compared;
    for (; with != NULL && with->package != NULL; with++) {
        const char *const parts[] = {"\nCompared with ", with->package, " ",          with->version, " (",
                                     with->date,         "): ",         with->classes};
        for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
            sower_buffer_text(text, parts[i]);
        }
    }
}

/* Prints the name, and beside it the lines of the text. */
static void print_entry(const char *name, char *text)
{
    terminal_cell(stdout, name, NAME_COLUMNS);
    for (char *end = text; end != NULL; text = end + 1) {
        end = strchr(text, '\n');
        if (end != NULL) {
            *end = '\0';
        }
        terminal_wrap(stdout, text, NAME_COLUMNS);
        if (end != NULL) {
            printf("%*s", NAME_COLUMNS, "");
        }
    }
}

/* Lists all recipes: what each is for, what it takes from a configuration, and with which classes it was compared. */
static enum sow_exit print_list(const struct options *options)
{
    const struct sower_recipe *recipe;
    for (size_t i = 0; (recipe = sower_recipe(i)) != NULL; i++) {
        struct sower_buffer text = {0};
        sower_buffer_text(&text, recipe->summary);
        add_blocks(&text, recipe);
        add_constants(&text, recipe);
        add_comparisons(&text, recipe);
        sower_buffer_bytes(&text, "", 1);
        if (text.failed) {
            sower_buffer_free(&text);
            return report_memory(options);
        }
        print_entry(recipe->name, text.text);
        sower_buffer_free(&text);
    }
    return SOW_DONE;
}

static enum sow_exit run(const struct options *options)
{
    bool json = options_value(options, "json") != NULL;
    if (options->operand == NULL && json) {
        return print_json(options, sower_recipes_json());
    }
    if (options->operand == NULL) {
        return print_list(options);
    }
    const struct sower_recipe *recipe = sower_recipe_find(options->operand);
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
        "Lists the recipes: named rules that initialize a model as well-known code does. The list says which "
        "lists of blocks and which constants their formulas use, and with which classes of which packages "
        "they "
        "were compared, tensor by tensor. With a name, prints that recipe in the form of a manifest, which "
        "can "
        "be edited. No daemon is needed.",
    .examples = "  sow recipes\n"
                "  sow recipes hf_gpt2 > rules.json\n"
                "  sow model -e exp-42 --like model.safetensors --manifest rules.json -o start.safetensors\n",
    .operand = "NAME",
    .groups = GROUPS,
    .run = run,
};
