/* /v1/experiments lists the experiments, the newest first. /v1/experiments/{experiment} describes one
 * experiment and lists the trials that were drawn under it. Both send one page; `next` is the address of
 * the page that follows.
 *
 * 1. sower_handle_experiments or sower_handle_experiment, on a worker: reads the fields.
 * 2. list_experiments or find_experiment, on a reader, while the exchange is suspended: reads the page. It
 *    asks for one entry more than the limit, to see whether there is another page.
 * 3. reply_list or reply_one, on a worker: sends the page. */
#include "server/handlers/handlers.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/experiment.h"
#include "proto/hex.h"
#include "proto/json.h"
#include "proto/record.h"
#include "proto/time.h"
#include "server/http/authorize.h"
#include "server/http/query.h"
#include "server/http/work.h"
#include "server/server.h"

enum {
    LIMIT_DEFAULT = 100,
    LIMIT_MAX = 1000,
    SCAN_MAX = 10000, /* experiments to look at for one page, where the token may not see all */
    WINDOW_SIZE = 80,
};

struct listing {
    struct sower_work work;                    /* comes first: the pool returns a pointer to it */
    char experiment[SOWER_EXPERIMENT_MAX + 1]; /* of sower_handle_experiment */
    uint64_t start;                            /* the field `before` or `from` */
    uint64_t limit;
    bool limited; /* the request has a limit */
    /* the response */
    struct sower_experiment found;
    json_t *list;   /* NULL: memory has run out */
    uint64_t last;  /* the cursor of the next page, if `more` */
    size_t scanned; /* experiments, also those that the request's token may not see */
    bool more;
};

static void list_experiments(struct sower_work *work);
static void find_experiment(struct sower_work *work);
static sower_step reply_list;
static sower_step reply_one;

static void release(void *state)
{
    struct listing *listing = state;
    json_decref(listing->list);
    free(listing);
}

static struct listing *new_listing(struct sower_exchange *exchange, uint64_t start)
{
    struct listing *listing = calloc(1, sizeof *listing);
    if (listing == NULL || (listing->list = json_array()) == NULL) {
        free(listing);
        return NULL;
    }
    listing->work.exchange = exchange;
    listing->start = start;
    listing->limit = LIMIT_DEFAULT;
    exchange->state = listing;
    exchange->release = release;
    return listing;
}

/* Reads the limit, and the number at which the page starts: a field of name `start`, at least `least`. */
static bool read_fields(struct listing *listing, const char *start, uint64_t least,
                        struct sower_problem *problem)
{
    const char *const known[] = {start, "limit", NULL};
    json_t *fields;
    bool given;
    if (!sower_exchange_fields(listing->work.exchange, &fields, problem)) {
        return false;
    }
    bool read =
        sower_work_check_fields(fields, known, problem) &&
        sower_query_number(fields, start, least, INT64_MAX, &given, &listing->start, problem) &&
        sower_query_number(fields, "limit", 1, LIMIT_MAX, &listing->limited, &listing->limit, problem);
    json_decref(fields);
    return read;
}

enum MHD_Result sower_handle_experiments(struct sower_exchange *exchange)
{
    struct sower_problem problem;
    struct listing *listing = new_listing(exchange, INT64_MAX);
    if (listing == NULL) {
        return sower_reply_unavailable(exchange);
    }
    return read_fields(listing, "before", 1, &problem)
               ? sower_work_read(&listing->work, exchange, list_experiments, reply_list)
               : sower_refuse(exchange, &problem);
}

enum MHD_Result sower_handle_experiment(struct sower_exchange *exchange)
{
    struct sower_problem problem;
    struct listing *listing = new_listing(exchange, 0);
    if (listing == NULL) {
        return sower_reply_unavailable(exchange);
    }
    return sower_experiment_read(exchange->variable, exchange->variable_size, listing->experiment,
                                 &problem) &&
                   sower_may_use(exchange, listing->experiment, &problem) &&
                   read_fields(listing, "from", 0, &problem)
               ? sower_work_read(&listing->work, exchange, find_experiment, reply_one)
               : sower_refuse(exchange, &problem);
}

/* Takes over an entry; false if memory runs out. */
static bool add(struct listing *listing, json_t *entry)
{
    sower_json_append(&listing->list, entry);
    return listing->list != NULL;
}

static bool is_full(const struct listing *listing)
{
    return json_array_size(listing->list) == listing->limit;
}

static json_t *experiment_json(const struct sower_experiment *experiment)
{
    char root[SOWER_HEX_SIZE], first[SOWER_TIME_SIZE], last[SOWER_TIME_SIZE];
    sower_hex_print(experiment->root_id.bytes, root);
    sower_time_print(experiment->first, first);
    sower_time_print(experiment->last, last);
    /* If all trials are given, their number is 2^63: one more than the greatest integer that jansson has. */
    uint64_t given = experiment->given < INT64_MAX ? experiment->given : INT64_MAX;
    return json_pack("{s:s, s:s, s:I, s:I, s:s, s:s, s:b}", "experiment", experiment->name, "root", root,
                     "draws", (json_int_t)experiment->draws, "trials", (json_int_t)given, "first", first,
                     "last", last, "pinned", experiment->pinned != 0);
}

