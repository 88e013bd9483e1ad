#include "proto/model_slices.h"

#include <stdlib.h>
#include <string.h>

#include "proto/slice.h"

/* Checks that `given` is an object of texts, and sets the bytes of all texts with their NULs. */
static bool measure(json_t *given, size_t *size, struct sower_problem *problem)
{
    const char *name;
    json_t *slice;
    *size = 0;
    bool texts = json_is_object(given);
    json_object_foreach(given, name, slice)
    {
        texts = texts && json_is_string(slice);
        *size += json_string_length(slice) + 1;
    }
    return texts ||
           sower_problem_set(problem, SOWER_PROBLEM_INVALID, "slices",
                             "slices must be an object of texts, as in {\"h.0.weight\":\"0:512,:\"}.");
}

static bool check_slice(const struct sower_manifest *manifest, const struct sower_manifest_tensor *tensor,
                        const json_t *slice, struct sower_problem *problem)
{
    struct sower_problem inner;
    struct sower_region region;
    if (tensor->tied) {
        const char *other = manifest->tensors[tensor->same_as].name;
        return sower_problem_set(problem, SOWER_PROBLEM_UNPROCESSABLE, "slices",
                                 "\"%.120s\" is the same as \"%.120s\"; give the slice of that tensor.",
                                 tensor->name, other);
    }
    return sower_slice_parse(json_string_value(slice), json_string_length(slice), &tensor->form->shape,
                             &region, &inner) ||
           sower_problem_set(problem, inner.code, "slices", "\"%.120s\": %s", tensor->name, inner.sentence);
}

/* What is left names no tensor. */
static bool check_rest(json_t *given, struct sower_problem *problem)
{
    return json_object_size(given) == 0 ||
           sower_problem_set(problem, SOWER_PROBLEM_UNPROCESSABLE, "slices",
                             "The manifest has no tensor \"%.120s\"; slices has names of its tensors.",
                             json_object_iter_key(json_object_iter(given)));
}

bool sower_model_slices_read(struct sower_model_slices *slices, const struct sower_manifest *manifest,
                             json_t *given, struct sower_problem *problem)
{
    size_t size;
    if (!measure(given, &size, problem)) {
        return false;
    }
    if (size == 0) {
        return true;
    }
    slices->of = calloc(manifest->count, sizeof *slices->of);
    slices->texts = malloc(size);
    slices->size = manifest->count * sizeof *slices->of + size;
    if (slices->of == NULL || slices->texts == NULL) {
        return sower_problem_memory(problem);
    }
    char *text = slices->texts;
    for (size_t i = 0; i < manifest->count && json_object_size(given) > 0; i++) {
        const struct sower_manifest_tensor *tensor = &manifest->tensors[i];
        const json_t *slice = json_object_get(given, tensor->name);
        if (slice == NULL) {
            continue;
        }
        if (!check_slice(manifest, tensor, slice, problem)) {
            return false;
        }
        const size_t length = json_string_length(slice) + 1;
        memcpy(text, json_string_value(slice), length);
        slices->of[i] = text;
        text += length;
        (void)json_object_del(given, tensor->name);
    }
    return check_rest(given, problem);
}

bool sower_model_slices_region(const struct sower_model_slices *slices, const struct sower_manifest *manifest,
                               size_t number, struct sower_region *region)
{
    const char *slice = slices->of == NULL ? NULL : slices->of[number];
    struct sower_problem unused;
    return slice != NULL &&
           sower_slice_parse(slice, strlen(slice), &manifest->tensors[number].form->shape, region, &unused);
}

void sower_model_slices_print(const struct sower_model_slices *slices, const struct sower_manifest *manifest,
                              struct sower_buffer *buffer)
{
    const char *separator = "{";
    for (size_t i = 0; i < manifest->count; i++) {
        if (slices->of[i] != NULL) {
            sower_buffer_text(buffer, separator);
            sower_buffer_string(buffer, manifest->tensors[i].name);
            sower_buffer_text(buffer, ":");
            sower_buffer_string(buffer, slices->of[i]);
            separator = ",";
        }
    }
    sower_buffer_text(buffer, "}");
}

void sower_model_slices_free(struct sower_model_slices *slices)
{
    free(slices->of);
    free(slices->texts);
}
