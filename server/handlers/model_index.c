/* GET /v1/model/index: which tensor is in which part, when a client fetches a model in parts.
 *
 * 1. sower_handle_model_index, on a worker: reads the fields of the query.
 * 2. make_index, on a compute thread, while the exchange is suspended: finds the kept manifest, which may
 *    wait for the ledger's reader, and prints the index.
 * 3. reply, on a worker: sends it. */
#include "server/handlers/handlers.h"

#include <stdlib.h>
#include <string.h>

#include "proto/model.h"
#include "proto/text.h"
#include "server/handlers/kept_manifest.h"

struct indexing {
    struct sower_work work; /* comes first: the pool returns a pointer to it */
    json_t *fields;
    struct sower_manifest manifest;
    struct sower_buffer text;
};

static void make_index(struct sower_work *work);
static sower_step reply;

static void release(void *state)
{
    struct indexing *indexing = state;
    sower_manifest_free(&indexing->manifest);
    sower_buffer_free(&indexing->text);
    json_decref(indexing->fields);
    free(indexing);
}

enum MHD_Result sower_handle_model_index(struct sower_exchange *exchange)
{
    static const char *const known[] = {"manifest", "tensors", "parts", NULL};
    struct sower_problem problem;
    struct indexing *indexing = calloc(1, sizeof *indexing);
    if (indexing == NULL) {
        return sower_reply_unavailable(exchange);
    }
    exchange->state = indexing;
    exchange->release = release;
    if (!sower_exchange_fields(exchange, &indexing->fields, &problem) ||
        !sower_work_check_fields(indexing->fields, known, &problem)) {
        return sower_refuse(exchange, &problem);
    }
    return sower_work_start(&indexing->work, exchange, make_index, reply);
}

static bool read_parts(const json_t *fields, uint64_t *parts, struct sower_problem *problem)
{
    const char *text = json_string_value(json_object_get(fields, "parts"));
    int64_t number = 0;
    if (text == NULL || !sower_text_integer(text, strlen(text), &number) || number < 1 ||
        number > SOWER_PARTS_MAX) {
        return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "parts",
                                 "parts is how many parts there are, from 1 to %d, for example parts=8.",
                                 SOWER_PARTS_MAX);
    }
    *parts = (uint64_t)number;
    return true;
}

static void make_index(struct sower_work *work)
{
    struct indexing *indexing = (struct indexing *)work;
    uint64_t parts = 0;
    work->done = read_parts(indexing->fields, &parts, &work->problem) &&
                 sower_kept_manifest_read(work, indexing->fields, &indexing->manifest) &&
                 sower_model_index(&indexing->manifest,
                                   json_string_value(json_object_get(indexing->fields, "tensors")), parts,
                                   &indexing->text, &work->problem);
}

static enum MHD_Result reply(struct sower_exchange *exchange)
{
    struct indexing *indexing = exchange->state;
    if (!indexing->work.done) {
        return sower_work_refuse(&indexing->work);
    }
    char *text = indexing->text.text;
    const size_t length = indexing->text.length;
    indexing->text = (struct sower_buffer){0}; /* the response owns the text now */
    return sower_reply_text(exchange, MHD_HTTP_OK, "application/json", text, length);
}
