/* /v1/stats: statistics of the elements of a tensor, or of each tensor of a model, and their digests. No
 * element is sent and nothing is recorded.
 *
 * 1. sower_handle_stats, on a worker: reads the fields and suspends the exchange.
 * 2. begin, on a compute thread: reads the request, and refuses one that is too large or that this daemon
 *    cannot prepare.
 * 3. take_turn, on a compute thread, as often as needed: for some milliseconds opens tensors (open_tensor),
 *    generates and counts their elements (count_blocks), and prints the result of each tensor
 *    (finish_tensor). Between two turns the pool does other work. A heavy tensor is prepared with those of
 *    other requests (sources.h), and `prepared` starts the next turn.
 * 4. reply, on a worker: sends the statistics. */
#include "server/handlers/handlers.h"

#include <inttypes.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "core/statistics.h"
#include "proto/hex.h"
#include "proto/model.h"
#include "proto/record.h"
#include "proto/tensor_bytes.h"
#include "server/base/clock.h"
#include "server/caches/sources.h"
#include "server/handlers/kept_manifest.h"
#include "server/http/authorize.h"
#include "server/http/budget.h"
#include "server/server.h"
#include "server/streams/cost.h"

enum {
    BLOCK_ELEMENTS = 8192,
    TURN_MILLISECONDS = 50,
    DIGEST_SIZE = 32,
};

static const char STOPPING[] = "The daemon is stopping; ask again when it is back.";

/* How many bytes of elements one request may have: a minute or two of work. */
static const uint64_t BYTES_MAX = UINT64_C(1) << 36;

struct stats {
    struct sower_work work; /* comes first: the pool returns a pointer to it */
    json_t *fields;
    bool of_model;
    uint64_t budget; /* bytes counted for the model (budget.h) */
    struct sower_model model;
    struct sower_request request; /* of the current tensor */
    size_t number, count;
    /* the current tensor, once it is opened */
    bool opened, heavy;
    struct sower_source source; /* of a light tensor */
    struct sower_sources_wait preparation;
    int64_t left; /* when the client was first seen to have left, in milliseconds; 0: it has not left */
    uint64_t at, elements;
    struct sower_statistics statistics;
    crypto_generichash_state digest;
    crypto_generichash_state digests; /* of all tensors' digests */
    struct sower_buffer text;         /* the response, as far as it is printed */
    _Alignas(SOWER_TENSOR_BYTES_ALIGNMENT) uint8_t block[BLOCK_ELEMENTS * sizeof(double)];
    double values[BLOCK_ELEMENTS];
};

static void begin(struct sower_job *job);
static void take_turn(struct sower_job *job);
static void prepared(struct sower_sources_wait *wait);
static void refuse(struct sower_job *job);
static sower_step reply;

static void close_tensor(struct stats *stats)
{
    if (stats->opened && !stats->heavy) {
        sower_source_close(&stats->source);
    }
    if (stats->preparation.prepared != NULL) {
        sower_sources_release(stats->preparation.prepared);
    }
    stats->preparation.prepared = NULL;
    stats->opened = stats->heavy = false;
}

static void release(void *state)
{
    struct stats *stats = state;
    close_tensor(stats);
    if (stats->budget > 0) {
        sower_budget_give_back(&stats->work.exchange->server->budget, stats->budget);
    }
    sower_model_free(&stats->model);
    sower_buffer_free(&stats->text);
    json_decref(stats->fields);
    free(stats);
}

static void submit_turn(struct stats *stats)
{
    sower_pool_submit(stats->work.exchange->server->pool, &stats->work.job);
}

static void end(struct stats *stats, bool done)
{
    stats->work.done = done;
    sower_exchange_resume(stats->work.exchange);
}

enum MHD_Result sower_handle_stats(struct sower_exchange *exchange)
{
    struct sower_problem problem;
    json_t *fields;
    if (!sower_exchange_fields(exchange, &fields, &problem)) {
        return sower_refuse(exchange, &problem);
    }
    void *memory = aligned_alloc(SOWER_TENSOR_BYTES_ALIGNMENT, sizeof(struct stats));
    if (memory == NULL) {
        json_decref(fields);
        return sower_reply_unavailable(exchange);
    }
    struct stats *stats = memset(memory, 0, sizeof *stats);
    stats->fields = fields;
    stats->work.exchange = exchange;
    stats->work.job = (struct sower_job){.run = begin, .refuse = refuse, .client = exchange->client};
    exchange->state = stats;
    exchange->release = release;
    sower_exchange_suspend(exchange, reply);
    submit_turn(stats);
    return MHD_YES;
}

