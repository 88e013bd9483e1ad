/* The reference tile. If the instruction set has no fused multiply-add, the C library computes it: slow, but
 * exact. */
#include "core/kernels/tiles.h"

#include <math.h>

enum { ROWS = 4, COLUMNS = 8, COLUMNS_SINGLE = 2 * COLUMNS };

static void add(size_t depth, const double *a, size_t a_stride, const double *b, double *tile)
{
    for (size_t k = 0; k < depth; k++) {
        for (size_t i = 0; i < ROWS; i++) {
            for (size_t j = 0; j < COLUMNS; j++) {
                tile[i * COLUMNS + j] = fma(a[k * a_stride + i], b[k * COLUMNS + j], tile[i * COLUMNS + j]);
            }
        }
    }
}

static void add_single(size_t depth, const float *a, size_t a_stride, const float *b, double *tile)
{
    for (size_t i = 0; i < ROWS; i++) {
        float sum[COLUMNS_SINGLE] = {0};
        for (size_t k = 0; k < depth; k++) {
            for (size_t j = 0; j < COLUMNS_SINGLE; j++) {
                sum[j] = fmaf(a[k * a_stride + i], b[k * COLUMNS_SINGLE + j], sum[j]);
            }
        }
        for (size_t j = 0; j < COLUMNS_SINGLE; j++) {
            tile[i * COLUMNS_SINGLE + j] += (double)sum[j];
        }
    }
}

static bool supported(void)
{
    return true;
}

const struct sower_tile sower_tile_portable = {
    .name = "portable",
    .supported = supported,
    .rows = ROWS,
    .columns = COLUMNS,
    .add = add,
    .add_single = add_single,
};
