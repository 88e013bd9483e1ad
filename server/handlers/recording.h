/* Recording: a request to the ledger on behalf of an exchange and its token.
 *
 * The token's limits apply here: how fast it adds lines (server/access/rates.h), and how many in all (the ledger's
 * account). A token that has added too many for now is not refused at once: what is recorded already is found
 * and served, and only a request that needs a new line gets 429. */
#ifndef SOWER_SERVER_HANDLERS_RECORDING_H
#define SOWER_SERVER_HANDLERS_RECORDING_H

#include "server/http/exchange.h"
#include "server/ledger/ledger.h"

struct sower_recording {
    struct sower_ledger_wait wait; /* comes first: the ledger returns a pointer to it */
    struct sower_exchange *exchange;
    struct sower_rate *rate; /* of the token, or NULL */
};

/* Suspends the exchange, submits wait.request, whose member is set, and then goes on with `next`. The outcome is in
 * `wait`; if it is not well, `next` refuses the exchange with its problem. */
enum MHD_Result sower_recording_start(struct sower_recording *recording, struct sower_exchange *exchange,
                                      sower_step *next);

#endif
