/* Options: a command line read by the tables of its command.
 *
 * Long options may be shortened as far as they stay unambiguous, values follow "=" or come as the next word,
 * "--" ends the options (getopt_long). An option with a value is given at most once (of two experiments
 * neither is silently the right one), unless its rule says that it may be repeated. Every mistake is told on
 * stderr, together with the usage line. */
#ifndef SOWER_CLIENT_SOW_OPTIONS_H
#define SOWER_CLIENT_SOW_OPTIONS_H

#include <stdbool.h>
#include <stdio.h>

#include "client/sow/command.h"

enum { OPTION_MAX = 40, OPTION_REPEAT_MAX = 16 };

struct option_rule {
    const char *name;    /* without dashes; NULL ends a list */
    char letter;         /* the short form; 0: none */
    const char *value;   /* what its value is called in the help; NULL: a flag. One that ends in " ..." may be
                            given several times; a command has at most one such option */
    const char *meaning; /* one line for the help */
};

struct option_group {
    const char *title; /* heading in the help */
    const struct option_rule *rules;
};

struct options {
    const struct command *command;
    const char *values[OPTION_MAX];          /* in the order of the rules; NULL: not given; flags hold "" */
    const char *operand;                     /* NULL: not given */
    const char *repeated[OPTION_REPEAT_MAX]; /* all values of the option that may be given several times */
    size_t repeated_count;
};

/* The options that every command takes: --help. */
extern const struct option_group options_common;

/* Reads the words after the command's name (argv[0] is that name). The strings stay those of argv. False when
 * the line is wrong, which has been told then. */
bool options_parse(const struct command *command, int argc, char **argv, struct options *options);

/* The value of an option of the command, or NULL when it was not given. */
const char *options_value(const struct options *options, const char *name);

/* Says what is wrong on stderr ("sow NAME: …" and the usage line) and returns SOW_USAGE. */
enum sow_exit options_error(const struct options *options, const char *sentence, ...)
    __attribute__((format(printf, 2, 3)));

/* The whole help of a command. */
void options_help(const struct command *command, FILE *file);

#endif
