#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <sodium.h>

#include "client/library/call.h"
#include "client/library/tensor.h"
#include "proto/json.h"
#include "proto/manifest_read.h"

struct sower_tensors {
    struct sower_manifest manifest; /* does not change */
    pthread_mutex_t lock;           /* for the texts */
    struct sower_buffer canonical;  /* text NULL: not printed yet */
    char *summary;
};

int sower_tensors_open(sower_tensors **tensors, const char *json, size_t length, struct sower_error *error)
{
    struct sower_problem problem;
    int code = sower_start(error);
    if (code != SOWER_OK) {
        return code;
    }
    sower_tensors *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return sower_call_result(sower_problem_memory(&problem), &problem, error);
    }
    pthread_mutex_init(&made->lock, NULL);
    const locale_t found = sower_locale_enter();
    const bool read = sower_manifest_read(json, length, &made->manifest, &problem);
    sower_locale_leave(found);
    if (read) {
        *tensors = made;
    } else {
        sower_tensors_close(made);
    }
    return sower_call_result(read, &problem, error);
}

void sower_tensors_close(sower_tensors *tensors)
{
    if (tensors == NULL) {
        return;
    }
    sower_manifest_free(&tensors->manifest);
    sower_buffer_free(&tensors->canonical);
    free(tensors->summary);
    pthread_mutex_destroy(&tensors->lock);
    free(tensors);
}

void sower_tensors_hash(const sower_tensors *tensors, uint8_t hash[SOWER_KEY_SIZE])
{
    memcpy(hash, tensors->manifest.hash, SOWER_KEY_SIZE);
}

static void print_canonical(sower_tensors *tensors)
{
    struct sower_buffer buffer = {0};
    const locale_t found = sower_locale_enter();
    sower_manifest_print(&tensors->manifest, &buffer);
    sower_buffer_bytes(&buffer, "", 1);
    sower_locale_leave(found);
    if (buffer.failed) {
        sower_buffer_free(&buffer);
    } else {
        tensors->canonical = buffer;
    }
}

const char *sower_tensors_canonical(sower_tensors *tensors, size_t *length)
{
    pthread_mutex_lock(&tensors->lock);
    if (tensors->canonical.text == NULL) {
        print_canonical(tensors);
    }
    const char *text = tensors->canonical.text;
    if (text != NULL && length != NULL) {
        *length = tensors->canonical.length - 1; /* without the NUL */
    }
    pthread_mutex_unlock(&tensors->lock);
    return text;
}

static char *print_summary(const struct sower_manifest *manifest)
{
    const locale_t found = sower_locale_enter();
    json_t *summary = sower_manifest_summary(manifest);
    char *text = summary != NULL ? sower_json_text(summary, JSON_COMPACT) : NULL;
    json_decref(summary);
    sower_locale_leave(found);
    return text;
}

const char *sower_tensors_summary(sower_tensors *tensors)
{
    pthread_mutex_lock(&tensors->lock);
    if (tensors->summary == NULL) {
        tensors->summary = print_summary(&tensors->manifest);
    }
    const char *summary = tensors->summary;
    pthread_mutex_unlock(&tensors->lock);
    return summary;
}

size_t sower_tensors_count(const sower_tensors *tensors)
{
    return tensors->manifest.count;
}

const char *sower_tensors_name(const sower_tensors *tensors, size_t index)
{
    return index < tensors->manifest.count ? tensors->manifest.tensors[index].name : NULL;
}

size_t sower_tensors_same_as(const sower_tensors *tensors, size_t index)
{
    const struct sower_manifest *manifest = &tensors->manifest;
    return index < manifest->count && manifest->tensors[index].tied ? manifest->tensors[index].same_as
                                                                    : index;
}

/* Makes the request of a tensor that is not tied. */
static bool make_request(const struct sower_manifest_tensor *tensor, const struct sower_seed *root,
                         struct sower_request *request, struct sower_problem *problem)
{
    struct sower_draw *draw = &request->draw;
    draw->root_id = sower_seed_root_id(root);
    snprintf(draw->name, sizeof draw->name, "%s", tensor->name);
    draw->shape = tensor->form->shape;
    draw->dtype = tensor->dtype;
    draw->initializer = tensor->form->initializer;
    draw->layout = tensor->form->layout;
    request->seed = sower_draw_seed(draw, root);
    request->region = sower_region_whole(&draw->shape);
    request->format = SOWER_FORMAT_RAW;
    return sower_plan_make(&draw->initializer, &draw->shape, draw->dtype, &draw->layout, &request->plan,
                           problem);
}

int sower_tensors_draw(const sower_tensors *tensors, size_t index, const char *experiment, uint64_t trial,
                       const uint8_t *root, sower_tensor **tensor, struct sower_error *error)
{
    struct sower_problem problem;
    if (index >= tensors->manifest.count) {
        sower_problem_set(&problem, SOWER_PROBLEM_INVALID, "index", "The manifest has %zu tensors.",
                          tensors->manifest.count);
        return sower_call_result(false, &problem, error);
    }
    sower_tensor *made = sower_tensor_new();
    if (made == NULL) {
        return sower_call_result(sower_problem_memory(&problem), &problem, error);
    }
    struct sower_draw *draw = &made->request.draw;
    struct sower_seed key = sower_call_root(root);
    const locale_t found = sower_locale_enter();
    const bool good = sower_call_trial(experiment, trial, draw->experiment, &problem);
    draw->trial = trial;
    const bool drawn = good && make_request(&tensors->manifest.tensors[sower_tensors_same_as(tensors, index)],
                                            &key, &made->request, &problem);
    sower_locale_leave(found);
    sodium_memzero(&key, sizeof key);
    if (drawn) {
        *tensor = made;
    } else {
        sower_tensor_close(made);
    }
    return sower_call_result(drawn, &problem, error);
}
