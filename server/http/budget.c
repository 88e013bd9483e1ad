#include "server/http/budget.h"

static const uint64_t LIMIT = UINT64_C(512) << 20;

bool sower_budget_take(_Atomic uint64_t *used, uint64_t bytes, struct sower_problem *problem)
{
    if (atomic_fetch_add(used, bytes) + bytes <= LIMIT) {
        return true;
    }
    sower_budget_give_back(used, bytes);
    return sower_problem_set(problem, SOWER_PROBLEM_UNAVAILABLE, "",
                             "Too many large models are under way; ask again in a moment.");
}

void sower_budget_give_back(_Atomic uint64_t *used, uint64_t bytes)
{
    atomic_fetch_sub(used, bytes);
}

uint64_t sower_budget_for_model(const struct sower_model *model)
{
    const struct sower_manifest *manifest = &model->manifest;
    uint64_t each = sizeof *manifest->tensors + sizeof *model->tensors;
    return manifest->count * each + 2 * model->header.capacity; /* names take less than the header */
}