/* Whether the client has left: it has looked so for a second. Waiting for a preparation has the same rule
 * (sources.h). */
static bool is_gone(struct stats *stats, int64_t now)
{
    if (!sower_exchange_has_left(stats->work.exchange)) {
        stats->left = 0;
    } else if (stats->left == 0) {
        stats->left = now;
    }
    return stats->left != 0 && now - stats->left > 1000;
}

/* Whether the next turn is needed. False with a problem: the client has left, or the daemon is stopping. */
static bool is_wanted(struct stats *stats, int64_t now)
{
    if (is_gone(stats, now)) {
        return sower_problem_set(&stats->work.problem, SOWER_PROBLEM_UNAVAILABLE, "",
                                 "The client closed the connection while the statistics were being computed; "
                                 "keep it open until the response has come.");
    }
    return !atomic_load(&stats->work.exchange->server->draining) ||
           sower_problem_set(&stats->work.problem, SOWER_PROBLEM_UNAVAILABLE, "", "%s", STOPPING);
}

static void add_real(struct sower_buffer *text, const char *key, double value)
{
    sower_buffer_text(text, ",\"");
    sower_buffer_text(text, key);
    sower_buffer_text(text, "\":");
    sower_buffer_real(text, value);
}

static void add_count(struct sower_buffer *text, const char *key, uint64_t value)
{
    sower_buffer_text(text, ",\"");
    sower_buffer_text(text, key);
    sower_buffer_text(text, "\":");
    sower_buffer_number(text, value);
}

static void add_hex(struct sower_buffer *text, const char *key, const uint8_t bytes[32])
{
    char hex[SOWER_HEX_SIZE];
    sower_hex_print(bytes, hex);
    sower_buffer_text(text, ",\"");
    sower_buffer_text(text, key);
    sower_buffer_text(text, "\":");
    sower_buffer_string(text, hex);
}

static bool check_size(struct sower_problem *problem, uint64_t size)
{
    return size <= BYTES_MAX ||
           sower_problem_set(problem, SOWER_PROBLEM_TOO_LARGE, "shape",
                             "One request for statistics covers at most %" PRIu64
                             " bytes; this one has %" PRIu64 ". Request slices, shards or parts.",
                             BYTES_MAX, size);
}

/* Refuses a tensor that this daemon cannot prepare, before any element is generated. */
static bool check_costs(struct stats *stats)
{
    const struct sower_server *server = stats->work.exchange->server;
    struct sower_cost cost;
    if (!stats->of_model) {
        return sower_cost_check(server, &stats->request.plan, &cost, &stats->work.problem);
    }
    for (size_t n = 0; n < stats->model.count; n++) {
        if (!sower_model_is_structured(&stats->model, n)) {
            continue;
        }
        sower_model_request(&stats->model, n, &stats->request);
        if (!sower_cost_check(server, &stats->request.plan, &cost, &stats->work.problem)) {
            return false;
        }
    }
    return true;
}

/* Counts the memory of the model; `release` gives it back. */
static bool take_budget(struct stats *stats)
{
    uint64_t budget = sower_budget_for_model(&stats->model);
    if (!sower_budget_take(&stats->work.exchange->server->budget, budget, &stats->work.problem)) {
        return false;
    }
    stats->budget = budget;
    return true;
}

static bool read_model(struct stats *stats)
{
    static const char *const known[] = {"manifest", "experiment", "trial", "tensors",
                                        "part",     "shard",      "spec",  NULL};
    struct sower_exchange *exchange = stats->work.exchange;
    struct sower_model_choice choice;
    struct sower_manifest manifest;
    if (!sower_work_check_fields(stats->fields, known, &stats->work.problem) ||
        !sower_kept_manifest_choice(stats->fields, &choice, &stats->work.problem)) {
        return false;
    }
    bool made = sower_kept_manifest_read(&stats->work, stats->fields, &manifest);
    json_t *asked = sower_kept_manifest_asked(stats->fields);
    made = made && sower_model_make(&stats->model, &manifest, asked, exchange->method != SOWER_POST,
                                    &exchange->server->root, &choice, &stats->work.problem);
    sower_manifest_free(&manifest);
    json_decref(asked);
    stats->count = stats->model.count;
    return made && sower_may_use(exchange, stats->model.draw.experiment, &stats->work.problem) &&
           take_budget(stats) && check_size(&stats->work.problem, stats->model.size) && check_costs(stats);
}

