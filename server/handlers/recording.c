#include "server/handlers/recording.h"

#include "proto/token.h"
#include "server/access/rates.h"
#include "server/base/clock.h"
#include "server/server.h"

static void resume(struct sower_ledger_wait *wait)
{
    struct sower_recording *recording = (struct sower_recording *)wait;
    struct sower_exchange *exchange = recording->exchange;
    if (recording->rate != NULL) {
        sower_rate_pay(recording->rate, wait->account.added, exchange->token->lines_per_second,
                       (int64_t)sower_clock_nanoseconds());
        exchange->retry_seconds = wait->account.wait_seconds;
    }
    sower_exchange_resume(exchange);
}

/* Sets the account that the token gives the request. */
static bool set_account(struct sower_recording *recording)
{
    const struct sower_token *token = recording->exchange->token;
    recording->wait.account = (struct sower_account){.owner = NULL};
    recording->rate = NULL;
    if (token == NULL) {
        return true;
    }
    recording->rate = sower_rates_find(recording->exchange->server->rates, token->name);
    if (recording->rate == NULL) {
        return false;
    }
    recording->wait.account.owner = token->name;
    recording->wait.account.lines_max = token->lines_max;
    recording->wait.account.wait_seconds =
        sower_rate_wait(recording->rate, token->lines_per_second, (int64_t)sower_clock_nanoseconds());
    return true;
}

enum MHD_Result sower_recording_start(struct sower_recording *recording, struct sower_exchange *exchange,
                                      sower_step *next)
{
    recording->exchange = exchange;
    if (!set_account(recording)) {
        return sower_reply_unavailable(exchange);
    }
    recording->wait.done = resume;
    recording->wait.place.client = exchange->client;
    sower_exchange_suspend(exchange, next);
    sower_ledger_submit(exchange->server->ledger, &recording->wait);
    return MHD_YES;
}
