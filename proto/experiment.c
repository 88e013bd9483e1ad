#include "proto/experiment.h"

#include <stdio.h>
#include <string.h>

#include "proto/fields.h"

bool sower_experiment_read(const char *bytes, size_t length, char name[SOWER_EXPERIMENT_MAX + 1],
                           struct sower_problem *problem)
{
    static const char field[] = "experiment";
    const struct sower_pair pair = {field, sizeof field - 1, bytes, length};
    json_t *checked;
    if (length == 0 || length > SOWER_EXPERIMENT_MAX) {
        return sower_problem_set(problem, SOWER_PROBLEM_INVALID, field,
                                 "The experiment's name has %zu bytes; it must have 1 to %d.", length,
                                 SOWER_EXPERIMENT_MAX);
    }
    if (!sower_request_fields_from_pairs(&pair, 1, &checked, problem)) {
        return false;
    }
    json_decref(checked);
    memcpy(name, bytes, length);
    name[length] = '\0';
    return true;
}

const char *sower_experiment_address(const char *before, const char *name, const char *after,
                                     char address[SOWER_EXPERIMENT_ADDRESS_SIZE])
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    const size_t size = SOWER_EXPERIMENT_ADDRESS_SIZE;
    size_t length = (size_t)snprintf(address, size, "%s", before);
    for (const char *at = name; *at != '\0'; at++) {
        if (strchr(plain, *at) != NULL) {
            address[length++] = *at;
        } else {
            length += (size_t)snprintf(address + length, size - length, "%%%02X", (unsigned char)*at);
        }
    }
    snprintf(address + length, size - length, "%s", after);
    return address;
}
