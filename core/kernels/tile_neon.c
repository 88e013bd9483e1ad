/* The tile for NEON: 16 of the 32 registers have sums. Every 64-bit Arm processor has the instructions. */
#include "core/kernels/tiles.h"

#if defined(__aarch64__)

#include <arm_neon.h>

enum { ROWS = 4, VECTORS = 4 };
enum { LANES = 2, COLUMNS = VECTORS * LANES };
enum { LANES_SINGLE = 4, COLUMNS_SINGLE = VECTORS * LANES_SINGLE };

/* In add and add_single the loops over the tile are fully unrolled, so that `sum` stays in registers. */
static void add(size_t depth, const double *a, size_t a_stride, const double *b, double *tile)
{
    float64x2_t sum[ROWS][VECTORS];
#pragma GCC unroll 8
    for (size_t i = 0; i < ROWS; i++) {
#pragma GCC unroll 4
        for (size_t v = 0; v < VECTORS; v++) {
            sum[i][v] = vld1q_f64(tile + i * COLUMNS + v * LANES);
        }
    }
    for (size_t k = 0; k < depth; k++) {
        float64x2_t right[VECTORS];
#pragma GCC unroll 4
        for (size_t v = 0; v < VECTORS; v++) {
            right[v] = vld1q_f64(b + k * COLUMNS + v * LANES);
        }
#pragma GCC unroll 8
        for (size_t i = 0; i < ROWS; i++) {
            float64x2_t left = vdupq_n_f64(a[k * a_stride + i]);
#pragma GCC unroll 4
            for (size_t v = 0; v < VECTORS; v++) {
                sum[i][v] = vfmaq_f64(sum[i][v], left, right[v]);
            }
        }
    }
#pragma GCC unroll 8
    for (size_t i = 0; i < ROWS; i++) {
#pragma GCC unroll 4
        for (size_t v = 0; v < VECTORS; v++) {
            vst1q_f64(tile + i * COLUMNS + v * LANES, sum[i][v]);
        }
    }
}

static void add_single(size_t depth, const float *a, size_t a_stride, const float *b, double *tile)
{
    float32x4_t sum[ROWS][VECTORS];
#pragma GCC unroll 8
    for (size_t i = 0; i < ROWS; i++) {
#pragma GCC unroll 4
        for (size_t v = 0; v < VECTORS; v++) {
            sum[i][v] = vdupq_n_f32(0);
        }
    }
    for (size_t k = 0; k < depth; k++) {
        float32x4_t right[VECTORS];
#pragma GCC unroll 4
        for (size_t v = 0; v < VECTORS; v++) {
            right[v] = vld1q_f32(b + k * COLUMNS_SINGLE + v * LANES_SINGLE);
        }
#pragma GCC unroll 8
        for (size_t i = 0; i < ROWS; i++) {
            float32x4_t left = vdupq_n_f32(a[k * a_stride + i]);
#pragma GCC unroll 4
            for (size_t v = 0; v < VECTORS; v++) {
                sum[i][v] = vfmaq_f32(sum[i][v], left, right[v]);
            }
        }
    }
#pragma GCC unroll 8
    for (size_t i = 0; i < ROWS; i++) {
#pragma GCC unroll 4
        for (size_t v = 0; v < VECTORS; v++) {
            double *target = tile + i * COLUMNS_SINGLE + v * LANES_SINGLE;
            float64x2_t low = vcvt_f64_f32(vget_low_f32(sum[i][v])), high = vcvt_high_f64_f32(sum[i][v]);
            vst1q_f64(target, vaddq_f64(vld1q_f64(target), low));
            vst1q_f64(target + LANES, vaddq_f64(vld1q_f64(target + LANES), high));
        }
    }
}

static bool supported(void)
{
    return true;
}

const struct sower_tile sower_tile_neon = {
    .name = "neon",
    .supported = supported,
    .rows = ROWS,
    .columns = COLUMNS,
    .add = add,
    .add_single = add_single,
};

#endif
