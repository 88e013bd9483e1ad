/* Known draws: a bounded set in memory of recorded draws, each with its ledger line.
 *
 * With it, a repeated request for a recorded draw needs no disk access. Draw ids are hashes, so their first bytes
 * choose a bucket. A bucket has eight entries in order of last use; a full bucket forgets the last one. Forgetting
 * is harmless, because the ledger has the draw. Any thread may call these functions. */
#ifndef SOWER_SERVER_LEDGER_KNOWN_H
#define SOWER_SERVER_LEDGER_KNOWN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/attributes.h"
#include "core/draw.h"

struct sower_known;

/* A set for about `capacity` draws, 40 bytes each; the system provides the memory as the set fills. NULL when
 * memory runs out. */
SOWER_MUST_USE struct sower_known *sower_known_new(size_t capacity);
void sower_known_free(struct sower_known *known);

/* The line of a draw, or 0 if the set does not have it. */
uint64_t sower_known_find(struct sower_known *known, const struct sower_draw_id *draw);

/* Remembers that `draw` is recorded on `line` (from 1). */
void sower_known_add(struct sower_known *known, const struct sower_draw_id *draw, uint64_t line);

#endif
