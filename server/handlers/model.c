/* /v1/model: the tensors of a manifest as one safetensors file.
 *
 * A POST sends the manifest, which names experiment and trial and may have slices. A GET names a kept manifest by its hash. Both may
 * choose some of its tensors in the query (tensors, part, shard).
 *
 * 1. sower_handle_model, on a worker: reads the fields of the query.
 * 2. make_model, on a compute thread, while the exchange is suspended: reads the manifest, makes the model,
 *    counts its memory, and refuses a tensor that this daemon cannot prepare.
 * 3. check_conditions, on a worker: checks the request's conditions and range.
 * 4. record, on the same worker: asks the ledger to record the manifest and all draws. The exchange is suspended
 *    meanwhile, unless the ledger remembers that the model is recorded. HEAD records nothing: the ledger only
 *    looks the draws up.
 * 5. after_recording, on a worker: refuses a model with a draw that drifts where the ledger says so
 *    (drift.h).
 * 6. reply: sends the file, which is generated while it is sent. */
#include "server/handlers/handlers.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "proto/hex.h"
#include "proto/manifest_read.h"
#include "proto/number.h"
#include "proto/record.h"
#include "server/handlers/drift.h"
#include "server/handlers/kept_manifest.h"
#include "server/handlers/recording.h"
#include "server/handlers/warnings.h"
#include "server/http/authorize.h"
#include "server/http/budget.h"
#include "server/http/disposition.h"
#include "server/http/entity.h"
#include "server/server.h"
#include "server/streams/cost.h"
#include "server/streams/model_stream.h"

struct model_file {
    struct sower_work work; /* comes first: the pool returns a pointer to it */
    struct sower_recording ledger;
    struct sower_store_model rows;
    struct sower_buffer text; /* of a posted manifest, until it is recorded; empty for a kept one */
    json_t *fields;           /* of the query */
    struct sower_model model;
    struct sower_draw_id id; /* of the file: the ledger remembers by this id that all draws are recorded */
    struct sower_entity entity;
    uint64_t budget; /* bytes counted for the model (budget.h) */
    bool any_heavy, streams;
    struct sower_model_stream stream;
};

static void make_model(struct sower_work *work);
static sower_step check_conditions;
static sower_step record;
static sower_step after_recording;
static sower_step reply;

static void release(void *state)
{
    struct model_file *file = state;
    if (file->streams) {
        sower_model_stream_end(&file->stream);
    }
    if (file->budget > 0) {
        sower_budget_give_back(&file->work.exchange->server->budget, file->budget);
    }
    sower_model_free(&file->model);
    sower_buffer_free(&file->text);
    json_decref(file->fields);
    free(file);
}

static void describe(const void *state, struct sower_log_line *line)
{
    const struct model_file *file = state;
    char text[SOWER_HEX_SIZE];
    if (!file->work.done) {
        return;
    }
    sower_log_string(line, "experiment", file->model.draw.experiment);
    sower_log_number(line, "trial", file->model.draw.trial);
    sower_hex_print(file->model.manifest.hash, text);
    sower_log_string(line, "manifest", text);
    sower_log_number(line, "tensors", file->model.count);
    if (file->rows.drift != 0) {
        sower_log_number(line, "drift", file->rows.drift);
    }
    sower_warnings_log(line, file->model.manifest.warnings);
}

static bool is_posted(const struct model_file *file)
{
    return file->work.exchange->method == SOWER_POST;
}

/* A POST has the manifest, experiment, trial and spec in its body. */
static bool read_fields(struct sower_exchange *exchange, json_t **fields, struct sower_problem *problem)
{
    static const char *const posted[] = {"tensors", "part", "shard", NULL};
    static const char *const named[] = {"manifest", "experiment", "trial", "tensors",
                                        "part",     "shard",      "spec",  NULL};
    return sower_exchange_query(exchange, fields, problem) &&
           sower_work_check_fields(*fields, exchange->method == SOWER_POST ? posted : named, problem);
}

