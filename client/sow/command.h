/* The commands of sow.
 *
 * Each command is a table entry. The parser, the help and the suggestions for mistyped options all use its
 * option groups, so the help always lists the options that are accepted. main.c finds the command, parses
 * its options and runs it. */
#ifndef SOWER_CLIENT_SOW_COMMAND_H
#define SOWER_CLIENT_SOW_COMMAND_H

struct option_group;
struct options;

/* Exit statuses; sow.1 has the same table. sow checks a request by the rules of the daemon; when it refuses
 * a request, the status is the same as when the daemon refuses it. */
enum sow_exit {
    SOW_DONE = 0,
    SOW_REFUSED = 1,   /* the request was refused and would be refused again; or a ledger or tensor that was
                        checked by verify or replay has a fault */
    SOW_USAGE = 2,     /* the command line was wrong; no request was sent */
    SOW_TRANSPORT = 3, /* a failure that may be temporary or local: no daemon, a busy daemon, an unexpected
                          response, a lost connection, a file that cannot be read or written, memory that
                          ran out */
};

struct command {
    const char *name;               /* one word, or two: "ledger head" */
    const char *summary;            /* a few words, no full stop */
    const char *synopsis;           /* follows "sow NAME" in the usage line */
    const char *description;        /* a paragraph */
    const char *examples;           /* complete lines, each a command or a comment */
    const char *const *subcommands; /* second words that make other commands, for suggestions; NULL: none */
    const char *operand;            /* the name of its only operand; NULL: it takes none */
    const struct option_group *const *groups; /* ended by NULL */
    enum sow_exit (*run)(const struct options *options);
};

extern const struct command command_get;
extern const struct command command_model;
extern const struct command command_derive;
extern const struct command command_verify;
extern const struct command command_plan;
extern const struct command command_stats;
extern const struct command command_trial;
extern const struct command command_experiments;
extern const struct command command_pin;
extern const struct command command_seed;
extern const struct command command_ledger;
extern const struct command command_ledger_head;
extern const struct command command_ledger_verify;
extern const struct command command_replay;
extern const struct command command_initializers;
extern const struct command command_recipes;
extern const struct command command_token_new;

#endif
