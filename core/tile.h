/* Tiles: the inner loop of dense matrix products.
 *
 * A tile is a small block of a product: rows × columns numbers in row-major order. It stays in registers
 * while its sums are computed:
 *
 *   add         for k = 0 … depth − 1:  tile[i][j] = fma(a[k · a_stride + i], b[k · columns + j], tile[i][j])
 *   add_single  the same chain of fma, but in f32 and starting with 0; its result is added to tile[i][j]
 *
 * Every number of a tile is one chain in the order of k. The width of the registers and the size of the
 * tile decide only which chains run in parallel, never the order inside a chain. So every variant gives
 * the same bits. As in kernel.h there is one file per instruction set in kernels/, and `portable` is the
 * reference. */
#ifndef SOWER_CORE_TILE_H
#define SOWER_CORE_TILE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/attributes.h"

/* Numbers in the largest tile of all variants, for buffers on the stack. */
enum { SOWER_TILE_MAX = 8 * 48 };

/* Adds `depth` steps to `tile`. The pointers need only the alignment of one number. The function may
 * prefetch memory a little beyond `a` and `b` but never reads it. */
typedef void sower_tile_add(size_t depth, const double *a, size_t a_stride, const double *b, double *tile);
typedef void sower_tile_add_single(size_t depth, const float *a, size_t a_stride, const float *b,
                                   double *tile);

struct sower_tile {
    const char *name;        /* the name of the kernel: "portable", "avx2", "avx512", "neon" */
    bool (*supported)(void); /* whether this CPU can run it */
    size_t rows;             /* divides columns */
    size_t columns;          /* of add; add_single has twice as many, and that number divides 240 */
    sower_tile_add *add;
    sower_tile_add_single *add_single;
};

/* All variants of this binary, the best first, ended by NULL. The last one is `portable`. */
extern const struct sower_tile *const sower_tiles[];

/* The variant in use: the best one that this CPU can run, unless sower_tile_select() has chosen another. */
const struct sower_tile *sower_tile(void);

/* Chooses the variant with this name; false when there is none or this CPU cannot run it. Call it before
 * any thread starts, together with sower_kernel_select(). */
SOWER_MUST_USE bool sower_tile_select(const char *name);

#endif
