/* /v1/ledger: the ledger's lines as NDJSON, in order: all of them, or those that the fields choose.
 *
 * The lines are streamed in constant memory, page by page. The stream ends at the line that was the last
 * one when the request was read.
 *
 * 1. sower_handle_ledger, on a worker: reads the fields.
 * 2. read_first_page, on a reader, while the exchange is suspended: finds the ledger's last line, then
 *    reads and prints the first page. This is before the status is sent, so a ledger that cannot be read
 *    gets a refusal.
 * 3. reply, on a worker: sends the headers.
 * 4. send_block, on a worker, as often as libmicrohttpd calls it: copies bytes of the page. After the last
 *    byte it suspends the exchange until read_page has read the next page on a reader. */
#include "server/handlers/handlers.h"

#include <stdlib.h>
#include <string.h>

#include "proto/json.h"
#include "proto/record.h"
#include "proto/token.h"
#include "server/http/authorize.h"
#include "server/http/query.h"
#include "server/http/work.h"
#include "server/server.h"

enum { PAGE_LINES = 128, BLOCK_SIZE = 64 * 1024 };

struct lines {
    struct sower_work work; /* comes first: the pool returns a pointer to it */
    struct sower_page page; /* the query for the next page; it points into this struct */
    char experiment[SOWER_EXPERIMENT_MAX + 1], name[SOWER_NAME_MAX + 1];
    uint64_t trial;
    struct sower_seed root_id, seed;
    uint8_t manifest[32];
    uint64_t left; /* how many lines the limit still allows */
    bool ended;
    /* the page that is being sent */
    struct sower_buffer text;
    size_t sent;
    uint64_t count; /* of lines in `text` */
    uint64_t seen;  /* lines of the page, also those that the request's token may not see */
    bool full;      /* `text` has no room for another line */
};

static void read_first_page(struct sower_work *work);
static sower_step reply;
static ssize_t send_block(void *context, uint64_t position, char *buffer, size_t size);

static void release(void *state)
{
    struct lines *lines = state;
    sower_buffer_free(&lines->text);
    free(lines);
}

/* Experiment, trial and name decide the seed, and the store finds a seed at once among millions of lines. */
static void choose_by_seed(struct lines *lines)
{
    struct sower_page *page = &lines->page;
    const struct sower_seed *root = &lines->work.exchange->server->root;
    lines->seed = sower_seed_experiment(root, lines->experiment, strlen(lines->experiment));
    lines->seed = sower_seed_trial(&lines->seed, lines->trial);
    lines->seed = sower_seed_tensor(&lines->seed, lines->name, strlen(lines->name));
    page->seed = &lines->seed;
    page->experiment = page->name = NULL;
    page->trial = NULL;
}

/* `experiment`: NULL if the request names none. `chosen`: it chooses lines by a hash. */
static bool check_token(const struct sower_exchange *exchange, const char *experiment, bool chosen,
                        struct sower_problem *problem)
{
    if (experiment != NULL) {
        return sower_may_use(exchange, experiment, problem);
    }
    return chosen || sower_has_scope(exchange, SOWER_SCOPE_EXPORT) ||
           sower_problem_set(
               problem, SOWER_PROBLEM_FORBIDDEN, "Authorization",
               "The token \"%s\" does not have the scope export, for the whole ledger; choose lines by "
               "experiment, seed or manifest.",
               exchange->token->name);
}

static bool read_fields(const json_t *fields, struct lines *lines, struct sower_problem *problem)
{
    static const char *const known[] = {"experiment", "trial", "name",  "seed",
                                        "manifest",   "after", "limit", NULL};
    struct sower_page *page = &lines->page;
    bool experiment, trial, name, seed, manifest, unused;
    lines->left = INT64_MAX;
    if (!sower_work_check_fields(fields, known, problem) ||
        !sower_query_text(fields, "experiment", sizeof lines->experiment, &experiment, lines->experiment,
                          problem) ||
        !sower_query_number(fields, "trial", 0, SOWER_TRIAL_MAX, &trial, &lines->trial, problem) ||
        !sower_query_text(fields, "name", sizeof lines->name, &name, lines->name, problem) ||
        !sower_query_bytes(fields, "seed", &seed, lines->seed.bytes, problem) ||
        !sower_query_bytes(fields, "manifest", &manifest, lines->manifest, problem) ||
        !sower_query_number(fields, "after", 0, INT64_MAX, &unused, &page->after, problem) ||
        !sower_query_number(fields, "limit", 0, INT64_MAX, &unused, &lines->left, problem)) {
        return false;
    }
    if (!check_token(lines->work.exchange, experiment ? lines->experiment : NULL, seed || manifest,
                     problem)) {
        return false;
    }
    if ((trial || name) && !experiment) {
        const char *field = trial ? "trial" : "name";
        return sower_problem_set(problem, SOWER_PROBLEM_INVALID, field,
                                 "A %s belongs to an experiment; name the experiment, too: experiment=TEXT.",
                                 field);
    }
    if (manifest && trial != name && !seed) {
        /* each of the two may have millions of lines, and both together no line */
        return sower_problem_set(
            problem, SOWER_PROBLEM_INVALID, "manifest",
            "The lines of a manifest can be chosen by experiment, not by %s; leave out manifest or "
            "%s.",
            trial ? "trial" : "name", trial ? "trial" : "name");
    }
    page->root_id = &lines->root_id;
    page->experiment = experiment ? lines->experiment : NULL;
    page->trial = trial ? &lines->trial : NULL;
    page->name = name ? lines->name : NULL;
    page->seed = seed ? &lines->seed : NULL;
    page->manifest = manifest ? lines->manifest : NULL;
    if (trial && name && !seed) {
        choose_by_seed(lines);
    }
    return true;
}

