/* Manifests that are kept, and what a request says of the model that is to be made of one. */
#ifndef SOWER_SERVER_HANDLERS_KEPT_MANIFEST_H
#define SOWER_SERVER_HANDLERS_KEPT_MANIFEST_H

#include "proto/model.h"
#include "server/http/work.h"

/* The text of the manifest whose hash the field "manifest" gives; *text is the caller's (free). False with
 * the work's problem and status (404 when there is none). To be called on the pool. */
bool sower_kept_manifest_find(struct sower_work *work, const json_t *fields, char **text, size_t *length);

/* The same, read; to be released with sower_manifest_free in either case. */
bool sower_kept_manifest_read(struct sower_work *work, const json_t *fields, struct sower_manifest *manifest);

/* The choice that the fields tensors, part and shard make; its texts are theirs. */
bool sower_kept_manifest_choice(const json_t *fields, struct sower_model_choice *choice,
                                struct sower_problem *problem);

/* Experiment, trial and spec of the fields, a new object; NULL when memory runs out. */
json_t *sower_kept_manifest_asked(const json_t *fields);

#endif
