#include "server/http/budget.h"

#include "server/http/exchange.h"

static const uint64_t LIMIT = UINT64_C(1) << 30;
static const uint64_t FORMS = UINT64_C(45)
                              << 20; /* the most that the forms of a manifest take (proto/forms.h) */

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

/* Names take less than the text. A tensor has at least 24 bytes of text, {"name":"a","shape":[]}, and takes at most 72
 * bytes while it is read (manifest.h, manifest_reading.h, towers.h). Forms exist once for the tensors and once for the
 * shapes that rules ask about. */
uint64_t sower_budget_for_reading(size_t length)
{
    return length <= SOWER_REQUEST_BODY_MAX ? 0 : 4 * (uint64_t)length + 2 * FORMS;
}

uint64_t sower_budget_for_model(const struct sower_model *model)
{
    const struct sower_manifest *manifest = &model->manifest;
    uint64_t each = sizeof *manifest->tensors + sizeof *model->tensors;
    return manifest->count * each + manifest->names_size + sower_forms_memory(&manifest->forms) +
           model->slices.size + model->header.capacity;
}
