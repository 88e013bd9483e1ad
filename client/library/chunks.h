/* Chunks: the neighbouring elements of a box that one task makes. */
#ifndef SOWER_CLIENT_LIBRARY_CHUNKS_H
#define SOWER_CLIENT_LIBRARY_CHUNKS_H

#include <stdint.h>

#include "core/plan.h"
#include "core/shape.h"

enum { SOWER_CHUNK_SIZE_MAX = 8 << 20 }; /* bytes */

/* The elements of a chunk: at least 1, and at most SOWER_CHUNK_SIZE_MAX bytes. A chunk is large enough to be worth a
 * thread. */
uint64_t sower_chunk_elements(const struct sower_plan *plan, const struct sower_region *region);

#endif