static bool visit_experiment(void *context, const struct sower_experiment *experiment)
{
    struct listing *listing = context;
    const bool full = is_full(listing);
    listing->scanned++;
    if (!sower_may_see(listing->work.exchange, experiment->name)) {
        listing->last = full ? listing->last : experiment->id;
        return true;
    }
    listing->more = full;
    if (full) {
        return false;
    }
    listing->last = experiment->id;
    return add(listing, experiment_json(experiment));
}

static void list_experiments(struct sower_work *work)
{
    struct listing *listing = (struct listing *)work;
    struct sower_store_reader *reader = sower_ledger_reader(work->exchange->server->ledger, &work->problem);
    const bool all = sower_may_see_all(work->exchange);
    work->done = reader != NULL && reader->methods->experiments(reader, listing->start,
                                                                all ? (size_t)listing->limit + 1 : SCAN_MAX,
                                                                visit_experiment, listing, &work->problem);
    listing->more = listing->more || (!all && listing->scanned == SCAN_MAX);
}

static bool visit_trial(void *context, const struct sower_trial *trial)
{
    struct listing *listing = context;
    char first[SOWER_TIME_SIZE], last[SOWER_TIME_SIZE];
    listing->last = trial->trial;
    listing->more = is_full(listing);
    if (listing->more) {
        return false;
    }
    sower_time_print(trial->first, first);
    sower_time_print(trial->last, last);
    return add(listing, json_pack("{s:I, s:I, s:s, s:s}", "trial", (json_int_t)trial->trial, "draws",
                                  (json_int_t)trial->draws, "first", first, "last", last));
}

static void find_experiment(struct sower_work *work)
{
    struct listing *listing = (struct listing *)work;
    struct sower_store_reader *reader = sower_ledger_reader(work->exchange->server->ledger, &work->problem);
    const struct sower_seed root_id = sower_seed_root_id(&work->exchange->server->root);
    struct sower_experiment *found = &listing->found;
    if (reader == NULL ||
        !reader->methods->experiment(reader, &root_id, listing->experiment, found, &work->problem)) {
        return;
    }
    if (found->id == 0) {
        work->status = MHD_HTTP_NOT_FOUND;
        sower_problem_set(
            &work->problem, SOWER_PROBLEM_INVALID, "experiment",
            "The ledger has no experiment of this name; /v1/experiments lists the experiments that "
            "it has.");
        return;
    }
    work->done = reader->methods->trials(reader, found->id, listing->start, (size_t)listing->limit + 1,
                                         visit_trial, listing, &work->problem);
}

/* The query of the next page's address: "?before=7&limit=10". */
static void print_window(const struct listing *listing, const char *start, char text[WINDOW_SIZE])
{
    int length = snprintf(text, WINDOW_SIZE, "?%s=%" PRIu64, start, listing->last);
    if (listing->limited) {
        snprintf(text + length, WINDOW_SIZE - (size_t)length, "&limit=%" PRIu64, listing->limit);
    }
}

static enum MHD_Result reply_list(struct sower_exchange *exchange)
{
    struct listing *listing = exchange->state;
    char window[WINDOW_SIZE], next[WINDOW_SIZE + sizeof "/v1/experiments"];
    if (!listing->work.done) {
        return sower_work_refuse(&listing->work);
    }
    print_window(listing, "before", window);
    snprintf(next, sizeof next, "/v1/experiments%s", window);
    return sower_reply_json(exchange, MHD_HTTP_OK,
                            json_pack("{s:O, s:o}", "experiments", listing->list, "next",
                                      listing->more ? json_string(next) : json_null()));
}

static enum MHD_Result reply_one(struct sower_exchange *exchange)
{
    struct listing *listing = exchange->state;
    const char *name = listing->found.name;
    char window[WINDOW_SIZE], next[SOWER_EXPERIMENT_ADDRESS_SIZE], ledger[SOWER_EXPERIMENT_ADDRESS_SIZE];
    if (!listing->work.done) {
        return sower_work_refuse(&listing->work);
    }
    print_window(listing, "from", window);
    sower_experiment_address("/v1/experiments/", name, window, next);
    sower_experiment_address("/v1/ledger?experiment=", name, "", ledger);
    json_t *object = experiment_json(&listing->found);
    sower_json_set(&object, "drawn", json_incref(listing->list));
    sower_json_set(&object, "next", listing->more ? json_string(next) : json_null());
    sower_json_set(&object, "ledger", json_string(ledger));
    return sower_reply_json(exchange, MHD_HTTP_OK, object);
}
