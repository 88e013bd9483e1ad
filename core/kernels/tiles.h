/* The tiles. Each is in the file of its name; the target machine decides which ones are in the binary. */
#ifndef SOWER_CORE_KERNELS_TILES_H
#define SOWER_CORE_KERNELS_TILES_H

#include "core/tile.h"

extern const struct sower_tile sower_tile_portable;

#if defined(__x86_64__)
extern const struct sower_tile sower_tile_avx2;
extern const struct sower_tile sower_tile_avx512;
#elif defined(__aarch64__)
extern const struct sower_tile sower_tile_neon;
#endif

#endif