enum MHD_Result sower_handle_ledger(struct sower_exchange *exchange)
{
    struct sower_problem problem;
    json_t *fields;
    if (!sower_exchange_fields(exchange, &fields, &problem)) {
        return sower_refuse(exchange, &problem);
    }
    struct lines *lines = calloc(1, sizeof *lines);
    if (lines == NULL) {
        json_decref(fields);
        return sower_reply_unavailable(exchange);
    }
    exchange->state = lines;
    exchange->release = release;
    lines->work.exchange = exchange;
    lines->root_id = sower_seed_root_id(&exchange->server->root);
    bool read = read_fields(fields, lines, &problem);
    json_decref(fields);
    return read ? sower_work_read(&lines->work, exchange, read_first_page, reply)
                : sower_refuse(exchange, &problem);
}

static bool add_line(void *context, const struct sower_record *record)
{
    struct lines *lines = context;
    lines->page.after = record->ledger;
    lines->seen++;
    if (!sower_may_see(lines->work.exchange, record->experiment)) {
        return true;
    }
    json_t *object = sower_record_json(record);
    sower_json_print(object, JSON_COMPACT, &lines->text);
    sower_buffer_text(&lines->text, "\n");
    json_decref(object);
    lines->count++;
    lines->full = lines->text.length >= BLOCK_SIZE || lines->count == lines->left;
    return !lines->text.failed && !lines->full;
}

/* Reads and prints the next page. */
static void read_page(struct sower_work *work)
{
    struct lines *lines = (struct lines *)work;
    struct sower_store_reader *reader = sower_ledger_reader(work->exchange->server->ledger, &work->problem);
    struct sower_page *page = &lines->page;
    lines->text.length = lines->sent = 0;
    lines->count = lines->seen = 0;
    lines->full = false;
    page->count =
        sower_may_see_all(work->exchange) && lines->left < PAGE_LINES ? (size_t)lines->left : PAGE_LINES;
    work->done = lines->left == 0 ||
                 (reader != NULL && reader->methods->page(reader, page, add_line, lines, &work->problem));
    if (lines->text.failed) {
        work->done = sower_problem_memory(&work->problem);
    }
    lines->left -= lines->count;
    lines->ended = (lines->seen < page->count && !lines->full) || lines->left == 0;
}

static void read_first_page(struct sower_work *work)
{
    struct lines *lines = (struct lines *)work;
    struct sower_store_reader *reader = sower_ledger_reader(work->exchange->server->ledger, &work->problem);
    if (reader != NULL && reader->methods->last(reader, &lines->page.until, &work->problem)) {
        read_page(work);
    }
}

static enum MHD_Result reply(struct sower_exchange *exchange)
{
    struct lines *lines = exchange->state;
    if (!lines->work.done) {
        return sower_work_refuse(&lines->work);
    }
    struct MHD_Response *response =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_SIZE, send_block, lines, NULL);
    sower_reply_header(&response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/x-ndjson");
    if (response != NULL && exchange->method == SOWER_HEAD) {
        /* Without this, libmicrohttpd 0.9.75 sends the end of a chunked body, which a client would take for the begin
         * of the next response. With it, there are no chunks and the connection ends. */
        MHD_set_response_options(response, MHD_RF_HTTP_1_0_COMPATIBLE_STRICT, MHD_RO_END);
    }
    return sower_reply(exchange, MHD_HTTP_OK, response);
}

static ssize_t send_block(void *context, uint64_t position, char *buffer, size_t size)
{
    struct lines *lines = context;
    struct sower_exchange *exchange = lines->work.exchange;
    (void)position;
    if (!lines->work.done) {
        return MHD_CONTENT_READER_END_WITH_ERROR; /* cuts the connection: the client sees that lines are missing */
    }
    if (lines->sent < lines->text.length) {
        size_t left = lines->text.length - lines->sent, count = left < size ? left : size;
        memcpy(buffer, lines->text.text + lines->sent, count);
        lines->sent += count;
        exchange->bytes += count;
        return (ssize_t)count;
    }
    if (lines->ended) {
        return MHD_CONTENT_READER_END_OF_STREAM;
    }
    sower_work_read(&lines->work, exchange, read_page, exchange->step);
    return 0;
}
