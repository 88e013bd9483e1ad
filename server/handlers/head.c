/* /v1/ledger/head: how many lines the ledger has and where each chain ends, signed by this daemon.
 *
 * 1. sower_handle_head, on a worker: checks that the request has no fields.
 * 2. make_head, on a reader, while the exchange is suspended: reads the ends of the chains and signs them.
 * 3. reply, on a worker: sends the head. */
#include "server/handlers/handlers.h"

#include <stdlib.h>
#include <string.h>

#include "proto/head.h"
#include "proto/time.h"
#include "proto/token.h"
#include "server/base/clock.h"
#include "server/http/authorize.h"
#include "server/http/work.h"
#include "server/server.h"

struct heading {
    struct sower_work work; /* comes first: the pool returns a pointer to it */
    struct sower_head head;
};

static void make_head(struct sower_work *work);
static sower_step reply;

static bool check_token(const struct sower_exchange *exchange, struct sower_problem *problem)
{
    return sower_may_see_all(exchange) ||
           sower_problem_set(
               problem, SOWER_PROBLEM_FORBIDDEN, "Authorization",
               "The head covers all experiments, and the token \"%s\" may use only some of them.",
               exchange->token->name);
}

enum MHD_Result sower_handle_head(struct sower_exchange *exchange)
{
    struct sower_problem problem;
    json_t *fields;
    if (!sower_exchange_fields(exchange, &fields, &problem)) {
        return sower_refuse(exchange, &problem);
    }
    bool read =
        json_object_size(fields) == 0 ||
        sower_problem_set(&problem, SOWER_PROBLEM_INVALID, json_object_iter_key(json_object_iter(fields)),
                          "/v1/ledger/head takes no fields.");
    json_decref(fields);
    if (!read || !check_token(exchange, &problem)) {
        return sower_refuse(exchange, &problem);
    }
    struct heading *heading = calloc(1, sizeof *heading);
    if (heading == NULL) {
        return sower_reply_unavailable(exchange);
    }
    exchange->state = heading;
    exchange->release = free;
    return sower_work_read(&heading->work, exchange, make_head, reply);
}

static bool check_time(const struct sower_head *head, struct sower_problem *problem)
{
    return (head->time >= SOWER_TIME_FIRST && head->time <= SOWER_TIME_LAST) ||
           sower_problem_set(problem, SOWER_PROBLEM_UNAVAILABLE, "",
                             "The head of the ledger cannot be signed now: the daemon's clock is not in the "
                             "years 1000 to 9999. Set the clock.");
}

static bool add_chain(void *context, const struct sower_link *chain)
{
    struct sower_head *head = context;
    if (head->count < SOWER_HEAD_CHAINS_MAX) {
        head->chains[head->count++] = *chain;
    }
    return head->count < SOWER_HEAD_CHAINS_MAX;
}

static bool sign(struct sower_head *head, const struct sower_writer_key *writer,
                 struct sower_problem *problem)
{
    struct sower_buffer text = {0};
    sower_head_text(head, &text);
    bool well = !text.failed || sower_problem_memory(problem);
    if (well) {
        sower_writer_sign(writer, text.text, text.length, head->signature);
    }
    sower_buffer_free(&text);
    return well;
}

static void make_head(struct sower_work *work)
{
    struct sower_head *head = &((struct heading *)work)->head;
    const struct sower_server *server = work->exchange->server;
    struct sower_store_reader *reader = NULL;
    memcpy(head->writer, server->writer.key, sizeof head->writer);
    head->time = sower_clock_wall();
    work->done = check_time(head, &work->problem) &&
                 (reader = sower_ledger_reader(server->ledger, &work->problem)) != NULL &&
                 reader->methods->heads(reader, SOWER_HEAD_CHAINS_MAX - 1, &head->ledger, add_chain, head,
                                        &work->problem) &&
                 sign(head, &server->writer, &work->problem);
}

static enum MHD_Result reply(struct sower_exchange *exchange)
{
    struct heading *heading = exchange->state;
    return heading->work.done ? sower_reply_json(exchange, MHD_HTTP_OK, sower_head_json(&heading->head))
                              : sower_work_refuse(&heading->work);
}
