#include "proto/tensor_names.h"

#include <stdlib.h>
#include <string.h>

#include "core/seed.h"
#include <string.h>

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

/* The block number of a name, or -1. */
static int64_t block_number(const char *name)
{
    while (*name != '\0') {
        size_t digits = strspn(name, "0123456789"), length = strcspn(name, "./");
        if (digits > 0 && digits == length && digits <= 9) {
            return strtol(name, NULL, 10);
        }
        name += length + (name[length] != '\0');
    }
    return -1;
}

uint64_t sower_tensor_names_layers(const struct sower_manifest *manifest)
{
    uint64_t layers = 0;
    for (size_t i = 0; i < manifest->count; i++) {
        int64_t number = block_number(manifest->tensors[i].name);
        if (number >= 0 && (uint64_t)number + 1 > layers) {
            layers = (uint64_t)number + 1;
        }
    }
    return layers;
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

bool sower_tensor_names_beside(const struct sower_manifest *manifest, const uint32_t *by_name, size_t tensor,
                               const char *last, size_t length, size_t *found)
{
    char wanted[2 * SOWER_NAME_MAX + 1];
    const char *name = manifest->tensors[tensor].name;
    size_t prefix = strlen(name);
    while (prefix > 0 && name[prefix - 1] != '.' && name[prefix - 1] != '/') {
        prefix--;
    }
    if (length > SOWER_NAME_MAX) {
        return false;
    }
    memcpy(wanted, name, prefix);
    memcpy(wanted + prefix, last, length);
    wanted[prefix + length] = '\0';
    return sower_tensor_names_find(manifest, by_name, wanted, found);
}
