/* Kept manifests, and the fields of a request for a model of one.
 *
 * The functions that take a work read the ledger, so they run on a compute thread. */
#ifndef SOWER_SERVER_HANDLERS_KEPT_MANIFEST_H
#define SOWER_SERVER_HANDLERS_KEPT_MANIFEST_H

#include "core/attributes.h"
#include "proto/model.h"
#include "server/http/work.h"

/* Reads a manifest's text, with memory of the budget; `slices` as in sower_manifest_read_sliced. Call sower_manifest_free in any case, also after false. */
SOWER_MUST_USE bool sower_work_manifest(struct sower_work *work, const char *text, size_t length,
                                        struct sower_manifest *manifest, json_t **slices);

/* Finds the text of the manifest whose hash is in the field "manifest". The caller frees *text. False with
 * the work's problem and status (404 if no manifest has this hash). */
SOWER_MUST_USE bool sower_kept_manifest_find(struct sower_work *work, const json_t *fields, char **text,
                                             size_t *length);

/* Finds and reads the manifest. Call sower_manifest_free in any case, also after false. */
SOWER_MUST_USE bool sower_kept_manifest_read(struct sower_work *work, const json_t *fields,
                                             struct sower_manifest *manifest);

/* Reads the fields tensors, part and shard. The texts of *choice point into `fields`. False with a problem. */
SOWER_MUST_USE bool sower_kept_manifest_choice(const json_t *fields, struct sower_model_choice *choice,
                                               struct sower_problem *problem);

/* A new object with the fields experiment, trial and spec; NULL if memory runs out. */
SOWER_MUST_USE json_t *sower_kept_manifest_asked(const json_t *fields);

#endif
