/* 12 of the 16 registers hold sums. */
#include "tiles.h"

#if defined(__x86_64__)

#include <immintrin.h>

enum { ROWS = 4, VECTORS = 3, LANES = 4, COLUMNS = VECTORS * LANES, AHEAD = 16 };

/* Unrolled whole, so that `sum` lives in registers. */
__attribute__((target("avx2,fma"))) static void add(size_t depth, const double *a, size_t a_stride,
                                                    const double *b, double *tile)
{
    __m256d sum[ROWS][VECTORS];
#pragma GCC unroll 8
    for (size_t i = 0; i < ROWS; i++) {
#pragma GCC unroll 4
        for (size_t v = 0; v < VECTORS; v++) {
            sum[i][v] = _mm256_loadu_pd(tile + i * COLUMNS + v * LANES);
        }
    }
    for (size_t k = 0; k < depth; k++) {
        /* Both operands stream through once; asked for early, they arrive in time. */
        __builtin_prefetch(a + (k + AHEAD) * a_stride);
        __builtin_prefetch(b + (k + AHEAD / 2) * COLUMNS);
        __builtin_prefetch(b + (k + AHEAD / 2) * COLUMNS + 2 * LANES);
        __m256d right[VECTORS];
#pragma GCC unroll 4
        for (size_t v = 0; v < VECTORS; v++) {
            right[v] = _mm256_loadu_pd(b + k * COLUMNS + v * LANES);
        }
#pragma GCC unroll 8
        for (size_t i = 0; i < ROWS; i++) {
            __m256d left = _mm256_set1_pd(a[k * a_stride + i]);
#pragma GCC unroll 4
            for (size_t v = 0; v < VECTORS; v++) {
                sum[i][v] = _mm256_fmadd_pd(left, right[v], sum[i][v]);
            }
        }
    }
#pragma GCC unroll 8
    for (size_t i = 0; i < ROWS; i++) {
#pragma GCC unroll 4
        for (size_t v = 0; v < VECTORS; v++) {
            _mm256_storeu_pd(tile + i * COLUMNS + v * LANES, sum[i][v]);
        }
    }
}

static bool supported(void)
{
    return __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0;
}

const struct sower_tile sower_tile_avx2 = {
    .name = "avx2",
    .supported = supported,
    .rows = ROWS,
    .columns = COLUMNS,
    .add = add,
};

#endif
