/* Who may do what: the tokens of the file --tokens (proto/token.h).
 *
 * The file is read at the start and again on SIGHUP. A request keeps the list of tokens that was valid when it began,
 * so a token does not disappear in the middle of a request. All functions but the first two may be called by any
 * thread. */
#ifndef SOWER_SERVER_ACCESS_TOKENS_H
#define SOWER_SERVER_ACCESS_TOKENS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/attributes.h"
#include "core/problem.h"
#include "proto/token.h"

enum { SOWER_TOKENS_MAX = 1024, SOWER_TOKENS_FILE_MAX = 4 << 20 };

/* One reading of the file. Private; counted. */
struct sower_token_list;

struct sower_tokens {
    const char *path; /* NULL: the daemon has no tokens, and everybody may do everything */
    pthread_mutex_t lock;
    struct sower_token_list *list;
};

/* Reads the file, unless `path` is NULL. False with a problem that names the line; release *tokens also then. */
SOWER_MUST_USE bool sower_tokens_open(struct sower_tokens *tokens, const char *path,
                                      struct sower_problem *problem);
void sower_tokens_close(struct sower_tokens *tokens);

/* Reads the file again. False with a problem: the tokens stay as they are. Sets the number of tokens. */
SOWER_MUST_USE bool sower_tokens_reload(struct sower_tokens *tokens, size_t *count,
                                        struct sower_problem *problem);

/* The token with this secret, or NULL. The caller gives it back. */
SOWER_MUST_USE const struct sower_token *sower_tokens_take(struct sower_tokens *tokens,
                                                           const uint8_t secret[SOWER_TOKEN_SIZE]);
void sower_tokens_give(const struct sower_token *token);

#endif
