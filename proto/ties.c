#include "proto/ties.h"

#include <string.h>

#include "core/dtype.h"
#include "proto/safetensors.h"

enum { SHOWN = 120 }; /* the most bytes of a name in a sentence that has two names */

static bool refuse_cycle(const struct sower_manifest_tensor *tensor, struct sower_problem *problem)
{
    return sower_problem_set(
        problem, SOWER_PROBLEM_UNPROCESSABLE, "tensors",
        "\"%.*s\" has a same_as that leads back to itself. One of the tensors on the way "
        "must have an init in place of same_as.",
        SHOWN, tensor->name);
}

/* Makes all tensors of the chain that begins here the same as its last tensor. So each tensor of a chain is passed
 * only a few times, however many chains go through it. */
static bool follow(struct sower_manifest *manifest, uint32_t first, struct sower_problem *problem)
{
    struct sower_manifest_tensor *tensors = manifest->tensors;
    uint32_t last = first;
    for (size_t steps = 0; tensors[last].tied; steps++) {
        if (steps == manifest->count) {
            return refuse_cycle(&tensors[first], problem);
        }
        last = tensors[last].same_as;
    }
    for (uint32_t at = first; tensors[at].tied;) {
        uint32_t next = tensors[at].same_as;
        tensors[at].same_as = last;
        at = next;
    }
    return true;
}

/* Checks a tied tensor against the tensor that it is the same as. */
static bool check(const struct sower_manifest_tensor *tensor, const struct sower_manifest_tensor *other,
                  struct sower_problem *problem)
{
    const struct sower_shape *shape = &tensor->form->shape, *target = &other->form->shape;
    if (sower_safetensors_is_reserved(tensor->name)) {
        return sower_problem_set(
            problem, SOWER_PROBLEM_UNPROCESSABLE, "tensors",
            "\"%.*s\" cannot be the same as another tensor: the metadata of the file has "
            "another value under this name. Give it an init.",
            SHOWN, tensor->name);
    }
    if (shape->rank != target->rank ||
        memcmp(shape->sizes, target->sizes, shape->rank * sizeof shape->sizes[0]) != 0) {
        return sower_problem_set(problem, SOWER_PROBLEM_UNPROCESSABLE, "tensors",
                                 "\"%.*s\" cannot be the same as \"%.*s\", which has another shape.", SHOWN,
                                 tensor->name, SHOWN, other->name);
    }
    return tensor->dtype == SOWER_DTYPE_COUNT || tensor->dtype == other->dtype ||
           sower_problem_set(
               problem, SOWER_PROBLEM_UNPROCESSABLE, "tensors",
               "\"%.*s\" has the dtype %s and cannot be the same as \"%.*s\", which has the dtype "
               "%s.",
               SHOWN, tensor->name, sower_dtype_name(tensor->dtype), SHOWN, other->name,
               sower_dtype_name(other->dtype));
}

bool sower_ties_resolve(struct sower_manifest *manifest, struct sower_problem *problem)
{
    manifest->tied_count = 0;
    for (size_t i = 0; i < manifest->count; i++) {
        struct sower_manifest_tensor *tensor = &manifest->tensors[i];
        if (!tensor->tied) {
            continue;
        }
        if (!follow(manifest, (uint32_t)i, problem) ||
            !check(tensor, &manifest->tensors[tensor->same_as], problem)) {
            return false;
        }
        tensor->dtype = manifest->tensors[tensor->same_as].dtype;
        manifest->tied_count++;
    }
    return true;
}
