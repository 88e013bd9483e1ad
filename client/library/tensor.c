#include "client/library/tensor.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <sodium.h>

#include "client/library/call.h"
#include "proto/documents.h"
#include "proto/fields.h"
#include "proto/json.h"
#include "proto/record_read.h"

sower_tensor *sower_tensor_new(void)
{
    sower_tensor *tensor = calloc(1, sizeof *tensor);
    if (tensor != NULL) {
        pthread_mutex_init(&tensor->lock, NULL);
    }
    return tensor;
}

void sower_tensor_close(sower_tensor *tensor)
{
    if (tensor == NULL) {
        return;
    }
    if (tensor->opened) {
        sower_source_close(&tensor->source);
    }
    if (tensor->plan != NULL) {
        sodium_memzero(tensor->plan, strlen(tensor->plan)); /* it has the seed */
        free(tensor->plan);
    }
    pthread_mutex_destroy(&tensor->lock);
    sodium_memzero(tensor, sizeof *tensor);
    free(tensor);
}

/* ---- Opening -------------------------------------------------------------------------------------------- */

/* What a caller gave; the members that do not apply are NULL. */
struct given {
    const uint8_t *root, *root_id, *seed;
};

/* Makes the request of a tensor from a JSON object. */
typedef int open_request(const json_t *object, const struct given *given, struct sower_request *request,
                         struct sower_problem *problem);

static int open_tensor(sower_tensor **tensor, const char *json, size_t length, const struct given *given,
                       open_request *make, struct sower_error *error)
{
    struct sower_problem problem;
    json_t *object = NULL;
    int code = sower_start(error);
    if (code != SOWER_OK) {
        return code;
    }
    sower_tensor *made = sower_tensor_new();
    if (made == NULL) {
        return sower_call_result(sower_problem_memory(&problem), &problem, error);
    }
    const locale_t found = sower_locale_enter();
    code = sower_request_fields_from_json(json, length, &object, &problem)
               ? make(object, given, &made->request, &problem)
               : sower_call_result(false, &problem, NULL);
    json_decref(object);
    sower_locale_leave(found);
    if (code != SOWER_OK) {
        sower_tensor_close(made);
        return sower_call_fail(code, &problem, error);
    }
    *tensor = made;
    return SOWER_OK;
}

static int from_root(const json_t *object, const struct given *given, struct sower_request *request,
                     struct sower_problem *problem)
{
    struct sower_seed root = sower_call_root(given->root);
    const bool parsed = sower_request_parse(object, false, &root, request, problem);
    sodium_memzero(&root, sizeof root);
    return sower_call_result(parsed, problem, NULL);
}

static int from_seed(const json_t *object, const struct given *given, struct sower_request *request,
                     struct sower_problem *problem)
{
    const bool parsed = sower_request_parse(object, false, NULL, request, problem);
    if (parsed) {
        memcpy(request->draw.root_id.bytes, given->root_id, SOWER_KEY_SIZE);
        memcpy(request->seed.bytes, given->seed, SOWER_KEY_SIZE);
    }
    return sower_call_result(parsed, problem, NULL);
}

static bool read_record(const json_t *object, struct sower_record *record, struct sower_problem *problem)
{
    if (json_object_get(object, "kind") == NULL) {
        return sower_record_read_described(object, record, problem);
    }
    return sower_record_read(object, record, problem) &&
           (record->kind == SOWER_RECORD_DRAW ||
            sower_problem_set(problem, SOWER_PROBLEM_INVALID, "kind", "The line must be of kind \"draw\"."));
}

static int from_line(const json_t *object, const struct given *given, struct sower_request *request,
                     struct sower_problem *problem)
{
    struct sower_record record;
    struct sower_seed root = sower_call_root(given->root);
    bool known = false;
    int code = sower_call_result(read_record(object, &record, problem), problem, NULL);
    if (code == SOWER_OK) {
        code =
            sower_call_result(sower_record_request(&record, &root, request, &known, problem), problem, NULL);
        code = code == SOWER_UNPROCESSABLE ? SOWER_DIFFERENT : code;
    }
    if (code == SOWER_OK && given->root != NULL && !known) {
        (void)sower_problem_set(problem, SOWER_PROBLEM_UNPROCESSABLE, "root", "The line is of another root.");
        code = SOWER_DIFFERENT;
    }
    sodium_memzero(&root, sizeof root);
    sodium_memzero(&record.seed, sizeof record.seed);
    return code;
}

