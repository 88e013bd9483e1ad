/* /healthz: the daemon runs. /readyz: it can also write a draw to its ledger, so it serves new draws.
 *
 * 1. sower_handle_healthz, on a worker: replies at once.
 * 2. sower_handle_readyz, on a worker: asks the ledger for a probe (store.h), and suspends the exchange
 *    meanwhile. A recent write counts as a probe.
 * 3. reply_probed, on a worker: sends the outcome. */
#include "server/handlers/handlers.h"

#include <stdlib.h>
#include <string.h>

#include "server/server.h"

struct probe {
    struct sower_ledger_wait wait; /* comes first: `done` gets a pointer to it */
    struct sower_exchange *exchange;
};

static sower_step reply_probed;

static enum MHD_Result reply_ok(struct sower_exchange *exchange)
{
    return sower_reply_text(exchange, MHD_HTTP_OK, "text/plain", strdup("ok\n"), 3);
}

enum MHD_Result sower_handle_healthz(struct sower_exchange *exchange)
{
    return reply_ok(exchange);
}

static void resume_probed(struct sower_ledger_wait *wait)
{
    sower_exchange_resume(((struct probe *)wait)->exchange);
}

enum MHD_Result sower_handle_readyz(struct sower_exchange *exchange)
{
    struct probe *probe = calloc(1, sizeof *probe);
    if (probe == NULL) {
        return sower_reply_unavailable(exchange);
    }
    probe->wait.done = resume_probed;
    probe->wait.place.client = exchange->client;
    probe->wait.request = SOWER_LEDGER_PROBE;
    probe->exchange = exchange;
    exchange->state = probe;
    exchange->release = free;
    sower_exchange_suspend(exchange, reply_probed);
    sower_ledger_submit(exchange->server->ledger, &probe->wait);
    return MHD_YES;
}

static enum MHD_Result reply_probed(struct sower_exchange *exchange)
{
    const struct probe *probe = exchange->state;
    return probe->wait.well ? reply_ok(exchange) : sower_refuse(exchange, &probe->wait.problem);
}
