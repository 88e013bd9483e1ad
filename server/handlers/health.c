/* /healthz: the daemon runs. /readyz: it can also write a draw to its ledger, as it has just tried (store.h:
 * probe) or done, so that new draws are served. */
#include "server/server.h"
#include "server/handlers/handlers.h"

#include <stdlib.h>
#include <string.h>

struct probe {
    struct sower_ledger_wait wait; /* comes first: `done` gets a pointer to it */
    struct sower_exchange *exchange;
};

static enum MHD_Result reply_well(struct sower_exchange *exchange)
{
    return sower_reply_text(exchange, MHD_HTTP_OK, "text/plain", strdup("ok\n"), 3);
}

enum MHD_Result sower_handle_healthz(struct sower_exchange *exchange)
{
    return reply_well(exchange);
}

static enum MHD_Result answer_probe(struct sower_exchange *exchange)
{
    const struct probe *probe = exchange->state;
    return probe->wait.well ? reply_well(exchange) : sower_refuse(exchange, &probe->wait.problem);
}

static void probed(struct sower_ledger_wait *wait)
{
    sower_exchange_resume(((struct probe *)wait)->exchange);
}

enum MHD_Result sower_handle_readyz(struct sower_exchange *exchange)
{
    struct probe *probe = calloc(1, sizeof *probe);
    if (probe == NULL) {
        return sower_reply_unavailable(exchange);
    }
    probe->wait.done = probed;
    probe->wait.place.client = exchange->client;
    probe->wait.wish = SOWER_LEDGER_PROBE;
    probe->exchange = exchange;
    exchange->state = probe;
    exchange->release = free;
    sower_exchange_suspend(exchange, answer_probe);
    sower_ledger_submit(exchange->server->ledger, &probe->wait);
    return MHD_YES;
}
