#include "server/http/burden.h"

static const uint64_t LIMIT = UINT64_C(512) << 20;

bool sower_burden_take(struct sower_server *server, uint64_t bytes, struct sower_problem *problem)
{
    if (atomic_fetch_add(&server->burden, bytes) + bytes <= LIMIT) {
        return true;
    }
    sower_burden_give(server, bytes);
    return sower_problem_set(problem, SOWER_PROBLEM_UNAVAILABLE, "",
                             "Too many large models are under way; ask again in a moment.");
}

void sower_burden_give(struct sower_server *server, uint64_t bytes)
{
    atomic_fetch_sub(&server->burden, bytes);
}

uint64_t sower_burden_of_model(const struct sower_model *model)
{
    const struct sower_manifest *manifest = &model->manifest;
    uint64_t each = sizeof *manifest->tensors + sizeof *model->tensors;
    return manifest->count * each + 2 * model->header.capacity; /* names take less than the header */
}