enum MHD_Result sower_handle_model(struct sower_exchange *exchange)
{
    struct sower_problem problem;
    struct model_file *file = calloc(1, sizeof *file);
    if (file == NULL) {
        return sower_reply_unavailable(exchange);
    }
    exchange->state = file;
    exchange->release = release;
    exchange->describe = describe;
    if (!read_fields(exchange, &file->fields, &problem)) {
        return sower_refuse(exchange, &problem);
    }
    return sower_work_start(&file->work, exchange, make_model, check_conditions);
}

/* Refuses a tensor that this daemon cannot prepare, before anything is recorded. Sets `any_heavy`. */
static bool check_costs(struct model_file *file)
{
    const struct sower_model *model = &file->model;
    struct sower_request request;
    struct sower_cost cost;
    for (size_t n = 0; n < model->count; n++) {
        struct sower_problem inner;
        if (!sower_model_is_structured(model, n)) {
            continue;
        }
        sower_model_request(model, n, &request);
        if (!sower_cost_check(file->work.exchange->server, &request.plan, &cost, &inner)) {
            return sower_problem_set(&file->work.problem, inner.code, "tensors", "\"%.200s\": %s",
                                     sower_model_name(model, n), inner.sentence);
        }
        file->any_heavy = file->any_heavy || cost.memory > 0;
    }
    return true;
}

static bool take_budget(struct model_file *file)
{
    uint64_t budget =
        sower_budget_for_model(&file->model) + (is_posted(file) ? file->model.manifest.canonical_size : 0);
    if (!sower_budget_take(&file->work.exchange->server->budget, budget, &file->work.problem)) {
        return false;
    }
    file->budget = budget;
    return true;
}

/* Prints the canonical form of a posted manifest, which the ledger may have to keep. */
static bool print_manifest(struct model_file *file)
{
    if (sower_ledger_known(file->work.exchange->server->ledger, &file->id) != 0) {
        return true;
    }
    sower_manifest_print(&file->model.manifest, &file->text);
    return !file->text.failed || sower_problem_memory(&file->work.problem);
}

static bool read_manifest(struct model_file *file, struct sower_manifest *manifest, json_t **slices)
{
    struct sower_exchange *exchange = file->work.exchange;
    *slices = NULL;
    return is_posted(file) ? sower_work_manifest(&file->work, exchange->body == NULL ? "" : exchange->body,
                                                 exchange->body_size, manifest, slices)
                           : sower_kept_manifest_read(&file->work, file->fields, manifest);
}

static void make_model(struct sower_work *work)
{
    struct model_file *file = (struct model_file *)work;
    struct sower_exchange *exchange = work->exchange;
    struct sower_model_choice choice;
    struct sower_manifest manifest;
    json_t *slices;
    const bool posted = is_posted(file);
    bool made = read_manifest(file, &manifest, &slices) &&
                sower_kept_manifest_choice(file->fields, &choice, &work->problem);
    choice.slices = slices;
    sower_exchange_body_free(exchange);
    json_t *asked = posted ? json_incref(manifest.asked) : sower_kept_manifest_asked(file->fields);
    made = made && sower_model_make(&file->model, &manifest, asked, !posted, &exchange->server->root, &choice,
                                    &work->problem);
    made = made && sower_may_use(exchange, file->model.draw.experiment, &work->problem) &&
           take_budget(file) && check_costs(file);
    if (made) {
        crypto_generichash(file->id.bytes, sizeof file->id.bytes,
                           (const unsigned char *)file->model.header.text, file->model.header.length, NULL,
                           0);
    }
    work->done = made && (!posted || print_manifest(file));
    sower_manifest_free(&manifest);
    json_decref(slices);
    json_decref(asked);
}

