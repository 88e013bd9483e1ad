/* Tokens: what a client shows to a daemon, and what the daemon knows of it.
 *
 * A token is 32 random bytes, written as "sower_" and 43 characters of base64url (RFC 4648, section 5, without padding).
 * The prefix lets scanners of source code find a token that was committed by mistake. A client sends it as
 * "Authorization: Bearer TOKEN" (RFC 6750).
 *
 * The daemon's file has one line for each token, with a hash in place of the token: who reads the file cannot use it.
 *
 *     NAME HASH SCOPES EXPERIMENTS [lines/s=N] [lines=N]
 *
 * - NAME: 1 to 64 of a-z, 0-9, ".", "_" and "-", and the first is a letter or a digit. It appears in logs and metrics.
 *   Several lines may have one name: then two tokens are valid while one replaces the other.
 * - HASH: the BLAKE2b-256 of the 32 bytes, in hex.
 * - SCOPES: words separated by commas (enum sower_scope).
 * - EXPERIMENTS: patterns separated by commas. A pattern is a name, or the beginning of a name and "*". "%" and two hex
 *   digits are one byte, for names with a space, a comma, "*" or "%".
 * - lines/s and lines limit how many lines the ledger gets under this name: a second, and in all.
 *
 * An empty line, and one that begins with "#", is a comment. */
#ifndef SOWER_PROTO_TOKEN_H
#define SOWER_PROTO_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/attributes.h"
#include "core/problem.h"

enum sower_scope {
    SOWER_SCOPE_PLAN = 1,     /* what a request would give: plans, statistics, seeds, manifests */
    SOWER_SCOPE_DRAW = 2,     /* weights, which are recorded */
    SOWER_SCOPE_TRIALS = 4,   /* trial numbers */
    SOWER_SCOPE_PIN = 8,      /* pin and unpin experiments */
    SOWER_SCOPE_READ = 16,    /* what was recorded under an experiment, draw, seed or manifest */
    SOWER_SCOPE_EXPORT = 32,  /* the whole ledger and its head */
    SOWER_SCOPE_METRICS = 64, /* the daemon's metrics */
    SOWER_SCOPE_ANY = 127,
    SOWER_SCOPE_FREE = 128, /* of a route, not of a token: it needs no token */
};

enum {
    SOWER_TOKEN_SIZE = 32,
    SOWER_TOKEN_TEXT_LENGTH = 49,
    SOWER_TOKEN_HASH_SIZE = 32,
    SOWER_TOKEN_NAME_MAX = 64,
    SOWER_TOKEN_PATTERNS_MAX = 64, /* of one token */
    SOWER_TOKEN_LINE_MAX = 16 * 1024,
};

/* `text` has room for the terminating NUL. */
void sower_token_print(const uint8_t secret[SOWER_TOKEN_SIZE], char text[SOWER_TOKEN_TEXT_LENGTH + 1]);
SOWER_MUST_USE bool sower_token_parse(const char *text, size_t length, uint8_t secret[SOWER_TOKEN_SIZE]);
void sower_token_hash(const uint8_t secret[SOWER_TOKEN_SIZE], uint8_t hash[SOWER_TOKEN_HASH_SIZE]);

/* "draw, plan and read"; `last` comes before the last word. */
enum { SOWER_SCOPES_SIZE = 64 };
void sower_scopes_print(unsigned scopes, const char *between, const char *last, char text[SOWER_SCOPES_SIZE]);

/* Reads words separated by commas. False with a problem, which names `field`. */
SOWER_MUST_USE bool sower_scopes_parse(const char *text, size_t length, unsigned *scopes,
                                       struct sower_problem *problem);

/* False with a problem. */
SOWER_MUST_USE bool sower_token_name_check(const char *name, size_t length, struct sower_problem *problem);

/* Patterns of experiments' names. */
struct sower_pattern {
    const char *text; /* without the "*" */
    size_t length;
    bool open; /* ends in "*" */
};

/* What a line of the file says. */
struct sower_token {
    char name[SOWER_TOKEN_NAME_MAX + 1];
    uint8_t hash[SOWER_TOKEN_HASH_SIZE];
    unsigned scopes;
    bool all_experiments; /* a pattern is "*" */
    size_t pattern_count;
    struct sower_pattern *patterns; /* their text is in the line that was read */
    uint64_t lines_per_second;      /* 0: no limit */
    uint64_t lines_max;             /* 0: no limit */
};

/* Reads a line, which is not a comment, and changes it. The token points into the line, and owns `patterns`:
 * sower_token_free releases them, also after false. Problems name what is wrong with the line, not where it is. */
SOWER_MUST_USE bool sower_token_line_read(char *line, struct sower_token *token,
                                          struct sower_problem *problem);
void sower_token_free(struct sower_token *token);

/* Checks patterns as they are in a line, for who writes one. */
SOWER_MUST_USE bool sower_patterns_check(const char *patterns, struct sower_problem *problem);

/* Whether the token may use an experiment of this name. */
bool sower_token_may_use(const struct sower_token *token, const char *experiment);

#endif
