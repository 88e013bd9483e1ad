/* Commands of sow: what each one is called, takes and does.
 *
 * A command is a table entry: its help, the unknown-option hints and the parsing all come from its groups of
 * options, so what the help says is what is taken. main.c looks the command up, reads its options and runs
 * it. */
#ifndef SOWER_CLIENT_SOW_COMMAND_H
#define SOWER_CLIENT_SOW_COMMAND_H

struct option_group;
struct options;

/* How sow ends; sow.1 has the same table. A request that is refused offline, by the daemon's own rules, ends
 * as if the daemon had refused it. */
enum sow_exit {
    SOW_DONE = 0,
    SOW_REFUSED = 1,   /* the request was refused: asked again, it would be refused again. Or a ledger, or a
                          tensor of it, that verify or replay looked at does not fit */
    SOW_USAGE = 2,     /* the command line was wrong; nothing was asked */
    SOW_TRANSPORT = 3, /* it could not be done now, or not from here: no daemon, one that is busy, an answer
                          that is not what it must be, a connection that broke, a file that could not be read
                          or written, memory that ran out */
};

struct command {
    const char *name;                         /* one word, or two: "ledger head" */
    const char *summary;                      /* a few words, no full stop */
    const char *synopsis;                     /* what follows "sow NAME" in the usage line */
    const char *description;                  /* a paragraph */
    const char *examples;                     /* complete lines, each a command or a comment */
    const char *operand;                      /* what its one operand is called; NULL: it takes none */
    const struct option_group *const *groups; /* ended by NULL */
    enum sow_exit (*run)(const struct options *options);
};

extern const struct command command_get;
extern const struct command command_model;
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

#endif
