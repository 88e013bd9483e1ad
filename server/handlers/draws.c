/* POST /v1/draws: records the draws of a manifest, or of one tensor, and sends a receipt (receipt.h) in place of their bytes.
 *
 * 1. sower_handle_draws, on a worker: reads the query.
 * 2. read_body, on a compute thread, while the exchange is suspended: reads the manifest, chooses its tensors and counts
 *    their memory; or reads the request for one tensor. The daemon generates no element, so it does not matter whether it
 *    could prepare a tensor.
 * 3. record, on a worker: asks the ledger to record everything, and suspends the exchange meanwhile. The ledger tells the
 *    line of each draw (note_line).
 * 4. after_recording, on a worker: refuses everything if a draw drifts where the ledger says so (drift.h). Prints the
 *    first block of the receipt before the status is sent, so that a lack of memory is a 503.
 * 5. send_block, on a worker, as often as libmicrohttpd calls it: copies bytes of the block, or prints the next block. */
#include "server/handlers/handlers.h"

#include <stdlib.h>
#include <string.h>

#include "proto/hex.h"
#include "proto/manifest_read.h"
#include "proto/receipt.h"
#include "server/handlers/drift.h"
#include "server/handlers/kept_manifest.h"
#include "server/handlers/recording.h"
#include "server/handlers/warnings.h"
#include "server/http/authorize.h"
#include "server/http/budget.h"
#include "server/server.h"

enum { BLOCK_SIZE = 64 * 1024 };

/* A line of the ledger. */
struct line {
    uint64_t number, drift; /* as in a record */
};

/* What the receipt has next. */
enum part { DRAWS, TIES, NOTHING };

struct recording {
    struct sower_work work; /* comes first: the pool returns a pointer to it */
    struct sower_recording ledger;
    json_t *choice;  /* the fields of the query */
    uint64_t budget; /* bytes counted for the model (budget.h) */
    bool of_model;
    struct sower_model model;
    struct sower_buffer manifest; /* the canonical form, until it is recorded */
    struct sower_store_model rows;
    struct line *lines;          /* one for each draw of the model */
    struct sower_request tensor; /* without a model */
    struct sower_store_draw row;
    uint64_t last; /* the greatest line */
    /* the receipt */
    enum part part;
    size_t next; /* the next draw, or the next tensor that may be tied */
    bool first;  /* of its part */
    struct sower_buffer block;
    size_t sent; /* bytes of the block */
};

static void read_body(struct sower_work *work);
static sower_step record;
static sower_step after_recording;
static ssize_t send_block(void *context, uint64_t position, char *buffer, size_t size);

static void release(void *state)
{
    struct recording *recording = state;
    if (recording->budget > 0) {
        sower_budget_give_back(&recording->work.exchange->server->budget, recording->budget);
    }
    sower_model_free(&recording->model);
    sower_buffer_free(&recording->manifest);
    sower_buffer_free(&recording->block);
    json_decref(recording->choice);
    free(recording->lines);
    free(recording);
}

static const struct sower_draw *draw_of(const struct recording *recording)
{
    return recording->of_model ? &recording->model.draw : &recording->tensor.draw;
}

static void describe(const void *state, struct sower_log_line *line)
{
    const struct recording *recording = state;
    char hash[SOWER_HEX_SIZE];
    if (!recording->work.done) {
        return;
    }
    sower_log_string(line, "experiment", draw_of(recording)->experiment);
    sower_log_number(line, "trial", draw_of(recording)->trial);
    if (recording->of_model) {
        sower_hex_print(recording->model.manifest.hash, hash);
        sower_log_string(line, "manifest", hash);
        sower_log_number(line, "tensors", recording->model.count);
        sower_warnings_log(line, recording->model.manifest.warnings);
    } else {
        sower_log_string(line, "name", recording->tensor.draw.name);
    }
    if (recording->last != 0) {
        sower_log_number(line, "ledger", recording->last);
    }
}

enum MHD_Result sower_handle_draws(struct sower_exchange *exchange)
{
    static const char *const known[] = {"tensors", "part", NULL};
    struct sower_problem problem;
    struct recording *recording = calloc(1, sizeof *recording);
    if (recording == NULL) {
        return sower_reply_unavailable(exchange);
    }
    exchange->state = recording;
    exchange->release = release;
    exchange->describe = describe;
    if (!sower_exchange_query(exchange, &recording->choice, &problem) ||
        !sower_work_check_fields(recording->choice, known, &problem)) {
        return sower_refuse(exchange, &problem);
    }
    return sower_work_start(&recording->work, exchange, read_body, record);
}

