/* Tiles: the inner loop of dense matrix products.
 *
 * A tile is a small block of a product, rows × columns numbers in row-major order, that stays in registers
 * while it is summed up:
 *
 *     add         for k = 0 … depth − 1:  tile[i][j] = fma(a[k · a_stride + i], b[k · columns + j],
 * tile[i][j]) add_single  the same chain of fma, but in f32 and starting with 0; then its result is added to
 * tile[i][j]
 *
 * Every number of it is one chain in the order of k. How wide a register is and how large the tile
 * decide which chains run side by side, never the order within one: every variant gives the same bits. As
 * with kernel.h there is one file per instruction set in kernels/, `portable` being the reference. */
#ifndef SOWER_CORE_TILE_H
#define SOWER_CORE_TILE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/attributes.h"

/* Numbers in the largest tile of any variant: for buffers on the stack. */
enum { SOWER_TILE_MAX = 8 * 48 };

/* Adds `depth` steps to `tile`. Nothing is asked of alignment beyond the number's own. What lies a little
 * behind `a` and `b` may be prefetched, never read. */
typedef void sower_tile_add(size_t depth, const double *a, size_t a_stride, const double *b, double *tile);
typedef void sower_tile_add_single(size_t depth, const float *a, size_t a_stride, const float *b,
                                   double *tile);

struct sower_tile {
    const char *name;        /* as the kernels: "portable", "avx2", "avx512", "neon" */
    bool (*supported)(void); /* whether this CPU can run it */
    size_t rows;             /* divides columns */
    size_t columns;          /* of add; add_single has twice as many, which divide 240 */
    sower_tile_add *add;
    sower_tile_add_single *add_single;
};

/* Every variant built into this binary, best first, ended by NULL; the last is `portable`. */
extern const struct sower_tile *const sower_tiles[];

/* The variant in use: the best supported one until sower_tile_select() names another. */
const struct sower_tile *sower_tile(void);

/* Forces the variant of that name; false when there is none or this CPU cannot run it. Call it before any
 * thread starts, together with sower_kernel_select(). */
SOWER_MUST_USE bool sower_tile_select(const char *name);

#endif
