/* /v1/manifests: a POST keeps a manifest under its hash; a GET sends the canonical form of a kept manifest.
 *
 * 1. sower_handle_manifests, on a worker: reads the fields of a GET.
 * 2. read_posted or find_kept, on a compute thread, while the exchange is suspended: reads the posted
 *    manifest and prints its canonical form, or finds the kept one.
 * 3. GET: reply_text, on a worker, sends the text.
 * 4. POST: keep, on a worker, asks the ledger to keep the text and suspends the exchange meanwhile.
 * 5. POST: reply_kept, on a worker, sends the hash and a summary. */
#include "server/handlers/handlers.h"

#include <stdlib.h>
#include <string.h>

#include "proto/hex.h"
#include "proto/record.h"
#include "server/handlers/kept_manifest.h"
#include "server/handlers/recording.h"
#include "server/http/budget.h"
#include "server/server.h"

struct keeping {
    struct sower_work work; /* comes first: the pool returns a pointer to it */
    struct sower_recording ledger;
    struct sower_store_model rows;
    json_t *fields; /* of a GET */
    struct sower_manifest manifest;
    struct sower_buffer text;
    uint64_t budget; /* bytes counted for the text (budget.h) */
};

static void read_posted(struct sower_work *work);
static void find_kept(struct sower_work *work);
static sower_step reply_text;
static sower_step keep;
static sower_step reply_kept;

static void release(void *state)
{
    struct keeping *keeping = state;
    if (keeping->budget > 0) {
        sower_budget_give_back(&keeping->work.exchange->server->budget, keeping->budget);
    }
    sower_manifest_free(&keeping->manifest);
    sower_buffer_free(&keeping->text);
    json_decref(keeping->fields);
    free(keeping);
}

/* Starts `run`, then `next`. `known` are the fields that the request may have; NULL: the query must be
 * empty. */
static enum MHD_Result start(struct sower_exchange *exchange, const char *const *known,
                             void (*run)(struct sower_work *work), sower_step *next)
{
    struct sower_problem problem;
    struct keeping *keeping = calloc(1, sizeof *keeping);
    if (keeping == NULL) {
        return sower_reply_unavailable(exchange);
    }
    exchange->state = keeping;
    exchange->release = release;
    bool read = known == NULL ? sower_work_check_query(exchange, &problem)
                              : sower_exchange_fields(exchange, &keeping->fields, &problem) &&
                                    sower_work_check_fields(keeping->fields, known, &problem);
    if (!read) {
        return sower_refuse(exchange, &problem);
    }
    return sower_work_start(&keeping->work, exchange, run, next);
}

enum MHD_Result sower_handle_manifests(struct sower_exchange *exchange)
{
    static const char *const known[] = {"manifest", NULL};
    return exchange->method == SOWER_POST ? start(exchange, NULL, read_posted, keep)
                                          : start(exchange, known, find_kept, reply_text);
}

/* Counts the memory of the canonical form; `release` gives it back. */
static bool take_budget(struct keeping *keeping)
{
    const uint64_t budget = keeping->manifest.canonical_size;
    if (!sower_budget_take(&keeping->work.exchange->server->budget, budget, &keeping->work.problem)) {
        return false;
    }
    keeping->budget = budget;
    return true;
}

static bool check_memory(struct keeping *keeping)
{
    return !keeping->text.failed || sower_problem_memory(&keeping->work.problem);
}

static void read_posted(struct sower_work *work)
{
    struct keeping *keeping = (struct keeping *)work;
    struct sower_exchange *exchange = work->exchange;
    bool read = sower_work_manifest(work, exchange->body == NULL ? "" : exchange->body, exchange->body_size,
                                    &keeping->manifest, NULL);
    sower_exchange_body_free(exchange);
    if (!read || !take_budget(keeping)) {
        return;
    }
    sower_manifest_print(&keeping->manifest, &keeping->text);
    work->done = check_memory(keeping);
}

static void find_kept(struct sower_work *work)
{
    struct keeping *keeping = (struct keeping *)work;
    char *text = NULL;
    size_t length = 0;
    if (!sower_kept_manifest_find(work, keeping->fields, &text, &length)) {
        return;
    }
    sower_buffer_bytes(&keeping->text, text, length);
    sower_buffer_text(&keeping->text, "\n");
    free(text);
    work->done = check_memory(keeping);
}

static enum MHD_Result reply_text(struct sower_exchange *exchange)
{
    struct keeping *keeping = exchange->state;
    char *text = keeping->text.text;
    size_t length = keeping->text.length;
    if (!keeping->work.done) {
        return sower_work_refuse(&keeping->work);
    }
    keeping->text = (struct sower_buffer){0};
    return sower_reply_text(exchange, MHD_HTTP_OK, "application/json", text, length);
}

static enum MHD_Result keep(struct sower_exchange *exchange)
{
    struct keeping *keeping = exchange->state;
    if (!keeping->work.done) {
        return sower_work_refuse(&keeping->work);
    }
    keeping->rows = (struct sower_store_model){.text = keeping->text.text, .length = keeping->text.length};
    memcpy(keeping->rows.manifest, keeping->manifest.hash, sizeof keeping->rows.manifest);
    keeping->ledger.wait.request = SOWER_LEDGER_MODEL;
    keeping->ledger.wait.model = &keeping->rows;
    return sower_recording_start(&keeping->ledger, exchange, reply_kept);
}

static enum MHD_Result reply_kept(struct sower_exchange *exchange)
{
    struct keeping *keeping = exchange->state;
    if (!keeping->ledger.wait.well) {
        return sower_refuse(exchange, &keeping->ledger.wait.problem);
    }
    return sower_reply_json(exchange, MHD_HTTP_OK, sower_manifest_summary(&keeping->manifest));
}
