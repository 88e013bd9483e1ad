/* 24 of the 32 registers hold sums; the steps of one k keep both multipliers busy for twelve cycles. */
#include "tiles.h"

#if defined(__x86_64__)

#include <immintrin.h>

enum { ROWS = 8, VECTORS = 3, LANES = 8, COLUMNS = VECTORS * LANES, AHEAD = 16 };

/* Unrolled whole, so that `sum` lives in registers. */
__attribute__((target("avx512f"))) static void add(size_t depth, const double *a, size_t a_stride,
                                                   const double *b, double *tile)
{
    __m512d sum[ROWS][VECTORS];
#pragma GCC unroll 8
    for (size_t i = 0; i < ROWS; i++) {
#pragma GCC unroll 4
        for (size_t v = 0; v < VECTORS; v++) {
            sum[i][v] = _mm512_loadu_pd(tile + i * COLUMNS + v * LANES);
        }
    }
    for (size_t k = 0; k < depth; k++) {
        /* Both operands stream through once; asked for early, they arrive in time. */
        __builtin_prefetch(a + (k + AHEAD) * a_stride);
        __builtin_prefetch(b + (k + AHEAD / 2) * COLUMNS);
        __builtin_prefetch(b + (k + AHEAD / 2) * COLUMNS + LANES);
        __builtin_prefetch(b + (k + AHEAD / 2) * COLUMNS + 2 * LANES);
        __m512d right[VECTORS];
#pragma GCC unroll 4
        for (size_t v = 0; v < VECTORS; v++) {
            right[v] = _mm512_loadu_pd(b + k * COLUMNS + v * LANES);
        }
#pragma GCC unroll 8
        for (size_t i = 0; i < ROWS; i++) {
            __m512d left = _mm512_set1_pd(a[k * a_stride + i]);
#pragma GCC unroll 4
            for (size_t v = 0; v < VECTORS; v++) {
                sum[i][v] = _mm512_fmadd_pd(left, right[v], sum[i][v]);
            }
        }
    }
#pragma GCC unroll 8
    for (size_t i = 0; i < ROWS; i++) {
#pragma GCC unroll 4
        for (size_t v = 0; v < VECTORS; v++) {
            _mm512_storeu_pd(tile + i * COLUMNS + v * LANES, sum[i][v]);
        }
    }
}

static bool supported(void)
{
    return __builtin_cpu_supports("avx512f") != 0;
}

const struct sower_tile sower_tile_avx512 = {
    .name = "avx512",
    .supported = supported,
    .rows = ROWS,
    .columns = COLUMNS,
    .add = add,
};

#endif
