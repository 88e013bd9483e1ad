/* The main program of sow: starting weights on the command line. */
#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <curl/curl.h>
#include <sodium.h>

#include "client/sow/completion.h"
#include "client/sow/options.h"
#include "client/sow/terminal/cleanup.h"
#include "client/sow/terminal/terminal.h"
#include "core/draw.h"
#include "core/edit_distance.h"
#include "core/environment.h"
#include "proto/standard_files.h"
#include "proto/version.h"

static const struct command *const COMMANDS[] = {
    &command_get,    &command_model,       &command_derive, &command_verify,       &command_plan,
    &command_trial,  &command_seed,        &command_ledger, &command_ledger_head,  &command_ledger_verify,
    &command_replay, &command_experiments, &command_pin,    &command_initializers, &command_recipes,
    &command_stats,  &command_token_new,
};

enum { COMMAND_COUNT = sizeof COMMANDS / sizeof COMMANDS[0] };

static void print_help(FILE *file)
{
    fputs("usage: sow COMMAND [option …]\n\nStarting weights for neural networks, the same bits everywhere, "
          "from a sowerd daemon.\n\nCommands:\n",
          file);
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        fprintf(file, "  %-14s", COMMANDS[i]->name);
        terminal_wrap(file, COMMANDS[i]->summary, 16);
    }
    fputs("\n'sow COMMAND --help' shows the options of a command, with examples. 'sow --version' prints the "
          "version.\nThe daemon's address comes from --server, else from SOW_SERVER, else it is "
          "http://127.0.0.1:7697.\n",
          file);
}

/* The number of words in the command's name when `words` begins with it; otherwise 0. */
static int count_words(const struct command *command, int count, char **words)
{
    size_t first = strlen(words[0]);
    if (strcmp(command->name, words[0]) == 0) {
        return 1;
    }
    return count > 1 && strncmp(command->name, words[0], first) == 0 && command->name[first] == ' ' &&
                   strcmp(command->name + first + 1, words[1]) == 0
               ? 2
               : 0;
}

/* The command whose name is the longest prefix of the words; *taken is the number of words in its name. */
static const struct command *find_command(int count, char **words, int *taken)
{
    const struct command *found = NULL;
    *taken = 0;
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        int takes = count_words(COMMANDS[i], count, words);
        if (takes > *taken) {
            *taken = takes;
            found = COMMANDS[i];
        }
    }
    return found;
}

static enum sow_exit report_unknown_command(const char *word)
{
    char suggestion[SOWER_SUGGESTION_SIZE];
    struct sower_nearest nearest = {.name = word};
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        sower_nearest_try(&nearest, COMMANDS[i]->name);
    }
    for (size_t i = 0; i < COMMAND_COUNT; i++) { /* the first of two words */
        const size_t length = strlen(word);
        if (length > 0 && strncmp(COMMANDS[i]->name, word, length) == 0 && COMMANDS[i]->name[length] == ' ') {
            nearest.found = COMMANDS[i]->name;
        }
    }
    sower_nearest_suggestion(nearest.found, "'", "'", suggestion);
    fputs("sow: there is no command '", stderr);
    terminal_print(stderr, word);
    fprintf(stderr, "'%s\nTry 'sow --help'.\n", suggestion);
    return SOW_USAGE;
}

/* Prints what may stand for the last of the words (completion.h). */
static enum sow_exit complete(int count, char **words)
{
    int taken = 0;
    const struct command *command = count > 1 ? find_command(count - 1, words, &taken) : NULL;
    if (count == 1) {
        completion_first(COMMANDS, COMMAND_COUNT, words[0], stdout);
    }
    if (count == 2) {
        completion_second(COMMANDS, COMMAND_COUNT, words[0], words[1], stdout);
    }
    if (command != NULL) {
        completion_words(command, count - taken, words + taken, stdout);
    }
    return SOW_DONE;
}

static enum sow_exit run(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : "";
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
        print_help(stdout);
        return SOW_DONE;
    }
    if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0) {
        printf("sow %s, spec %d\n", SOWER_VERSION, SOWER_SPEC);
        return SOW_DONE;
    }
    if (argc < 2) {
        print_help(stderr);
        return SOW_USAGE;
    }
    if (strcmp(word, "complete") == 0) {
        return complete(argc - 2, argv + 2);
    }
    int taken;
    const struct command *command = find_command(argc - 1, argv + 1, &taken);
    struct options options;
    if (command == NULL) {
        return report_unknown_command(word);
    }
    if (!options_parse(command, argc - taken, argv + taken, &options)) {
        return SOW_USAGE;
    }
    if (options_value(&options, "help") != NULL) {
        options_help(command, stdout);
        return SOW_DONE;
    }
    return command->run(&options);
}

int main(int argc, char **argv)
{
    sower_environment_set(); /* before any thread starts, so that all threads inherit it */
    sower_standard_files_take();
    setlocale(LC_CTYPE, ""); /* not LC_NUMERIC: numbers have a decimal point in every locale */
    if (sodium_init() < 0 || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        fputs("sow: libsodium or libcurl cannot start.\n", stderr);
        return SOW_TRANSPORT;
    }
    cleanup_install();
    enum sow_exit result = run(argc, argv);
    curl_global_cleanup();
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "sow: cannot write standard output: %s.\n", strerror(errno));
        result = result == SOW_DONE ? SOW_TRANSPORT : result;
    }
    return (int)result;
}
