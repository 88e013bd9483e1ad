#include "server/http/authorize.h"

#include <string.h>
#include <strings.h>

#include <sodium.h>

#include "server/access/tokens.h"
#include "server/base/client.h"
#include "server/server.h"

struct authorization {
    size_t count;
    const char *value;
    size_t length;
};

static enum MHD_Result note_authorization(void *context, enum MHD_ValueKind kind, const char *name,
                                          size_t name_length, const char *value, size_t length)
{
    struct authorization *found = context;
    (void)kind, (void)name_length;
    if (strcasecmp(name, MHD_HTTP_HEADER_AUTHORIZATION) == 0) {
        found->count++;
        found->value = value != NULL ? value : "";
        found->length = value != NULL ? length : 0;
    }
    return MHD_YES;
}

/* The secret of "Authorization: Bearer TOKEN", if the request has exactly one such header. */
static bool find_secret(const struct sower_exchange *exchange, bool *given, uint8_t secret[SOWER_TOKEN_SIZE])
{
    static const char scheme[] = "bearer ";
    struct authorization found = {.count = 0};
    MHD_get_connection_values_n(exchange->connection, MHD_HEADER_KIND, note_authorization, &found);
    *given = found.count > 0;
    if (found.count != 1 || found.length < sizeof scheme - 1 ||
        strncasecmp(found.value, scheme, sizeof scheme - 1) != 0) {
        return false;
    }
    const char *token = found.value + sizeof scheme - 1, *end = found.value + found.length;
    token += strspn(token, " ");
    while (end > token && (end[-1] == ' ' || end[-1] == '\t')) {
        end--;
    }
    return sower_token_parse(token, (size_t)(end - token), secret);
}

static bool refuse_scope(const struct sower_token *token, unsigned scopes, struct sower_problem *problem)
{
    char names[SOWER_SCOPES_SIZE];
    sower_scopes_print(scopes, ", ", " or ", names);
    return sower_problem_set(
        problem, SOWER_PROBLEM_FORBIDDEN, "Authorization",
        "The token \"%s\" does not have the scope %s. The daemon's operator gives scopes.", token->name,
        names);
}

bool sower_authorize(struct sower_exchange *exchange, struct sower_problem *problem)
{
    uint8_t secret[SOWER_TOKEN_SIZE];
    bool given;
    struct sower_tokens *tokens = exchange->server->tokens;
    if (tokens->path == NULL || exchange->scopes == SOWER_SCOPE_FREE) {
        return true;
    }
    const bool parsed = find_secret(exchange, &given, secret);
    exchange->token = parsed ? sower_tokens_take(tokens, secret) : NULL;
    sodium_memzero(secret, sizeof secret);
    if (exchange->token == NULL) {
        return sower_problem_set(
            problem, SOWER_PROBLEM_UNKNOWN, "Authorization",
            given ? "This daemon does not know the token; it may have been withdrawn."
                  : "This daemon needs a token: Authorization: Bearer TOKEN. sow takes it from "
                    "--token-file or SOW_TOKEN_FILE.");
    }
    exchange->client = sower_client_of_name(exchange->token->name);
    return sower_has_scope(exchange, exchange->scopes) ||
           refuse_scope(exchange->token, exchange->scopes, problem);
}

bool sower_may_use(const struct sower_exchange *exchange, const char *experiment,
                   struct sower_problem *problem)
{
    return sower_may_see(exchange, experiment) ||
           sower_problem_set(
               problem, SOWER_PROBLEM_FORBIDDEN, "experiment",
               "The token \"%s\" may not use the experiment \"%.200s\". The daemon's operator gives "
               "experiments.",
               exchange->token->name, experiment);
}

bool sower_may_see(const struct sower_exchange *exchange, const char *experiment)
{
    return exchange->token == NULL || sower_token_may_use(exchange->token, experiment);
}

bool sower_may_see_all(const struct sower_exchange *exchange)
{
    return exchange->token == NULL || exchange->token->all_experiments;
}

bool sower_has_scope(const struct sower_exchange *exchange, unsigned scopes)
{
    return exchange->token == NULL || (exchange->token->scopes & scopes) != 0;
}
