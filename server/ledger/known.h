/* Known draws: which draws the ledger already holds, as far as memory remembers.
 *
 * A bounded set of draw ids, each with its ledger line. It is what makes a request for a recorded draw cost
 * no look at the disk. Draw ids are hashes, so their first bytes pick the place: buckets of eight, each in
 * order of last use, and the last of a full bucket is forgotten. Forgetting is harmless: the ledger knows.
 * All functions may be called by any thread. */
#ifndef SOWER_SERVER_LEDGER_KNOWN_H
#define SOWER_SERVER_LEDGER_KNOWN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/draw.h"

struct sower_known;

/* A set for at least `capacity` draws (40 bytes each, in use only as far as it is filled); NULL when memory
 * runs out. */
struct sower_known *sower_known_new(size_t capacity);
void sower_known_free(struct sower_known *known);

/* The line of a draw, or 0 when it is not remembered. */
uint64_t sower_known_find(struct sower_known *known, const struct sower_draw_id *draw);

/* Remembers that `draw` stands on `line` (from 1). */
void sower_known_add(struct sower_known *known, const struct sower_draw_id *draw, uint64_t line);

#endif
