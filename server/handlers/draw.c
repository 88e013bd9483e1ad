/* /v1/draws/{draw}: the first line of the ledger that records this draw.
 *
 * 1. sower_handle_draw, on a worker: reads the draw's id.
 * 2. find, on a reader, while the exchange is suspended: reads the line.
 * 3. reply, on a worker: sends the line. */
#include "server/handlers/handlers.h"

#include <stdlib.h>

#include <sodium.h>

#include "proto/record.h"
#include "server/http/authorize.h"
#include "server/http/work.h"
#include "server/server.h"

struct finding {
    struct sower_work work; /* comes first: the pool returns a pointer to it */
    struct sower_draw_id draw;
    json_t *line; /* NULL: not found, or memory ran out */
    bool found;
};

static void find(struct sower_work *work);
static sower_step reply;

static void release(void *state)
{
    struct finding *finding = state;
    json_decref(finding->line);
    free(finding);
}

static bool read_draw(const struct sower_exchange *exchange, struct sower_draw_id *draw,
                      struct sower_problem *problem)
{
    size_t read = 0;
    return (exchange->variable_size == 2 * sizeof draw->bytes &&
            sodium_hex2bin(draw->bytes, sizeof draw->bytes, exchange->variable, exchange->variable_size, NULL,
                           &read, NULL) == 0 &&
            read == sizeof draw->bytes) ||
           sower_problem_set(problem, SOWER_PROBLEM_INVALID, "draw",
                             "The path ends in a draw id, 64 hex digits, as the header Sower-Draw has it.");
}

static bool check_no_fields(struct sower_exchange *exchange, struct sower_problem *problem)
{
    return !sower_exchange_has_query(exchange) ||
           sower_problem_set(problem, SOWER_PROBLEM_INVALID, "", "/v1/draws/{draw} takes no fields.");
}

enum MHD_Result sower_handle_draw(struct sower_exchange *exchange)
{
    struct sower_problem problem;
    struct finding *finding = calloc(1, sizeof *finding);
    if (finding == NULL) {
        return sower_reply_unavailable(exchange);
    }
    exchange->state = finding;
    exchange->release = release;
    return read_draw(exchange, &finding->draw, &problem) && check_no_fields(exchange, &problem)
               ? sower_work_read(&finding->work, exchange, find, reply)
               : sower_refuse(exchange, &problem);
}

static bool visit(void *context, const struct sower_record *record)
{
    struct finding *finding = context;
    if (!sower_may_see(finding->work.exchange, record->experiment)) {
        return false;
    }
    finding->line = sower_record_json(record);
    finding->found = true;
    return false;
}

static void find(struct sower_work *work)
{
    struct finding *finding = (struct finding *)work;
    const struct sower_page page = {.draw = &finding->draw, .until = INT64_MAX, .count = 1};
    struct sower_store_reader *reader = sower_ledger_reader(work->exchange->server->ledger, &work->problem);
    if (reader == NULL || !reader->methods->page(reader, &page, visit, finding, &work->problem)) {
        return;
    }
    work->done = finding->found;
    if (!finding->found) {
        work->status = MHD_HTTP_NOT_FOUND;
        sower_problem_set(&work->problem, SOWER_PROBLEM_INVALID, "draw",
                          "The ledger has no line of this draw; POST /v1/draws records draws.");
    }
}

static enum MHD_Result reply(struct sower_exchange *exchange)
{
    struct finding *finding = exchange->state;
    return finding->work.done ? sower_reply_json(exchange, MHD_HTTP_OK, json_incref(finding->line))
                              : sower_work_refuse(&finding->work);
}
