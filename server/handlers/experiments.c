/* /v1/experiments: what experiments there are, the newest first. /v1/experiments/{experiment}: one of them,
 * with the trials that were drawn under it. Both page by page; `next` is the address of the page that
 * follows. */
#include "server/server.h"
#include "server/handlers/handlers.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/experiment.h"
#include "proto/hex.h"
#include "proto/json.h"
#include "proto/record.h"
#include "proto/time.h"
#include "server/http/query.h"
#include "server/http/work.h"

enum { LIMIT_DEFAULT = 100, LIMIT_MAX = 1000, WINDOW_SIZE = 80 };

struct question {
    struct sower_work work;                    /* comes first: the pool hands a pointer to it back */
    char experiment[SOWER_EXPERIMENT_MAX + 1]; /* of a question for one */
    uint64_t start;                            /* `before` or `from` */
    uint64_t limit;
    bool limited; /* the limit was given */
    /* the answer */
    struct sower_experiment found;
    json_t *list;  /* NULL: memory has run out */
    uint64_t last; /* the cursor of the last entry; with `more` of the first entry that does not fit */
    bool more;
};

static void release(void *state)
{
    struct question *question = state;
    json_decref(question->list);
    free(question);
}

/* Takes over an entry; false when the page is full, or memory runs out. */
static bool add(struct question *question, json_t *entry)
{
    sower_json_append(&question->list, entry);
    return question->list != NULL;
}

static bool is_full(const struct question *question)
{
    return json_array_size(question->list) == question->limit;
}

static json_t *experiment_json(const struct sower_experiment *experiment)
{
    char root[SOWER_HEX_SIZE], first[SOWER_TIME_SIZE], last[SOWER_TIME_SIZE];
    sower_hex_print(experiment->root_id.bytes, root);
    sower_time_print(experiment->first, first);
    sower_time_print(experiment->last, last);
    /* All of them are 2^63, one more than the greatest integer of JSON here. */
    uint64_t given = experiment->given < INT64_MAX ? experiment->given : INT64_MAX;
    return json_pack("{s:s, s:s, s:I, s:I, s:s, s:s, s:b}", "experiment", experiment->name, "root", root,
                     "draws", (json_int_t)experiment->draws, "trials", (json_int_t)given, "first", first,
                     "last", last, "pinned", experiment->pinned != 0);
}

static bool visit_experiment(void *context, const struct sower_experiment *experiment)
{
    struct question *question = context;
    question->more = is_full(question);
    if (question->more) {
        return false;
    }
    question->last = experiment->id;
    return add(question, experiment_json(experiment));
}

static bool visit_trial(void *context, const struct sower_trial *trial)
{
    struct question *question = context;
    char first[SOWER_TIME_SIZE], last[SOWER_TIME_SIZE];
    question->last = trial->trial;
    question->more = is_full(question);
    if (question->more) {
        return false;
    }
    sower_time_print(trial->first, first);
    sower_time_print(trial->last, last);
    return add(question, json_pack("{s:I, s:I, s:s, s:s}", "trial", (json_int_t)trial->trial, "draws",
                                   (json_int_t)trial->draws, "first", first, "last", last));
}

/* On a thread that reads the ledger. One entry more than the limit is asked for, to see whether it is there.
 */
static void list_experiments(struct sower_work *work)
{
    struct question *question = (struct question *)work;
    struct sower_store_reader *reader = sower_ledger_reader(work->exchange->server->ledger, &work->problem);
    work->done =
        reader != NULL && reader->methods->experiments(reader, question->start, (size_t)question->limit + 1,
                                                       visit_experiment, question, &work->problem);
}

static void find_experiment(struct sower_work *work)
{
    struct question *question = (struct question *)work;
    struct sower_store_reader *reader = sower_ledger_reader(work->exchange->server->ledger, &work->problem);
    const struct sower_seed root_id = sower_seed_root_id(&work->exchange->server->root);
    struct sower_experiment *found = &question->found;
    if (reader == NULL ||
        !reader->methods->experiment(reader, &root_id, question->experiment, found, &work->problem)) {
        return;
    }
    if (found->id == 0) {
        work->status = MHD_HTTP_NOT_FOUND;
        sower_problem_set(&work->problem, SOWER_PROBLEM_INVALID, "experiment",
                          "Nothing is recorded of an experiment of this name; /v1/experiments lists those "
                          "that there are.");
        return;
    }
    work->done = reader->methods->trials(reader, found->id, question->start, (size_t)question->limit + 1,
                                         visit_trial, question, &work->problem);
}

