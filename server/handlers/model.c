/* /v1/model: the tensors of a manifest as one safetensors file.
 *
 * A POST brings the manifest, with experiment and trial in it; a GET names a stored one by its hash, and may
 * narrow it (tensors, part, shard). The steps are those of a tensor (tensor.c), but for the reading,
 * which takes long and is done on the pool: all draws are recorded in one commit, with the manifest, and the
 * file is made while it is sent. */
#include "server/handlers/handlers.h"

#include <inttypes.h>
#include <stddef.h>
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
#include "server/http/burden.h"
#include "server/http/disposition.h"
#include "server/http/entity.h"
#include "server/streams/cost.h"
#include "server/streams/model_stream.h"

enum { WARNING_MAX = 512 };

struct answer {
    struct sower_work work; /* comes first: the pool hands a pointer to it back */
    struct sower_ledger_wait wait;
    struct sower_store_model rows;
    struct sower_buffer text; /* of the manifest, until it is recorded */
    json_t *fields;           /* of a GET */
    struct sower_model model;
    struct sower_draw_id id; /* of the file: under it the ledger remembers that all is recorded */
    struct sower_entity entity;
    uint64_t burden; /* of the model */
    bool any_heavy, streams;
    struct sower_model_stream stream;
};

static void release(void *state)
{
    struct answer *answer = state;
    if (answer->streams) {
        sower_model_stream_end(&answer->stream);
    }
    if (answer->burden > 0) {
        sower_burden_give(answer->work.exchange->server, answer->burden);
    }
    sower_model_free(&answer->model);
    sower_buffer_free(&answer->text);
    json_decref(answer->fields);
    free(answer);
}

/* All warnings, one behind the other, cut where there are too many. */
static void list_warnings(const struct sower_model *model, char text[WARNING_MAX])
{
    size_t i, length = 0;
    json_t *warning;
    text[0] = '\0';
    json_array_foreach(model->manifest.warnings, i, warning)
    {
        if (length < WARNING_MAX) {
            length += (size_t)snprintf(text + length, WARNING_MAX - length, "%s%s", i == 0 ? "" : " ",
                                       json_string_value(warning));
        }
    }
}