/* Counts the memory of the model. Then gets memory for the lines and prints the canonical form. */
static bool prepare_model(struct recording *recording)
{
    const struct sower_model *model = &recording->model;
    struct sower_work *work = &recording->work;
    uint64_t budget = sower_budget_for_model(model) + model->manifest.canonical_size +
                      model->count * sizeof *recording->lines;
    if (!sower_budget_take(&work->exchange->server->budget, budget, &work->problem)) {
        return false;
    }
    recording->budget = budget;
    recording->lines = calloc(model->count + 1, sizeof *recording->lines); /* a part may be empty */
    sower_manifest_print(&model->manifest, &recording->manifest);
    return (recording->lines != NULL && !recording->manifest.failed) || sower_problem_memory(&work->problem);
}

static bool read_model(struct recording *recording, const char *body, size_t size)
{
    struct sower_work *work = &recording->work;
    struct sower_model_choice choice;
    struct sower_manifest manifest;
    recording->of_model = true;
    bool read = sower_work_manifest(work, body, size, &manifest, NULL) &&
                sower_kept_manifest_choice(recording->choice, &choice, &work->problem);
    sower_exchange_body_free(work->exchange);
    json_t *asked = json_incref(manifest.asked);
    read = read && sower_model_choose(&recording->model, &manifest, asked, false,
                                      &work->exchange->server->root, &choice, &work->problem);
    sower_manifest_free(&manifest);
    json_decref(asked);
    return read && sower_may_use(work->exchange, recording->model.draw.experiment, &work->problem) &&
           prepare_model(recording);
}

static bool read_tensor(struct recording *recording, const char *body, size_t size)
{
    struct sower_work *work = &recording->work;
    json_t *fields;
    if (json_object_size(recording->choice) > 0) {
        return sower_problem_set(&work->problem, SOWER_PROBLEM_INVALID, "",
                                 "A query string chooses tensors of a manifest, and the body has none.");
    }
    if (size > SOWER_REQUEST_BODY_MAX) {
        return sower_problem_set(
            &work->problem, SOWER_PROBLEM_TOO_LARGE, "",
            "The body has no tensors, and a request for one tensor has at most %d bytes.",
            SOWER_REQUEST_BODY_MAX);
    }
    if (!sower_request_fields_from_json(body, size, &fields, &work->problem)) {
        return false;
    }
    bool read =
        sower_request_parse(fields, false, &work->exchange->server->root, &recording->tensor, &work->problem);
    json_decref(fields);
    return read && sower_may_use(work->exchange, recording->tensor.draw.experiment, &work->problem);
}

static void read_body(struct sower_work *work)
{
    struct recording *recording = (struct recording *)work;
    const char *body = work->exchange->body == NULL ? "" : work->exchange->body;
    const size_t size = work->exchange->body_size;
    work->done = sower_manifest_is(body, size) ? read_model(recording, body, size)
                                               : read_tensor(recording, body, size);
}

static void fill_record(void *context, size_t n, struct sower_record *row)
{
    const struct recording *recording = context;
    struct sower_request request;
    sower_model_draw(&recording->model, n, &request);
    sower_record_of(&request, row);
}

static void note_line(void *context, size_t n, const struct sower_record *row)
{
    struct recording *recording = context;
    recording->lines[n] = (struct line){row->ledger, row->drift};
}

static void ask_for_model(struct recording *recording)
{
    const struct sower_manifest *manifest = &recording->model.manifest;
    recording->rows = (struct sower_store_model){.count = recording->model.count,
                                                 .fill = fill_record,
                                                 .note = note_line,
                                                 .context = recording,
                                                 .text = recording->manifest.text,
                                                 .length = recording->manifest.length,
                                                 .strict = recording->work.exchange->server->options->strict};
    memcpy(recording->rows.manifest, manifest->hash, sizeof recording->rows.manifest);
    recording->ledger.wait.request = SOWER_LEDGER_MODEL;
    recording->ledger.wait.model = &recording->rows;
}