/* The part of an address that asks for the next page: "?before=7&limit=10". */
static void print_window(const struct question *question, const char *start, char text[WINDOW_SIZE])
{
    int length = snprintf(text, WINDOW_SIZE, "?%s=%" PRIu64, start, question->last);
    if (question->limited) {
        snprintf(text + length, WINDOW_SIZE - (size_t)length, "&limit=%" PRIu64, question->limit);
    }
}

static enum MHD_Result reply_list(struct sower_exchange *exchange)
{
    struct question *question = exchange->state;
    char window[WINDOW_SIZE], next[WINDOW_SIZE + sizeof "/v1/experiments"];
    if (!question->work.done) {
        return sower_work_refuse(&question->work);
    }
    print_window(question, "before", window);
    snprintf(next, sizeof next, "/v1/experiments%s", window);
    return sower_reply_json(exchange, MHD_HTTP_OK,
                            json_pack("{s:O, s:o}", "experiments", question->list, "next",
                                      question->more ? json_string(next) : json_null()));
}

static enum MHD_Result reply_one(struct sower_exchange *exchange)
{
    struct question *question = exchange->state;
    const char *name = question->found.name;
    char window[WINDOW_SIZE], next[SOWER_EXPERIMENT_ADDRESS_SIZE], ledger[SOWER_EXPERIMENT_ADDRESS_SIZE];
    if (!question->work.done) {
        return sower_work_refuse(&question->work);
    }
    print_window(question, "from", window);
    sower_experiment_address("/v1/experiments/", name, window, next);
    sower_experiment_address("/v1/ledger?experiment=", name, "", ledger);
    json_t *object = experiment_json(&question->found);
    sower_json_set(&object, "drawn", json_incref(question->list));
    sower_json_set(&object, "next", question->more ? json_string(next) : json_null());
    sower_json_set(&object, "ledger", json_string(ledger));
    return sower_reply_json(exchange, MHD_HTTP_OK, object);
}

/* Reads the limit and where the page starts: `start` is the field's name, which is at least `least`. */
static bool read_fields(struct question *question, const char *start, uint64_t least,
                        struct sower_problem *problem)
{
    const char *const known[] = {start, "limit", NULL};
    json_t *fields;
    bool given;
    if (!sower_exchange_fields(question->work.exchange, &fields, problem)) {
        return false;
    }
    bool read =
        sower_work_check_fields(fields, known, problem) &&
        sower_query_number(fields, start, least, INT64_MAX, &given, &question->start, problem) &&
        sower_query_number(fields, "limit", 1, LIMIT_MAX, &question->limited, &question->limit, problem);
    json_decref(fields);
    return read;
}

static struct question *make(struct sower_exchange *exchange, uint64_t start)
{
    struct question *question = calloc(1, sizeof *question);
    if (question == NULL || (question->list = json_array()) == NULL) {
        free(question);
        return NULL;
    }
    question->work.exchange = exchange;
    question->start = start;
    question->limit = LIMIT_DEFAULT;
    exchange->state = question;
    exchange->release = release;
    return question;
}

enum MHD_Result sower_handle_experiments(struct sower_exchange *exchange)
{
    struct sower_problem problem;
    struct question *question = make(exchange, INT64_MAX);
    if (question == NULL) {
        return sower_reply_unavailable(exchange);
    }
    return read_fields(question, "before", 1, &problem)
               ? sower_work_read(&question->work, exchange, list_experiments, reply_list)
               : sower_refuse(exchange, &problem);
}

enum MHD_Result sower_handle_experiment(struct sower_exchange *exchange)
{
    struct sower_problem problem;
    struct question *question = make(exchange, 0);
    if (question == NULL) {
        return sower_reply_unavailable(exchange);
    }
    return sower_experiment_read(exchange->variable, exchange->variable_size, question->experiment,
                                 &problem) &&
                   read_fields(question, "from", 0, &problem)
               ? sower_work_read(&question->work, exchange, find_experiment, reply_one)
               : sower_refuse(exchange, &problem);
}
