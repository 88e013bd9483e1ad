/* Options: the settings from the command line and the environment.
 *
 * One table has every option: its name, the kind and range of its value, its default and its text in --help.
 * Each option can also be set by an environment variable: SOWERD_ and the name in upper case. The command
 * line overrides the environment; both override the default. */
#ifndef SOWER_SERVER_OPTIONS_H
#define SOWER_SERVER_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "core/attributes.h"
#include "core/problem.h"
#include "server/base/listen.h"
#include "server/base/log.h"

struct sower_options {
    struct sower_addresses listen;
    uint64_t socket_mode;        /* permissions of Unix sockets */
    bool open;                   /* may listen beyond this machine without tokens */
    const char *tls_certificate; /* PEM file; NULL: without TLS */
    const char *tls_key;
    const char *tls_client_ca; /* PEM file; NULL: clients need no certificate */

    const char *hosts;          /* additional accepted values of the Host header, as in hosts.h; NULL: none */
    const char *proxies;        /* trusted addresses and networks, as in address.h; NULL: none */
    const char *state;          /* directory; NULL: see sower_options_state */
    const char *ledger;         /* URL; NULL: sqlite: in the state directory */
    uint64_t ledger_max;        /* bytes of the ledger; 0: no limit */
    uint64_t ledger_reserve;    /* bytes that stay free on its disk */
    bool strict;                /* draws that drift are refused */
    const char *root_key_file;  /* NULL: the public root */
    const char *tokens;         /* file with the clients' tokens; NULL: everybody may do everything */
    uint64_t threads;           /* number that serve connections; 0: one per CPU */
    uint64_t compute_threads;   /* prepare heavy tensors and help with others; 0: one per CPU */
    uint64_t cache_size;        /* bytes for cached factors and for preparing them */
    uint64_t wait_seconds;      /* how long a preparation may wait for this memory */
    uint64_t answer_cache;      /* bytes for cached small responses */
    uint64_t max_preparation;   /* seconds of one CPU that preparing a tensor may take, by estimate */
    uint64_t max_orthogonal;    /* the smaller side of the largest matrix to prepare */
    uint64_t connections;       /* open at the same time, at most */
    uint64_t per_client;        /* of these, for one client; 0: half */
    uint64_t idle_seconds;      /* a connection without traffic for so long is closed */
    uint64_t header_seconds;    /* time limit for receiving the headers of a request */
    uint64_t request_seconds;   /* and for its body */
    uint64_t lame_duck_seconds; /* how long everything is served after SIGTERM */
    uint64_t drain_seconds;     /* how long responses may continue after SIGTERM */
    bool sandbox;               /* confine the process */
    uint64_t queue;             /* draws that may wait to be recorded, at most */
    uint64_t known_draws;       /* recorded draws to keep in memory */
    enum sower_log_level log_level;
};

enum sower_options_outcome { SOWER_OPTIONS_RUN, SOWER_OPTIONS_DONE, SOWER_OPTIONS_REFUSED };

/* Reads the environment and the command line. DONE after --help and --version, whose text is on standard
 * output then; REFUSED with a problem that names the option or the variable. Strings point into argv or
 * environ. */
SOWER_MUST_USE enum sower_options_outcome
sower_options_read(int argc, char **argv, struct sower_options *options, struct sower_problem *problem);

/* Logs a warning for each environment variable that begins with SOWERD_ and is not the variable of an option:
 * it has no effect. Variables that Kubernetes sets for services are skipped. */
void sower_options_warn(const struct sower_log *log);

/* The number of open files that the daemon wants: one per connection, as many again for connections that wait
 * in the acceptor's queue (acceptor.h), and some more. With a lower limit the queue is shorter. */
uint64_t sower_options_files(const struct sower_options *options);

/* The given number of threads, or one per CPU if it is 0. */
uint64_t sower_options_threads(uint64_t given);

/* The state directory: --state, else the first of $STATE_DIRECTORY (systemd), else $XDG_STATE_HOME/sower,
 * else ~/.local/state/sower. Creates a missing directory and its missing parents, private to the owner (0700).
 * Refuses a directory that its group or others may write to. `size` is the size of `path` in bytes. */
SOWER_MUST_USE bool sower_options_state(const struct sower_options *options, char *path, size_t size,
                                        struct sower_problem *problem);

#endif