static void print_model(struct stats *stats)
{
    struct sower_buffer *text = &stats->text;
    char hex[SOWER_HEX_SIZE];
    sower_hex_print(stats->model.manifest.hash, hex);
    sower_buffer_text(text, "{\"manifest\":");
    sower_buffer_string(text, hex);
    sower_buffer_text(text, ",\"experiment\":");
    sower_buffer_string(text, stats->model.draw.experiment);
    add_count(text, "trial", stats->model.draw.trial);
    sower_buffer_text(text, ",\"tensors\":[");
}

static bool read_tensor(struct stats *stats)
{
    struct sower_exchange *exchange = stats->work.exchange;
    stats->count = 1;
    if (!sower_request_parse(stats->fields, exchange->method != SOWER_POST, &exchange->server->root,
                             &stats->request, &stats->work.problem) ||
        !sower_may_use(exchange, stats->request.draw.experiment, &stats->work.problem)) {
        return false;
    }
    const struct sower_shape shape = sower_region_shape(&stats->request.region);
    return check_size(&stats->work.problem,
                      sower_shape_count(&shape) * sower_dtype_size(stats->request.draw.dtype)) &&
           check_costs(stats);
}

/* Reads the request, then takes the first turn. */
static void begin(struct sower_job *job)
{
    struct stats *stats = (struct stats *)job;
    stats->of_model = json_object_get(stats->fields, "manifest") != NULL;
    crypto_generichash_init(&stats->digests, NULL, 0, DIGEST_SIZE);
    if (!is_wanted(stats, sower_clock_milliseconds()) ||
        !(stats->of_model ? read_model(stats) : read_tensor(stats))) {
        end(stats, false);
        return;
    }
    if (stats->of_model) {
        print_model(stats);
    }
    job->run = take_turn;
    take_turn(job);
}

static void prepared(struct sower_sources_wait *wait)
{
    struct stats *stats = (struct stats *)((char *)wait - offsetof(struct stats, preparation));
    stats->opened = wait->prepared != NULL;
    if (stats->opened) {
        submit_turn(stats);
        return;
    }
    stats->work.problem = wait->problem;
    end(stats, false);
}

static bool has_left(const struct sower_sources_wait *wait)
{
    const struct stats *stats =
        (const struct stats *)((const char *)wait - offsetof(struct stats, preparation));
    return sower_exchange_has_left(stats->work.exchange);
}

/* Opens the next tensor. False if it is not open: it is being prepared (*waits), or there is a problem. */
static bool open_tensor(struct stats *stats, bool *waits)
{
    struct sower_exchange *exchange = stats->work.exchange;
    if (stats->of_model) {
        sower_model_request(&stats->model, stats->number, &stats->request);
    }
    const struct sower_shape shape = sower_region_shape(&stats->request.region);
    stats->at = 0;
    stats->elements = sower_shape_count(&shape);
    sower_statistics_begin(&stats->statistics, &stats->request.plan);
    crypto_generichash_init(&stats->digest, NULL, 0, DIGEST_SIZE);
    stats->heavy = stats->elements > 0 && sower_source_cost(&stats->request.plan).memory > 0;
    *waits = stats->heavy;
    if (stats->elements == 0) {
        stats->source = (struct sower_source){0};
        stats->opened = true;
        return true; /* no element will be read */
    }
    if (!stats->heavy) {
        stats->opened = sower_source_open(&stats->source, &stats->request.plan, &stats->request.seed,
                                          &sower_parallel_none, &stats->work.problem);
        return stats->opened;
    }
    struct sower_draw_id draw = sower_draw_id(&stats->request.draw);
    stats->preparation =
        (struct sower_sources_wait){.done = prepared, .has_left = has_left, .client = exchange->client};
    sower_sources_prepare(exchange->server->sources, &draw, &stats->request.plan, &stats->request.seed,
                          &stats->preparation);
    return false; /* from here on another thread may use `stats`, in `prepared` */
}

/* Generates and counts the next block. False with a problem. */
static bool count_block(struct stats *stats)
{
    const enum sower_dtype dtype = stats->request.draw.dtype;
    const struct sower_source *source =
        stats->heavy ? sower_sources_source(stats->preparation.prepared) : &stats->source;
    uint64_t left = stats->elements - stats->at;
    size_t count = left < BLOCK_ELEMENTS ? (size_t)left : BLOCK_ELEMENTS;
    size_t size = count * sower_dtype_size(dtype);
    if (!sower_source_read(source, &stats->request.region, stats->at, count, stats->block)) {
        return sower_problem_memory(&stats->work.problem);
    }
    crypto_generichash_update(&stats->digest, stats->block, size);
    sower_dtype_swap_to_wire(dtype, stats->block, count); /* its own inverse: back to host order */
    sower_dtype_widen(dtype, stats->block, count, stats->values);
    sower_statistics_add(&stats->statistics, stats->values, count);
    stats->at += count;
    return true;
}

