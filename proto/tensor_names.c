#include "proto/tensor_names.h"

#include <stdlib.h>
#include <string.h>

#include "core/seed.h"

static int compare_names(const void *left, const void *right, void *context)
{
    const struct sower_manifest_tensor *tensors = context;
    return strcmp(tensors[*(const uint32_t *)left].name, tensors[*(const uint32_t *)right].name);
}

bool sower_tensor_names_sort(const struct sower_manifest *manifest, uint32_t **by_name,
                             struct sower_problem *problem)
{
    uint32_t *sorted = malloc(manifest->count * sizeof *sorted);
    *by_name = sorted;
    if (sorted == NULL) {
        return sower_problem_memory(problem);
    }
    for (size_t i = 0; i < manifest->count; i++) {
        sorted[i] = (uint32_t)i;
    }
    qsort_r(sorted, manifest->count, sizeof *sorted, compare_names, manifest->tensors);
    for (size_t i = 1; i < manifest->count; i++) {
        const char *name = manifest->tensors[sorted[i]].name;
        if (strcmp(name, manifest->tensors[sorted[i - 1]].name) == 0) {
            return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "tensors",
                                     "There are two tensors \"%.*s\"; give each name once.",
                                     SOWER_TENSOR_NAME_SHOWN, name);
        }
    }
    return true;
}

bool sower_tensor_names_find(const struct sower_manifest *manifest, const uint32_t *by_name, const char *name,
                             size_t *found)
{
    for (size_t low = 0, high = manifest->count; low < high;) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(name, manifest->tensors[by_name[middle]].name);
        if (order == 0) {
            *found = by_name[middle];
            return true;
        }
        *(order < 0 ? &high : &low) = order < 0 ? middle : middle + 1;
    }
    return false;
}

/* The length of a name without its last component: up to and including the separator before that component. */
static size_t parent_length(const char *name, size_t length)
{
    while (length > 0 && name[length - 1] != '.' && name[length - 1] != '/') {
        length--;
    }
    return length;
}

bool sower_tensor_names_beside(const struct sower_manifest *manifest, const uint32_t *by_name, size_t tensor,
                               const char *path, size_t length, size_t *found)
{
    char wanted[2 * SOWER_NAME_MAX + 1];
    const char *name = manifest->tensors[tensor].name;
    size_t prefix = parent_length(name, strlen(name));
    while (length > 3 && memcmp(path, "../", 3) == 0) {
        if (prefix == 0) {
            return false;
        }
        prefix = parent_length(name, prefix - 1);
        path += 3;
        length -= 3;
    }
    if (length > SOWER_NAME_MAX) {
        return false;
    }
    memcpy(wanted, name, prefix);
    memcpy(wanted + prefix, path, length);
    wanted[prefix + length] = '\0';
    return sower_tensor_names_find(manifest, by_name, wanted, found);
}
