/* Options: parses a command line by the option tables of its command (getopt_long).
 *
 * A long option may be shortened to an unambiguous prefix. A value follows "=" or is the next word. "--"
 * ends the options. An option with a value may be given once, unless its rule says otherwise: with two
 * experiments it is not clear which one is meant. Every mistake is reported on stderr, with the usage line.
 */
#ifndef SOWER_CLIENT_SOW_OPTIONS_H
#define SOWER_CLIENT_SOW_OPTIONS_H

#include <stdbool.h>
#include <stdio.h>

#include "client/sow/command.h"
#include "core/attributes.h"

enum { OPTION_MAX = 64, OPTION_REPEAT_MAX = 64 };

struct option_rule {
    const char *name;  /* without dashes; NULL ends a list */
    char letter;       /* the short form; 0: none */
    const char *value; /* the name of its value in the help, NULL: a flag. " ..." at the end of the name means
                            that the option may be repeated */
    const char *meaning; /* one line for the help */
};

struct option_group {
    const char *title; /* heading in the help */
    const struct option_rule *rules;
};

struct options {
    const struct command *command;
    const char *values[OPTION_MAX]; /* in the order of the rules; NULL: not given; "": a flag that is given */
    const char *operand;            /* NULL: not given */
    struct option_repeated {
        size_t index; /* of the rule */
        const char *value;
    } repeated[OPTION_REPEAT_MAX]; /* all values of the options that may be repeated, in their order */
    size_t repeated_count;
};

/* The options of every command: --help. */
extern const struct option_group options_common;

/* Parses the words after the command's name; argv[0] is the name. The values point into argv. Returns false
 * when the command line is wrong, which is reported then. */
SOWER_MUST_USE bool options_parse(const struct command *command, int argc, char **argv,
                                  struct options *options);

/* The value of an option, by its name without dashes; NULL when it was not given. */
const char *options_value(const struct options *options, const char *name);

/* Value number n, from 0, of an option that may be repeated; NULL when it was given at most n times. An option that may
 * not be repeated has one value. */
const char *options_nth(const struct options *options, const char *name, size_t n);

/* Prints what is wrong on stderr ("sow NAME: ..." and the usage line). Returns SOW_USAGE. `sentence` is a
 * printf format. */
enum sow_exit options_error(const struct options *options, const char *sentence, ...)
    __attribute__((format(printf, 2, 3)));

/* Prints the help of a command. */
void options_help(const struct command *command, FILE *file);

#endif
