/* /healthz: the daemon runs. /readyz: it can also write a draw to its ledger, so it serves new draws.
 *
 * 1. sower_handle_healthz, on a worker: replies at once.
 * 2. sower_handle_readyz, on a worker: refuses if a signal has arrived (--lame-duck-seconds). Asks the ledger for a
 *    probe (store.h), and suspends the exchange meanwhile. A recent write counts as a probe.
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

static enum MHD_Result refuse_stopping(struct sower_exchange *exchange)
{
    struct sower_problem problem;
    sower_problem_set(
        &problem, SOWER_PROBLEM_UNAVAILABLE, "",
        "The daemon is stopping. It serves the requests that arrive, but further ones should go to "
        "another daemon.");
    return sower_refuse(exchange, &problem);
}

enum MHD_Result sower_handle_readyz(struct sower_exchange *exchange)
{
    if (atomic_load(&exchange->server->stopping)) {
        return refuse_stopping(exchange);
    }
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
