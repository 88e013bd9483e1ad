/* Options: what the command line and the environment say.
 *
 * One table holds every option: its name, the environment variable that stands for it (SOWERD_ and the name
 * in upper case), its value's kind and what --help says. The command line wins over the environment, both win
 * over the default. */
#ifndef SOWER_SERVER_OPTIONS_H
#define SOWER_SERVER_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "core/problem.h"
#include "server/base/log.h"

struct sower_options {
    const char *listen; /* "127.0.0.1:7697", "[::1]:7697" */
    const char *hosts;  /* names that the daemon is asked by, as hosts.h has them; NULL: no further ones */
    const char *state;  /* directory; NULL: $STATE_DIRECTORY, else the user's */
    const char *ledger; /* URL; NULL: sqlite: in the state directory */
    bool strict;        /* draws that drift are refused */
    const char *root_key_file; /* NULL: the public root */
    uint64_t threads;          /* that serve connections; 0: one for each CPU */
    uint64_t compute_threads;  /* for heavy tensors, and to help with others; 0: one for each CPU */
    uint64_t cache_size;       /* bytes of prepared factors that are kept */
    uint64_t wait_seconds;     /* how long a preparation may wait for memory of these */
    uint64_t answer_cache;     /* bytes of small answers that are kept */
    uint64_t max_preparation;  /* seconds of one CPU that preparing a tensor may take, by estimate */
    uint64_t max_orthogonal;   /* the smaller side of the largest matrix that is prepared */
    uint64_t connections;      /* open at the same time */
    uint64_t per_client;       /* of them; 0: half */
    uint64_t idle_seconds;     /* a connection on which nothing moves is closed */
    uint64_t header_seconds;   /* what the headers of a request may take to come */
    uint64_t request_seconds;  /* and its body */
    uint64_t drain_seconds;    /* how long streams may go on after SIGTERM */
    uint64_t queue;            /* draws that may wait for the ledger */
    uint64_t known_draws;      /* recorded draws that are remembered in memory */
    enum sower_log_level log_level;
};

enum sower_options_outcome { SOWER_OPTIONS_RUN, SOWER_OPTIONS_DONE, SOWER_OPTIONS_REFUSED };

/* Reads the environment and the command line. DONE after --help and --version, which are answered on standard
 * output; REFUSED with a problem that names the option or the variable. Strings point into argv or environ.
 */
enum sower_options_outcome sower_options_read(int argc, char **argv, struct sower_options *options,
                                              struct sower_problem *problem);

/* Warns in the log of variables that begin with SOWERD_ and are none of the table's: they have no effect.
 * Those that Kubernetes sets for services are not meant. */
void sower_options_warn(const struct sower_log *log);

/* How many files may be open: one a connection, as many for those that stand in line (acceptor.h), and some
 * more. With fewer the line is shorter. */
uint64_t sower_options_files(const struct sower_options *options);

/* A number of threads as given, or one for each CPU where it is 0. */
uint64_t sower_options_threads(uint64_t given);

/* The directory of the state: of the options, else the first of $STATE_DIRECTORY (systemd), else
 * $XDG_STATE_HOME/sower, else ~/.local/state/sower. It is made, with its parents, for the owner alone when it
 * does not exist; one that others may write to is refused. */
bool sower_options_state(const struct sower_options *options, char *path, size_t size,
                         struct sower_problem *problem);

#endif
