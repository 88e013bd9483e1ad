/* Manifests that are kept: found by their hash, and made ready to be kept. */
#ifndef SOWER_SERVER_MANIFESTS_H
#define SOWER_SERVER_MANIFESTS_H

#include "../proto/manifest.h"
#include "work.h"

/* The text of the manifest whose hash the field "manifest" gives; *text is the caller's (free). False with
 * the work's problem and status (404 when there is none). To be called on the pool. */
bool sower_manifests_find(struct sower_work *work, const json_t *fields, char **text, size_t *length);

/* The same, read; to be released with sower_manifest_free in either case. */
bool sower_manifests_read(struct sower_work *work, const json_t *fields, struct sower_manifest *manifest);

#endif
