/* Authorization: whether a request's token allows what it asks for (server/access/tokens.h).
 *
 * A route names the scopes of which a token needs one (route.h). The experiments are in the request's fields, so
 * handlers ask for them. Two rules keep what a token may not see from it:
 *
 * - What a request names (an experiment) is refused with 403 for every name that the token's patterns do not have,
 *   whether it exists or not.
 * - What a request finds by a hash or in a list (a draw, a line of the ledger, an experiment in the list) is left out, as
 *   if it did not exist.
 *
 * Without --tokens everything is allowed. */
#ifndef SOWER_SERVER_HTTP_AUTHORIZE_H
#define SOWER_SERVER_HTTP_AUTHORIZE_H

#include <stdbool.h>

#include "core/attributes.h"
#include "core/problem.h"
#include "server/http/exchange.h"

/* Finds the request's token and checks its scopes. Sets exchange->token and exchange->client. False with a problem: UNKNOWN or FORBIDDEN. */
SOWER_MUST_USE bool sower_authorize(struct sower_exchange *exchange, struct sower_problem *problem);

/* Whether the request may use the experiment that it names. False with a problem, FORBIDDEN. */
SOWER_MUST_USE bool sower_may_use(const struct sower_exchange *exchange, const char *experiment,
                                  struct sower_problem *problem);

/* Whether the request may know of an experiment. */
bool sower_may_see(const struct sower_exchange *exchange, const char *experiment);

/* Whether the request may know of all experiments. */
bool sower_may_see_all(const struct sower_exchange *exchange);

/* Whether the request's token has one of the scopes. */
bool sower_has_scope(const struct sower_exchange *exchange, unsigned scopes);

#endif
