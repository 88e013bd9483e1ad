/* The tile for AVX2 with FMA: 12 of the 16 registers have sums. */
#include "core/kernels/tiles.h"

#if defined(__x86_64__)

#include <immintrin.h>

enum { ROWS = 4, VECTORS = 3, AHEAD = 16 };
enum { LANES = 4, COLUMNS = VECTORS * LANES };
enum { LANES_SINGLE = 8, COLUMNS_SINGLE = VECTORS * LANES_SINGLE };

/* In add and add_single the loops over the tile are fully unrolled, so that `sum` stays in registers. */
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
        /* Both operands are read once, in order; an early prefetch hides the latency. */
        __builtin_prefetch(a + (k + AHEAD) * a_stride);
#pragma GCC unroll 4
        for (size_t v = 0; v < VECTORS; v++) {
            __builtin_prefetch(b + (k + AHEAD / 2) * COLUMNS + v * LANES);
        }
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

__attribute__((target("avx2,fma"))) static void add_single(size_t depth, const float *a, size_t a_stride,
                                                           const float *b, double *tile)
{
    __m256 sum[ROWS][VECTORS];
#pragma GCC unroll 8
    for (size_t i = 0; i < ROWS; i++) {
#pragma GCC unroll 4
        for (size_t v = 0; v < VECTORS; v++) {
            sum[i][v] = _mm256_set1_ps(0);
        }
    }
    for (size_t k = 0; k < depth; k++) {
        /* Both operands are read once, in order; an early prefetch hides the latency. */
        __builtin_prefetch(a + (k + AHEAD) * a_stride);
#pragma GCC unroll 4
        for (size_t v = 0; v < VECTORS; v++) {
            __builtin_prefetch(b + (k + AHEAD / 2) * COLUMNS_SINGLE + v * LANES_SINGLE);
        }
        __m256 right[VECTORS];
#pragma GCC unroll 4
        for (size_t v = 0; v < VECTORS; v++) {
            right[v] = _mm256_loadu_ps(b + k * COLUMNS_SINGLE + v * LANES_SINGLE);
        }
#pragma GCC unroll 8
        for (size_t i = 0; i < ROWS; i++) {
            __m256 left = _mm256_set1_ps(a[k * a_stride + i]);
#pragma GCC unroll 4
            for (size_t v = 0; v < VECTORS; v++) {
                sum[i][v] = _mm256_fmadd_ps(left, right[v], sum[i][v]);
            }
        }
    }
#pragma GCC unroll 8
    for (size_t i = 0; i < ROWS; i++) {
#pragma GCC unroll 4
        for (size_t v = 0; v < VECTORS; v++) {
            double *target = tile + i * COLUMNS_SINGLE + v * LANES_SINGLE;
            __m256d low = _mm256_cvtps_pd(_mm256_castps256_ps128(sum[i][v])),
                    high = _mm256_cvtps_pd(_mm256_extractf128_ps(sum[i][v], 1));
            _mm256_storeu_pd(target, _mm256_add_pd(_mm256_loadu_pd(target), low));
            _mm256_storeu_pd(target + LANES, _mm256_add_pd(_mm256_loadu_pd(target + LANES), high));
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
    .add_single = add_single,
};

#endif