static void add_histogram(struct sower_buffer *text, const struct sower_statistics *statistics)
{
    sower_buffer_text(text, ",\"histogram\":{\"low\":");
    sower_buffer_real(text, statistics->low);
    add_real(text, "high", statistics->high);
    add_count(text, "below", statistics->below);
    add_count(text, "above", statistics->above);
    sower_buffer_text(text, ",\"counts\":[");
    for (size_t i = 0; i < SOWER_STATISTICS_BINS; i++) {
        sower_buffer_text(text, i == 0 ? "" : ",");
        sower_buffer_number(text, statistics->bins[i]);
    }
    sower_buffer_text(text, "]}");
}

/* Prints the result of the current tensor and closes it. */
static void finish_tensor(struct stats *stats)
{
    struct sower_buffer *text = &stats->text;
    const struct sower_statistics *statistics = &stats->statistics;
    const struct sower_shape shape = sower_region_shape(&stats->request.region);
    uint8_t digest[DIGEST_SIZE];
    bool any = statistics->count > 0;
    crypto_generichash_final(&stats->digest, digest, sizeof digest);
    crypto_generichash_update(&stats->digests, digest, sizeof digest);
    sower_buffer_text(text, stats->number > 0 ? ",{\"name\":" : "{\"name\":");
    sower_buffer_string(text, stats->request.draw.name);
    sower_buffer_text(text, ",\"shape\":");
    sower_buffer_shape(text, &shape);
    sower_buffer_text(text, ",\"dtype\":");
    sower_buffer_string(text, sower_dtype_name(stats->request.draw.dtype));
    add_count(text, "elements", statistics->count);
    add_real(text, "mean", any ? statistics->mean : (double)NAN);
    add_real(text, "std", any ? sower_statistics_std(statistics) : (double)NAN);
    add_real(text, "min", any ? statistics->least : (double)NAN);
    add_real(text, "max", any ? statistics->most : (double)NAN);
    add_real(text, "mean_expected", stats->request.plan.mean_expected);
    add_real(text, "std_expected", stats->request.plan.std_expected);
    add_hex(text, "digest", digest);
    if (!stats->of_model) {
        add_histogram(text, statistics);
    }
    sower_buffer_text(text, "}");
    close_tensor(stats);
    stats->number++;
}

/* Generates and counts blocks of the current tensor until all are counted or the turn is over. False with a
 * problem. */
static bool count_blocks(struct stats *stats, int64_t over)
{
    while (stats->at < stats->elements && sower_clock_milliseconds() < over) {
        if (!count_block(stats)) {
            return false;
        }
    }
    if (stats->at == stats->elements) {
        finish_tensor(stats);
    }
    return true;
}

static void take_turn(struct sower_job *job)
{
    struct stats *stats = (struct stats *)job;
    int64_t now = sower_clock_milliseconds(), over = now + TURN_MILLISECONDS;
    bool well = is_wanted(stats, now);
    while (well && stats->number < stats->count && sower_clock_milliseconds() < over) {
        bool waits = false;
        well = stats->opened || open_tensor(stats, &waits);
        if (waits) {
            return;
        }
        well = well && count_blocks(stats, over);
    }
    if (well && stats->number < stats->count) {
        submit_turn(stats);
    } else {
        end(stats, well);
    }
}

static void refuse(struct sower_job *job)
{
    struct stats *stats = (struct stats *)job;
    sower_problem_set(&stats->work.problem, SOWER_PROBLEM_UNAVAILABLE, "", "%s", STOPPING);
    end(stats, false);
}

static enum MHD_Result reply(struct sower_exchange *exchange)
{
    struct stats *stats = exchange->state;
    struct sower_buffer *text = &stats->text;
    uint8_t digest[DIGEST_SIZE];
    if (!stats->work.done) {
        return sower_work_refuse(&stats->work);
    }
    if (stats->of_model) {
        crypto_generichash_final(&stats->digests, digest, sizeof digest);
        sower_buffer_text(text, "]");
        add_hex(text, "digest", digest);
        sower_buffer_text(text, "}");
    }
    sower_buffer_text(text, "\n");
    if (text->failed) {
        return sower_reply_unavailable(exchange);
    }
    char *body = text->text;
    size_t length = text->length;
    *text = (struct sower_buffer){0};
    return sower_reply_text(exchange, MHD_HTTP_OK, "application/json", body, length);
}
