#include "client/sow/completion.h"

#include <stdbool.h>
#include <string.h>

#include "client/sow/options.h"
#include "core/catalogue.h"
#include "core/dtype.h"
#include "proto/format.h"
#include "proto/recipes.h"

/* The word to complete: `before` is the part of it that stays, "--dtype=" or nothing. */
struct place {
    FILE *file;
    const char *before;
    size_t before_length;
    const char *prefix;
};

/* Prints a candidate, which has `length` bytes, if it begins as the word does. */
static void offer(const struct place *place, const char *mark, const char *candidate, size_t length,
                  const char *meaning)
{
    char word[128];
    snprintf(word, sizeof word, "%s%.*s", mark, (int)length, candidate);
    if (strncmp(word, place->prefix, strlen(place->prefix)) == 0) {
        fprintf(place->file, "%.*s%s\t%s\n", (int)place->before_length, place->before, word, meaning);
    }
}

static void offer_word(const struct place *place, const char *candidate, const char *meaning)
{
    offer(place, "", candidate, strlen(candidate), meaning);
}

static void offer_initializers(const struct place *place)
{
    const struct sower_entry *entry;
    for (size_t i = 0; (entry = sower_catalogue_entry(i)) != NULL; i++) {
        offer_word(place, entry->name, entry->summary);
    }
}

static void offer_recipes(const struct place *place)
{
    const struct sower_recipe *recipe;
    for (size_t i = 0; (recipe = sower_recipe(i)) != NULL; i++) {
        offer_word(place, recipe->name, recipe->summary);
    }
}

static void offer_dtypes(const struct place *place)
{
    for (enum sower_dtype dtype = SOWER_F64; dtype < SOWER_DTYPE_COUNT; dtype++) {
        offer_word(place, sower_dtype_name(dtype), "");
    }
}

static void offer_formats(const struct place *place)
{
    for (enum sower_format format = SOWER_FORMAT_NPY; format <= SOWER_FORMAT_SAFETENSORS; format++) {
        offer_word(place, sower_format_name(format), "");
    }
}

/* Who knows the values of an option, or the operand of a command. */
static const struct source {
    const char *name;
    void (*offer)(const struct place *place);
} SOURCES[] = {
    {"init", offer_initializers},
    {"recipe", offer_recipes},
    {"dtype", offer_dtypes},
    {"format", offer_formats},
    {"initializers", offer_initializers},
    {"recipes", offer_recipes},
};

/* Candidates for a value: `value` is its name in the help, `name` that of the option or command. */
static void offer_values(const struct place *place, const char *name, const char *value)
{
    for (size_t i = 0; i < sizeof SOURCES / sizeof SOURCES[0]; i++) {
        if (strcmp(name, SOURCES[i].name) == 0) {
            SOURCES[i].offer(place);
            return;
        }
    }
    if (strncmp(value, "FILE", 4) == 0 || strcmp(value, "DIRECTORY") == 0) {
        fputs(":file\n", place->file);
    } else if (strchr(value, '|') != NULL || strcmp(value, "new") == 0) { /* the values themselves */
        for (size_t length; *value != '\0'; value += length + (value[length] == '|')) {
            length = strcspn(value, "|");
            offer(place, "", value, length, "");
        }
    }
}

static void offer_options(const struct place *place, const struct command *command)
{
    for (size_t g = 0; command->groups[g] != NULL; g++) {
        for (const struct option_rule *rule = command->groups[g]->rules; rule->name != NULL; rule++) {
            offer(place, "--", rule->name, strlen(rule->name), rule->meaning);
        }
    }
}

/* The rule of an option with a value, "--dtype" or "-d"; NULL if the word is no such option. */
static const struct option_rule *find_rule(const struct command *command, const char *word, size_t length)
{
    bool is_long = length > 2 && strncmp(word, "--", 2) == 0;
    for (size_t g = 0; command->groups[g] != NULL; g++) {
        for (const struct option_rule *rule = command->groups[g]->rules; rule->name != NULL; rule++) {
            if (rule->value != NULL &&
                (is_long ? strlen(rule->name) == length - 2 && memcmp(rule->name, word + 2, length - 2) == 0
                         : length == 2 && word[0] == '-' && word[1] == rule->letter)) {
                return rule;
            }
        }
    }
    return NULL;
}

/* The option whose value the last word is; NULL if there is none. Moves the place to the value. bash makes three words of
 * --dtype=f32, other shells make one. */
static const struct option_rule *value_of(const struct command *command, int count, char **words,
                                          struct place *place)
{
    const char *previous = count > 1 ? words[count - 2] : "";
    if (strcmp(place->prefix, "=") == 0) {
        place->prefix = "";
    } else if (strcmp(previous, "=") == 0 && count > 2) {
        previous = words[count - 3];
    }
    const char *equals = strncmp(place->prefix, "--", 2) == 0 ? strchr(place->prefix, '=') : NULL;
    if (equals == NULL) {
        return find_rule(command, previous, strlen(previous));
    }
    size_t length = (size_t)(equals - place->prefix);
    place->before = place->prefix;
    place->before_length = length + 1;
    place->prefix = equals + 1;
    return find_rule(command, place->before, length);
}

/* Whether a command before number `end` begins with the same word, which has `length` bytes. */
static bool is_offered(const struct command *const *commands, size_t end, const char *word, size_t length)
{
    for (size_t i = 0; i < end; i++) {
        if (strncmp(commands[i]->name, word, length) == 0 && strchr(" ", commands[i]->name[length]) != NULL) {
            return true;
        }
    }
    return false;
}

void completion_first(const struct command *const *commands, size_t count, const char *word, FILE *file)
{
    const struct place place = {.file = file, .before = "", .prefix = word};
    for (size_t i = 0; i < count; i++) {
        size_t length = strcspn(commands[i]->name, " ");
        if (!is_offered(commands, i, commands[i]->name, length)) {
            offer(&place, "", commands[i]->name, length, commands[i]->summary);
        }
    }
    if (word[0] == '-') {
        offer_word(&place, "--help", "show the commands");
        offer_word(&place, "--version", "print the version");
    }
}

void completion_second(const struct command *const *commands, size_t count, const char *first,
                       const char *word, FILE *file)
{
    const struct place place = {.file = file, .before = "", .prefix = word};
    size_t length = strlen(first);
    for (size_t i = 0; i < count; i++) {
        if (strncmp(commands[i]->name, first, length) == 0 && commands[i]->name[length] == ' ') {
            offer_word(&place, commands[i]->name + length + 1, commands[i]->summary);
        }
    }
}

void completion_words(const struct command *command, int count, char **words, FILE *file)
{
    struct place place = {.file = file, .before = "", .prefix = words[count - 1]};
    bool options_ended = false;
    for (int i = 0; i < count - 1; i++) {
        options_ended = options_ended || strcmp(words[i], "--") == 0;
    }
    const struct option_rule *rule = options_ended ? NULL : value_of(command, count, words, &place);
    if (rule != NULL) {
        offer_values(&place, rule->name, rule->value);
        return;
    }
    if (place.before_length > 0) {
        return; /* --verify=…: a flag takes no value */
    }
    bool has_words = command->operand != NULL || command->subcommands != NULL;
    if (!options_ended && (place.prefix[0] == '-' || !has_words)) {
        offer_options(&place, command);
        return;
    }
    if (command->operand != NULL) {
        offer_values(&place, command->name, command->operand);
    }
}