int sower_tensor_open(sower_tensor **tensor, const char *json, size_t length, const uint8_t *root,
                      struct sower_error *error)
{
    const struct given given = {.root = root};
    return open_tensor(tensor, json, length, &given, from_root, error);
}

int sower_tensor_open_seed(sower_tensor **tensor, const char *json, size_t length,
                           const uint8_t root_id[SOWER_KEY_SIZE], const uint8_t seed[SOWER_KEY_SIZE],
                           struct sower_error *error)
{
    const struct given given = {.root_id = root_id, .seed = seed};
    return open_tensor(tensor, json, length, &given, from_seed, error);
}

int sower_tensor_open_line(sower_tensor **tensor, const char *json, size_t length, const uint8_t *root,
                           struct sower_error *error)
{
    const struct given given = {.root = root};
    return open_tensor(tensor, json, length, &given, from_line, error);
}

/* ---- Properties ----------------------------------------------------------------------------------------- */

const char *sower_tensor_name(const sower_tensor *tensor)
{
    return tensor->request.draw.name;
}

const char *sower_tensor_experiment(const sower_tensor *tensor)
{
    return tensor->request.draw.experiment;
}

uint64_t sower_tensor_trial(const sower_tensor *tensor)
{
    return tensor->request.draw.trial;
}

const char *sower_tensor_dtype(const sower_tensor *tensor)
{
    return sower_dtype_name(tensor->request.draw.dtype);
}

size_t sower_tensor_element_size(const sower_tensor *tensor)
{
    return sower_dtype_size(tensor->request.draw.dtype);
}

size_t sower_tensor_rank(const sower_tensor *tensor)
{
    return tensor->request.draw.shape.rank;
}

uint64_t sower_tensor_size(const sower_tensor *tensor, size_t axis)
{
    const struct sower_shape *shape = &tensor->request.draw.shape;
    return axis < shape->rank ? shape->sizes[axis] : 1;
}

void sower_tensor_draw(const sower_tensor *tensor, uint8_t id[SOWER_KEY_SIZE])
{
    const struct sower_draw_id made = sower_draw_id(&tensor->request.draw);
    memcpy(id, made.bytes, sizeof made.bytes);
}

void sower_tensor_seed(const sower_tensor *tensor, uint8_t seed[SOWER_KEY_SIZE])
{
    memcpy(seed, tensor->request.seed.bytes, SOWER_KEY_SIZE);
}

static char *print_plan(const struct sower_request *request)
{
    const locale_t found = sower_locale_enter();
    json_t *plan = sower_document_plan(request);
    char *text = plan != NULL ? sower_json_text(plan, JSON_COMPACT) : NULL;
    json_decref(plan);
    sower_locale_leave(found);
    return text;
}

const char *sower_tensor_plan(sower_tensor *tensor)
{
    pthread_mutex_lock(&tensor->lock);
    if (tensor->plan == NULL) {
        tensor->plan = print_plan(&tensor->request);
    }
    const char *plan = tensor->plan;
    pthread_mutex_unlock(&tensor->lock);
    return plan;
}

const struct sower_source *sower_tensor_source(sower_tensor *tensor, struct sower_workers *workers,
                                               struct sower_problem *problem)
{
    const struct sower_request *request = &tensor->request;
    pthread_mutex_lock(&tensor->lock);
    if (!tensor->opened) {
        tensor->opened =
            sower_source_open(&tensor->source, &request->plan, &request->seed, &workers->parallel, problem);
    }
    const struct sower_source *source = tensor->opened ? &tensor->source : NULL;
    pthread_mutex_unlock(&tensor->lock);
    return source;
}
