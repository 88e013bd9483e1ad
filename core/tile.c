#include "core/tile.h"

#include <stdatomic.h>
#include <string.h>

#include "core/kernels/tiles.h"

const struct sower_tile *const sower_tiles[] = {
#if defined(__x86_64__)
    &sower_tile_avx512,
    &sower_tile_avx2,
#elif defined(__aarch64__)
    &sower_tile_neon,
#endif
    &sower_tile_portable,
    NULL,
};

/* Set by the first call of sower_tile, or by sower_tile_select before any thread starts. Two threads
 * that make the first call at the same time write the same pointer. */
static _Atomic(const struct sower_tile *) selected;

const struct sower_tile *sower_tile(void)
{
    const struct sower_tile *tile = atomic_load_explicit(&selected, memory_order_relaxed);
    if (!tile) {
        const struct sower_tile *const *best = sower_tiles;
        while (!(*best)->supported()) {
            best++;
        }
        tile = *best;
        atomic_store_explicit(&selected, tile, memory_order_relaxed);
    }
    return tile;
}

bool sower_tile_select(const char *name)
{
    for (const struct sower_tile *const *tile = sower_tiles; *tile; tile++) {
        if (strcmp((*tile)->name, name) == 0 && (*tile)->supported()) {
            atomic_store_explicit(&selected, *tile, memory_order_relaxed);
            return true;
        }
    }
    return false;
}
