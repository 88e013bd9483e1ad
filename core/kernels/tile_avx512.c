/* The tile for AVX-512: 24 of the 32 registers have sums. */
#include "core/kernels/tiles.h"

#if defined(__x86_64__)

#include <immintrin.h>

enum { ROWS = 8, VECTORS = 3, AHEAD = 16 };
enum { LANES = 8, COLUMNS = VECTORS * LANES };
enum { LANES_SINGLE = 16, COLUMNS_SINGLE = VECTORS * LANES_SINGLE };

/* In add and add_single the loops over the tile are fully unrolled, so that `sum` stays in registers. */
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
        /* Both operands are read once, in order; an early prefetch hides the latency. */
        __builtin_prefetch(a + (k + AHEAD) * a_stride);
#pragma GCC unroll 4
        for (size_t v = 0; v < VECTORS; v++) {
            __builtin_prefetch(b + (k + AHEAD / 2) * COLUMNS + v * LANES);
        }
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

__attribute__((target("avx512f"))) static void add_single(size_t depth, const float *a, size_t a_stride,
                                                          const float *b, double *tile)
{
    __m512 sum[ROWS][VECTORS];
#pragma GCC unroll 8
    for (size_t i = 0; i < ROWS; i++) {
#pragma GCC unroll 4
        for (size_t v = 0; v < VECTORS; v++) {
            sum[i][v] = _mm512_set1_ps(0);
        }
    }
    for (size_t k = 0; k < depth; k++) {
        /* Both operands are read once, in order; an early prefetch hides the latency. */
        __builtin_prefetch(a + (k + AHEAD) * a_stride);
#pragma GCC unroll 4
        for (size_t v = 0; v < VECTORS; v++) {
            __builtin_prefetch(b + (k + AHEAD / 2) * COLUMNS_SINGLE + v * LANES_SINGLE);
        }
        __m512 right[VECTORS];
#pragma GCC unroll 4
        for (size_t v = 0; v < VECTORS; v++) {
            right[v] = _mm512_loadu_ps(b + k * COLUMNS_SINGLE + v * LANES_SINGLE);
        }
#pragma GCC unroll 8
        for (size_t i = 0; i < ROWS; i++) {
            __m512 left = _mm512_set1_ps(a[k * a_stride + i]);
#pragma GCC unroll 4
            for (size_t v = 0; v < VECTORS; v++) {
                sum[i][v] = _mm512_fmadd_ps(left, right[v], sum[i][v]);
            }
        }
    }
#pragma GCC unroll 8
    for (size_t i = 0; i < ROWS; i++) {
#pragma GCC unroll 4
        for (size_t v = 0; v < VECTORS; v++) {
            double *target = tile + i * COLUMNS_SINGLE + v * LANES_SINGLE;
            __m512d low = _mm512_cvtps_pd(_mm512_castps512_ps256(sum[i][v])),
                    high = _mm512_cvtps_pd(
                        _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(sum[i][v]), 1)));
            _mm512_storeu_pd(target, _mm512_add_pd(_mm512_loadu_pd(target), low));
            _mm512_storeu_pd(target + LANES, _mm512_add_pd(_mm512_loadu_pd(target + LANES), high));
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
    .add_single = add_single,
};

#endif
