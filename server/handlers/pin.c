/* /v1/experiments/{experiment}/pin: PUT pins an experiment, DELETE unpins it, GET says whether it is
 * pinned.
 *
 * In a pinned experiment a draw that drifts is refused (drift.h), even one that was recorded before. The
 * ledger's line about the pin is on disk before the response is sent. A request that changes nothing adds
 * no line.
 *
 * 1. sower_handle_pin, on a worker: reads the experiment.
 * 2. PUT and DELETE: change, on the same worker, asks the ledger to write the line and suspends the
 *    exchange meanwhile. GET: find, on a reader, while the exchange is suspended, reads the last line.
 * 3. reply_changed or reply_found, on a worker: sends the state. */
#include "server/handlers/handlers.h"

#include <stdlib.h>

#include "proto/experiment.h"
#include "server/http/authorize.h"
#include "server/http/work.h"
#include "server/handlers/recording.h"
#include "server/server.h"

struct pinning {
    struct sower_work work; /* comes first: the pool returns a pointer to it */
    struct sower_recording ledger;
    struct sower_store_pin pin;
    char experiment[SOWER_EXPERIMENT_MAX + 1];
};

static sower_step change;
static void find(struct sower_work *work);
static sower_step reply_changed;
static sower_step reply_found;

static void describe(const void *state, struct sower_log_line *line)
{
    const struct pinning *pinning = state;
    sower_log_string(line, "experiment", pinning->experiment);
    if (pinning->ledger.wait.well && pinning->pin.ledger != 0) {
        sower_log_number(line, "ledger", pinning->pin.ledger);
    }
}

/* The path has everything that the request needs. */
static bool check_alone(struct sower_exchange *exchange, struct sower_problem *problem)
{
    return (exchange->body_size == 0 && !sower_exchange_has_query(exchange)) ||
           sower_problem_set(problem, SOWER_PROBLEM_INVALID, "",
                             "A pin takes no fields and no body: PUT pins the experiment in the path, "
                             "DELETE unpins it.");
}

enum MHD_Result sower_handle_pin(struct sower_exchange *exchange)
{
    struct sower_problem problem;
    struct pinning *pinning = calloc(1, sizeof *pinning);
    if (pinning == NULL) {
        return sower_reply_unavailable(exchange);
    }
    exchange->state = pinning;
    exchange->release = free;
    if (!sower_experiment_read(exchange->variable, exchange->variable_size, pinning->experiment, &problem) ||
        !sower_may_use(exchange, pinning->experiment, &problem) || !check_alone(exchange, &problem)) {
        return sower_refuse(exchange, &problem);
    }
    exchange->describe = describe;
    pinning->work.exchange = exchange;
    pinning->pin.root_id = sower_seed_root_id(&exchange->server->root);
    pinning->pin.experiment = pinning->experiment;
    return exchange->method == SOWER_PUT || exchange->method == SOWER_DELETE
               ? change(exchange)
               : sower_work_read(&pinning->work, exchange, find, reply_found);
}

static enum MHD_Result change(struct sower_exchange *exchange)
{
    struct pinning *pinning = exchange->state;
    pinning->pin.pinned = exchange->method == SOWER_PUT;
    pinning->ledger.wait.request = SOWER_LEDGER_PIN;
    pinning->ledger.wait.pin = &pinning->pin;
    return sower_recording_start(&pinning->ledger, exchange, reply_changed);
}

static void find(struct sower_work *work)
{
    struct sower_store_pin *pin = &((struct pinning *)work)->pin;
    struct sower_store_reader *reader = sower_ledger_reader(work->exchange->server->ledger, &work->problem);
    struct sower_experiment found;
    work->done = reader != NULL &&
                 reader->methods->experiment(reader, &pin->root_id, pin->experiment, &found, &work->problem);
    if (work->done && found.id != 0) {
        pin->ledger = found.pinned;
        pin->pinned = found.pinned != 0;
    }
}

static enum MHD_Result reply(struct sower_exchange *exchange)
{
    const struct sower_store_pin *pin = &((const struct pinning *)exchange->state)->pin;
    return sower_reply_json(
        exchange, MHD_HTTP_OK,
        json_pack("{s:s, s:b, s:o}", "experiment", pin->experiment, "pinned", pin->pinned, "ledger",
                  pin->ledger != 0 ? json_integer((json_int_t)pin->ledger) : json_null()));
}

static enum MHD_Result reply_changed(struct sower_exchange *exchange)
{
    const struct pinning *pinning = exchange->state;
    return pinning->ledger.wait.well ? reply(exchange)
                                     : sower_refuse(exchange, &pinning->ledger.wait.problem);
}

static enum MHD_Result reply_found(struct sower_exchange *exchange)
{
    struct pinning *pinning = exchange->state;
    return pinning->work.done ? reply(exchange) : sower_work_refuse(&pinning->work);
}
