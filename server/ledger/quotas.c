#include "server/ledger/quotas.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

bool sower_account_refuse(const struct sower_account *account, struct sower_problem *problem)
{
    if (account->wait_seconds > 0) {
        return sower_problem_set(
            problem, SOWER_PROBLEM_LIMITED, "",
            "\"%s\" has added lines to the ledger faster than it may, so this request adds "
            "none. Ask again in %" PRIu64 " seconds. What is recorded is served meanwhile.",
            account->owner, account->wait_seconds);
    }
    return sower_problem_set(
        problem, SOWER_PROBLEM_LIMITED, "",
        "\"%s\" may add %" PRIu64 " lines to this ledger and has added %" PRIu64
        ", so this request, which needs more, adds none. Whoever runs the daemon can raise the "
        "limit. What is recorded is still served.",
        account->owner, account->lines_max, account->used);
}

void sower_quotas_begin(struct sower_quotas *quotas)
{
    quotas->count = 0;
}

static struct sower_quota *find(struct sower_quotas *quotas, const char *owner)
{
    struct sower_quota *quota = quotas->list + quotas->count; /* the last one is the most likely */
    while (quota-- > quotas->list) {
        if (strcmp(quota->owner, owner) == 0) {
            return quota;
        }
    }
    if (quotas->count == SOWER_QUOTAS_OWNERS) {
        return NULL;
    }
    quota = &quotas->list[quotas->count++];
    *quota = (struct sower_quota){.used = 0};
    snprintf(quota->owner, sizeof quota->owner, "%s", owner);
    return quota;
}

struct sower_quota *sower_quotas_find(struct sower_quotas *quotas, const struct sower_account *account)
{
    struct sower_quota *quota = account == NULL ? NULL : find(quotas, account->owner);
    if (quota != NULL && account->lines_max != 0 && account->promise == 0) {
        quota->limited = true;
    }
    return quota;
}

bool sower_quota_needs_reading(const struct sower_quota *quota)
{
    return quota != NULL && quota->limited && !quota->read;
}

/* Whether the account has so many lines left. */
static bool has_left(const struct sower_quotas *quotas, const struct sower_quota *quota,
                     struct sower_account *account, uint64_t lines)
{
    if (account->lines_max == 0 || account->promise != 0) {
        return true;
    }
    const uint64_t used = quota->used + quota->added + sower_quotas_promised(quotas, account->owner);
    account->exceeded = used >= account->lines_max || lines > account->lines_max - used;
    account->used = used - account->added; /* which this transaction did, and takes back */
    return !account->exceeded;
}

bool sower_quotas_take(struct sower_quotas *quotas, struct sower_account *account)
{
    struct sower_quota *quota = sower_quotas_find(quotas, account);
    if (account == NULL) {
        return true;
    }
    if (quota == NULL) {
        account->exceeded = true; /* not counted, so not added */
        return false;
    }
    if (!has_left(quotas, quota, account, 1)) {
        return false;
    }
    quota->added++;
    quota->changed = true;
    account->added++;
    return true;
}

static struct sower_quota_promise *promise_of(struct sower_quotas *quotas,
                                              const struct sower_account *account)
{
    return account == NULL || account->promise == 0 ? NULL : &quotas->promises[account->promise - 1];
}

bool sower_quotas_promise(struct sower_quotas *quotas, struct sower_account *account, uint64_t lines,
                          struct sower_problem *problem)
{
    struct sower_quota *quota = sower_quotas_find(quotas, account);
    if (quota == NULL || !has_left(quotas, quota, account, lines)) {
        account->exceeded = true;
        return true;
    }
    for (size_t i = 0; i < SOWER_QUOTAS_PROMISES; i++) {
        struct sower_quota_promise *promise = &quotas->promises[i];
        if (!promise->taken && !promise->stale) {
            *promise = (struct sower_quota_promise){.lines = lines, .taken = true};
            memcpy(promise->owner, quota->owner, sizeof promise->owner);
            account->promise = i + 1;
            quota->changed = true;
            return true;
        }
    }
    return sower_problem_set(problem, SOWER_PROBLEM_UNAVAILABLE, "",
                             "Too many large models are being recorded; ask again in a moment.");
}

void sower_quotas_fulfil(struct sower_quotas *quotas, struct sower_account *account, uint64_t lines,
                         bool last)
{
    struct sower_quota_promise *promise = promise_of(quotas, account);
    if (promise == NULL) {
        return;
    }
    promise->lines -= last || lines > promise->lines ? promise->lines : lines;
}

void sower_quotas_end_promise(struct sower_quotas *quotas, struct sower_account *account, bool committed)
{
    struct sower_quota_promise *promise = promise_of(quotas, account);
    if (promise != NULL) {
        promise->taken = false;
        promise->stale = !committed;
        account->promise = 0;
    }
}

uint64_t sower_quotas_promised(const struct sower_quotas *quotas, const char *owner)
{
    uint64_t lines = 0;
    for (size_t i = 0; i < SOWER_QUOTAS_PROMISES; i++) {
        if (quotas->promises[i].taken && strcmp(quotas->promises[i].owner, owner) == 0) {
            lines += quotas->promises[i].lines;
        }
    }
    return lines;
}

void sower_quotas_add_stale(struct sower_quotas *quotas)
{
    for (size_t i = 0; i < SOWER_QUOTAS_PROMISES; i++) {
        struct sower_quota *quota =
            quotas->promises[i].stale ? find(quotas, quotas->promises[i].owner) : NULL;
        if (quota != NULL) {
            quota->changed = true;
        }
    }
}

void sower_quotas_committed(struct sower_quotas *quotas)
{
    for (size_t i = 0; i < SOWER_QUOTAS_PROMISES; i++) {
        quotas->promises[i].stale = false;
    }
}