static enum MHD_Result check_conditions(struct sower_exchange *exchange)
{
    struct model_file *file = exchange->state;
    enum MHD_Result result;
    if (!file->work.done) {
        return sower_work_refuse(&file->work);
    }
    /* The header of the file has everything that decides its bytes, and the id is a hash of that header. */
    sower_entity_make(&file->entity, exchange, file->id.bytes, file->model.size);
    return sower_entity_evaluate(&file->entity, exchange, &result) ? record(exchange) : result;
}

static void fill_record(void *context, size_t n, struct sower_record *record)
{
    const struct model_file *file = context;
    struct sower_request request;
    sower_model_draw(&file->model, n, &request);
    sower_record_of(&request, record);
}

static enum MHD_Result record(struct sower_exchange *exchange)
{
    struct model_file *file = exchange->state;
    if (sower_ledger_known(exchange->server->ledger, &file->id) != 0) {
        return reply(exchange);
    }
    file->rows = (struct sower_store_model){.count = file->model.count,
                                            .fill = fill_record,
                                            .context = file,
                                            .strict = exchange->server->options->strict};
    memcpy(file->rows.manifest, file->model.manifest.hash, sizeof file->rows.manifest);
    file->rows.text = file->text.text;
    file->rows.length = file->text.length;
    file->ledger.wait.request = exchange->method == SOWER_HEAD ? SOWER_LEDGER_LOOK_MODEL : SOWER_LEDGER_MODEL;
    file->ledger.wait.model = &file->rows;
    return sower_recording_start(&file->ledger, exchange, after_recording);
}

static enum MHD_Result after_recording(struct sower_exchange *exchange)
{
    struct model_file *file = exchange->state;
    sower_buffer_free(&file->text);
    const struct sower_store_model *rows = &file->rows;
    if (!file->ledger.wait.well) {
        return sower_refuse(exchange, &file->ledger.wait.problem);
    }
    if (rows->refused) {
        return sower_drift_refuse(exchange, sower_model_name(&file->model, rows->drifting), rows->drift);
    }
    if (rows->drift == 0 && exchange->method != SOWER_HEAD) {
        sower_ledger_remember(exchange->server->ledger, &file->id);
    }
    return reply(exchange);
}

static void add_number(struct MHD_Response **response, const char *name, uint64_t number)
{
    char text[SOWER_NUMBER_MAX];
    sower_number_print(number, text);
    sower_reply_header(response, name, text);
}

static void add_file_name(struct MHD_Response **response, const struct sower_model *model)
{
    char end[SOWER_DISPOSITION_END_MAX], value[SOWER_DISPOSITION_SIZE];
    snprintf(end, sizeof end, "-%" PRIu64 ".safetensors", model->draw.trial);
    sower_disposition_print(model->draw.experiment, end, value);
    sower_reply_header(response, MHD_HTTP_HEADER_CONTENT_DISPOSITION, value);
}

static void add_headers(const struct model_file *file, struct MHD_Response **response)
{
    char text[SOWER_HEX_SIZE];
    sower_reply_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/octet-stream");
    add_file_name(response, &file->model);
    sower_entity_add_headers(&file->entity, file->work.exchange, response);
    sower_hex_print(file->model.manifest.hash, text);
    sower_reply_header(response, "Sower-Manifest", text);
    add_number(response, "Sower-Tensors", file->model.count);
    add_number(response, "Sower-Spec", SOWER_SPEC);
    sower_drift_add_header(response, file->rows.drift);
    sower_warnings_add_header(response, file->model.manifest.warnings);
}

/* The draws are recorded, so their bytes may be sent. HEAD, which recorded nothing, gets only the headers. */
static enum MHD_Result reply(struct sower_exchange *exchange)
{
    struct model_file *file = exchange->state;
    struct MHD_Response *response;
    if (exchange->method == SOWER_HEAD) {
        response = sower_entity_head(&file->entity);
    } else {
        file->streams = true;
        response = sower_model_stream_begin(&file->stream, exchange, &file->model, file->entity.range,
                                            file->any_heavy);
    }
    add_headers(file, &response);
    return sower_reply(exchange, sower_entity_status(&file->entity), response);
}