static void describe(const void *state, struct sower_log_line *line)
{
    const struct answer *answer = state;
    char text[SOWER_HEX_SIZE], warnings[WARNING_MAX];
    if (!answer->work.done) {
        return;
    }
    sower_log_string(line, "experiment", answer->model.draw.experiment);
    sower_log_number(line, "trial", answer->model.draw.trial);
    sower_hex_print(answer->model.manifest.hash, text);
    sower_log_string(line, "manifest", text);
    sower_log_number(line, "tensors", answer->model.count);
    if (answer->rows.drift != 0) {
        sower_log_number(line, "drift", answer->rows.drift);
    }
    list_warnings(&answer->model, warnings);
    if (warnings[0] != '\0') {
        sower_log_string(line, "warning", warnings);
    }
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

static void add_headers(const struct answer *answer, struct MHD_Response **response)
{
    char text[SOWER_HEX_SIZE], warnings[WARNING_MAX];
    sower_reply_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/octet-stream");
    add_file_name(response, &answer->model);
    sower_entity_add_headers(&answer->entity, answer->work.exchange, response);
    sower_hex_print(answer->model.manifest.hash, text);
    sower_reply_header(response, "Sower-Manifest", text);
    add_number(response, "Sower-Tensors", answer->model.count);
    add_number(response, "Sower-Spec", SOWER_SPEC);
    sower_drift_add_header(response, answer->rows.drift);
    list_warnings(&answer->model, warnings);
    for (char *at = warnings; *at != '\0'; at++) {
        if (*at < ' ' || *at > '~') { /* a header is printable ASCII */
            *at = '?';
        }
    }
    if (warnings[0] != '\0') {
        sower_reply_header(response, "Sower-Warning", warnings);
    }
}

/* The draws are recorded: their bytes may leave. Or only the headers are to. */
static enum MHD_Result reply(struct sower_exchange *exchange)
{
    struct answer *answer = exchange->state;
    struct MHD_Response *response;
    if (exchange->method == SOWER_HEAD) {
        response = sower_entity_head(&answer->entity);
    } else {
        answer->streams = true;
        response = sower_model_stream_begin(&answer->stream, exchange, &answer->model, answer->entity.range,
                                            answer->any_heavy);
    }
    add_headers(answer, &response);
    return sower_reply(exchange, sower_entity_status(&answer->entity), response);
}

static void fill(void *context, size_t n, struct sower_record *record)
{
    const struct answer *answer = context;
    struct sower_request request;
    sower_model_draw(&answer->model, n, &request);
    sower_record_of(&request, record);
}

static void recorded(struct sower_ledger_wait *wait)
{
    struct answer *answer = (struct answer *)((char *)wait - offsetof(struct answer, wait));
    sower_exchange_resume(answer->work.exchange);
}

static enum MHD_Result answer_recorded(struct sower_exchange *exchange)
{
    struct answer *answer = exchange->state;
    sower_buffer_free(&answer->text);
    const struct sower_store_model *rows = &answer->rows;
    if (!answer->wait.well) {
        return sower_refuse(exchange, &answer->wait.problem);
    }
    if (rows->refused) {
        return sower_drift_refuse(exchange, sower_model_name(&answer->model, rows->drifting), rows->drift);
    }
    if (rows->drift == 0 && exchange->method != SOWER_HEAD) {
        sower_ledger_remember(exchange->server->ledger, &answer->id);
    }
    return reply(exchange);
}

/* Has the draws recorded; for HEAD, which records nothing, looked for. */
static enum MHD_Result record(struct sower_exchange *exchange)
{
    struct answer *answer = exchange->state;
    if (sower_ledger_known(exchange->server->ledger, &answer->id) != 0) {
        return reply(exchange);
    }
    answer->rows = (struct sower_store_model){.count = answer->model.count,
                                              .fill = fill,
                                              .context = answer,
                                              .strict = exchange->server->options->strict};
    memcpy(answer->rows.manifest, answer->model.manifest.hash, sizeof answer->rows.manifest);
    sower_manifest_print(&answer->model.manifest, &answer->text);
    if (answer->text.failed) {
        return sower_reply_unavailable(exchange);
    }
    answer->rows.text = answer->text.text;
    answer->rows.length = answer->text.length;
    answer->wait.done = recorded;
    answer->wait.place.client = exchange->client;
    answer->wait.wish = exchange->method == SOWER_HEAD ? SOWER_LEDGER_LOOK_MODEL : SOWER_LEDGER_MODEL;
    answer->wait.model = &answer->rows;
    sower_exchange_suspend(exchange, answer_recorded);
    sower_ledger_submit(exchange->server->ledger, &answer->wait);
    return MHD_YES;
}

static enum MHD_Result answer_made(struct sower_exchange *exchange)
{
    struct answer *answer = exchange->state;
    enum MHD_Result result;
    if (!answer->work.done) {
        return sower_work_refuse(&answer->work);
    }
    /* The header of the file says all that decides its bytes. */
    sower_entity_make(&answer->entity, exchange, answer->id.bytes, answer->model.size);
    return sower_entity_weigh(&answer->entity, exchange, &result) ? record(exchange) : result;
}

/* Refuses a tensor that this daemon cannot prepare, before anything is recorded. */
static bool check_costs(struct answer *answer)
{
    const struct sower_model *model = &answer->model;
    struct sower_request request;
    struct sower_cost cost;
    for (size_t n = 0; n < model->count; n++) {
        struct sower_problem inner;
        if (!sower_model_is_structured(model, n)) {
            continue;
        }
        sower_model_request(model, n, &request);
        if (!sower_cost_check(answer->work.exchange->server, &request.plan, &cost, &inner)) {
            return sower_problem_set(&answer->work.problem, inner.code, "tensors", "\"%.200s\": %s",
                                     sower_model_name(model, n), inner.sentence);
        }
        answer->any_heavy = answer->any_heavy || cost.memory > 0;
    }
    return true;
}

static bool take_burden(struct answer *answer)
{
    uint64_t burden = sower_burden_of_model(&answer->model);
    if (!sower_burden_take(answer->work.exchange->server, burden, &answer->work.problem)) {
        return false;
    }
    answer->burden = burden;
    return true;
}

/* On the pool. */
static void make(struct sower_work *work)
{
    struct answer *answer = (struct answer *)work;
    struct sower_exchange *exchange = work->exchange;
    struct sower_model_choice choice = {0};
    struct sower_manifest manifest;
    bool posted = answer->fields == NULL, made;
    if (posted) {
        made = sower_manifest_read(exchange->body == NULL ? "" : exchange->body, exchange->body_size,
                                   &manifest, &work->problem);
    } else {
        made = sower_kept_manifest_read(work, answer->fields, &manifest) &&
               sower_kept_manifest_choice(answer->fields, &choice, &work->problem);
    }
    sower_exchange_body_free(exchange);
    json_t *asked = posted ? json_incref(manifest.asked) : sower_kept_manifest_asked(answer->fields);
    made = made && sower_model_make(&answer->model, &manifest, asked, !posted, &exchange->server->root,
                                    &choice, &work->problem);
    work->done = made && take_burden(answer) && check_costs(answer);
    if (work->done) {
        crypto_generichash(answer->id.bytes, sizeof answer->id.bytes,
                           (const unsigned char *)answer->model.header.text, answer->model.header.length,
                           NULL, 0);
    }
    sower_manifest_free(&manifest);
    json_decref(asked);
}

/* The query of a GET; a POST has none. */
static bool read_fields(struct sower_exchange *exchange, json_t **fields, struct sower_problem *problem)
{
    static const char *const known[] = {"manifest", "experiment", "trial", "tensors",
                                        "part",     "shard",      "spec",  NULL};
    *fields = NULL;
    if (exchange->method == SOWER_POST) {
        return sower_work_check_query(exchange, problem);
    }
    return sower_exchange_fields(exchange, fields, problem) &&
           sower_work_check_fields(*fields, known, problem);
}

enum MHD_Result sower_handle_model(struct sower_exchange *exchange)
{
    struct sower_problem problem;
    struct answer *answer = calloc(1, sizeof *answer);
    if (answer == NULL) {
        return sower_reply_unavailable(exchange);
    }
    exchange->state = answer;
    exchange->release = release;
    exchange->describe = describe;
    if (!read_fields(exchange, &answer->fields, &problem)) {
        return sower_refuse(exchange, &problem);
    }
    return sower_work_start(&answer->work, exchange, make, answer_made);
}