static void ask_for_tensor(struct recording *recording)
{
    sower_record_of(&recording->tensor, &recording->row.record);
    recording->row.strict = recording->work.exchange->server->options->strict;
    recording->ledger.wait.request = SOWER_LEDGER_RECORD;
    recording->ledger.wait.draw = &recording->row;
}

static enum MHD_Result record(struct sower_exchange *exchange)
{
    struct recording *recording = exchange->state;
    if (!recording->work.done) {
        return sower_work_refuse(&recording->work);
    }
    if (recording->of_model) {
        ask_for_model(recording);
    } else {
        ask_for_tensor(recording);
    }
    return sower_recording_start(&recording->ledger, exchange, after_recording);
}

static void print_draw(struct recording *recording)
{
    const size_t n = recording->next++;
    struct sower_record row;
    if (recording->of_model) {
        fill_record(recording, n, &row);
        row.ledger = recording->lines[n].number;
        row.drift = recording->lines[n].drift;
    } else {
        row = recording->row.record;
    }
    sower_receipt_draw(&recording->block, recording->first, &row);
    recording->first = false;
}

/* Prints the next draw or tie, or what comes between two parts. */
static void print_next(struct recording *recording)
{
    const char *name, *same_as;
    if (recording->part == DRAWS && recording->next < (recording->of_model ? recording->model.count : 1)) {
        print_draw(recording);
    } else if (recording->part == DRAWS) {
        sower_receipt_ties(&recording->block);
        recording->part = TIES;
        recording->next = 0;
        recording->first = true;
    } else if (sower_model_tie(&recording->model, &recording->next, &name, &same_as)) {
        sower_receipt_tie(&recording->block, recording->first, name, same_as);
        recording->first = false;
    } else {
        sower_receipt_end(&recording->block);
        recording->part = NOTHING;
    }
}

static bool print_block(struct recording *recording)
{
    while (recording->part != NOTHING && recording->block.length < BLOCK_SIZE && !recording->block.failed) {
        print_next(recording);
    }
    return !recording->block.failed;
}

static bool begin_receipt(struct recording *recording)
{
    recording->last = recording->of_model ? 0 : recording->row.record.ledger;
    for (size_t n = 0; n < recording->model.count; n++) {
        const uint64_t number = recording->lines[n].number;
        recording->last = number > recording->last ? number : recording->last;
    }
    recording->first = true;
    sower_receipt_begin(&recording->block, draw_of(recording),
                        recording->of_model ? recording->model.manifest.hash : NULL, recording->last);
    return print_block(recording);
}

static enum MHD_Result after_recording(struct sower_exchange *exchange)
{
    struct recording *recording = exchange->state;
    const struct sower_store_model *rows = &recording->rows;
    sower_buffer_free(&recording->manifest);
    if (!recording->ledger.wait.well) {
        return sower_refuse(exchange, &recording->ledger.wait.problem);
    }
    if (rows->refused) {
        return sower_drift_refuse(exchange, sower_model_name(&recording->model, rows->drifting), rows->drift);
    }
    if (recording->row.outcome == SOWER_DRAW_REFUSED) {
        return sower_drift_refuse(exchange, recording->row.record.name, recording->row.record.drift);
    }
    if (!begin_receipt(recording)) {
        return sower_reply_unavailable(exchange);
    }
    struct MHD_Response *response =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_SIZE, send_block, recording, NULL);
    sower_reply_header(&response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
    sower_warnings_add_header(&response, recording->model.manifest.warnings);
    return sower_reply(exchange, MHD_HTTP_OK, response);
}

static ssize_t send_block(void *context, uint64_t position, char *buffer, size_t size)
{
    struct recording *recording = context;
    struct sower_buffer *block = &recording->block;
    (void)position;
    if (recording->sent == block->length) {
        block->length = recording->sent = 0;
        if (!print_block(recording)) {
            return MHD_CONTENT_READER_END_WITH_ERROR; /* cuts the connection: the client sees that the end is missing */
        }
    }
    const size_t left = block->length - recording->sent, count = left < size ? left : size;
    if (count == 0) {
        return MHD_CONTENT_READER_END_OF_STREAM;
    }
    memcpy(buffer, block->text + recording->sent, count);
    recording->sent += count;
    recording->work.exchange->bytes += count;
    return (ssize_t)count;
}
