#include "server/handlers/kept_manifest.h"

#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "proto/json.h"
#include "proto/manifest_read.h"
#include "server/http/budget.h"
#include "server/server.h"

bool sower_work_manifest(struct sower_work *work, const char *text, size_t length,
                         struct sower_manifest *manifest, json_t **slices)
{
    _Atomic uint64_t *used = &work->exchange->server->budget;
    const uint64_t budget = sower_budget_for_reading(length);
    *manifest = (struct sower_manifest){0};
    if (!sower_budget_take(used, budget, &work->problem)) {
        return false;
    }
    bool read = sower_manifest_read_sliced(text, length, manifest, slices, &work->problem);
    sower_budget_give_back(used, budget);
    return read;
}

static bool read_hash(const json_t *fields, uint8_t hash[SOWER_MANIFEST_HASH_SIZE],
                      struct sower_problem *problem)
{
    const char *text = json_string_value(json_object_get(fields, "manifest"));
    size_t length = 0;
    return (text != NULL && strlen(text) == 2 * SOWER_MANIFEST_HASH_SIZE &&
            sodium_hex2bin(hash, SOWER_MANIFEST_HASH_SIZE, text, strlen(text), NULL, &length, NULL) == 0 &&
            length == SOWER_MANIFEST_HASH_SIZE) ||
           sower_problem_set(problem, SOWER_PROBLEM_INVALID, "manifest",
                             "manifest must be the hash of a stored manifest, 64 hex digits, as POST "
                             "/v1/manifests returns it.");
}

/* A damaged database may have another text under this hash. */
static bool check_hash(const uint8_t hash[SOWER_MANIFEST_HASH_SIZE], const char *text, size_t length,
                       struct sower_problem *problem)
{
    uint8_t found[SOWER_MANIFEST_HASH_SIZE];
    crypto_generichash(found, sizeof found, (const unsigned char *)text, length, NULL, 0);
    return memcmp(found, hash, sizeof found) == 0 ||
           sower_problem_set(
               problem, SOWER_PROBLEM_UNAVAILABLE, "manifest",
               "The ledger's copy of this manifest is damaged: it has another hash. Restore the "
               "ledger from a backup, or send the manifest itself (POST).");
}

bool sower_kept_manifest_find(struct sower_work *work, const json_t *fields, char **text, size_t *length)
{
    struct sower_store_reader *reader = NULL;
    uint8_t hash[SOWER_MANIFEST_HASH_SIZE];
    if (!read_hash(fields, hash, &work->problem) ||
        (reader = sower_ledger_reader(work->exchange->server->ledger, &work->problem)) == NULL ||
        !reader->methods->manifest(reader, hash, text, length, &work->problem)) {
        return false;
    }
    if (*text != NULL) {
        if (check_hash(hash, *text, *length, &work->problem)) {
            return true;
        }
        free(*text);
        *text = NULL;
        return false;
    }
    work->status = MHD_HTTP_NOT_FOUND;
    return sower_problem_set(&work->problem, SOWER_PROBLEM_INVALID, "manifest",
                             "No manifest is stored under this hash; store it with POST /v1/manifests.");
}

bool sower_kept_manifest_read(struct sower_work *work, const json_t *fields, struct sower_manifest *manifest)
{
    _Atomic uint64_t *used = &work->exchange->server->budget;
    char *text;
    size_t length;
    memset(manifest, 0, sizeof *manifest);
    if (!sower_kept_manifest_find(work, fields, &text, &length)) {
        return false;
    }
    bool counted = sower_budget_take(used, length, &work->problem);
    bool read = counted && sower_work_manifest(work, text, length, manifest, NULL);
    free(text);
    sower_budget_give_back(used, counted ? length : 0);
    return read;
}

bool sower_kept_manifest_choice(const json_t *fields, struct sower_model_choice *choice,
                                struct sower_problem *problem)
{
    *choice = (struct sower_model_choice){0};
    const char *part = json_string_value(json_object_get(fields, "part"));
    choice->tensors = json_string_value(json_object_get(fields, "tensors"));
    choice->shard = json_string_value(json_object_get(fields, "shard"));
    return part == NULL || sower_model_part_parse(part, &choice->part, &choice->parts, problem);
}

json_t *sower_kept_manifest_asked(const json_t *fields)
{
    static const char *const names[] = {"experiment", "trial", "spec"};
    json_t *asked = json_object();
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        json_t *value = json_object_get(fields, names[i]);
        if (value != NULL) {
            sower_json_set(&asked, names[i], json_incref(value));
        }
    }
    return asked;
}
