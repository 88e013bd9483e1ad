#include "normal.h"

#include <math.h>
#include <stdbool.h>

#include "normal_table.h"

float sower_normal_f32(uint32_t word)
{
    bool negative = word < UINT32_C(0x80000000);
    uint32_t r = negative ? word : ~word;
    int n = __builtin_clz(r | 1u);
    /* Both are below 2^31, so the difference is exact as a signed number. */
    int32_t distance = (int32_t)r - (int32_t)sower_normal_f32_centre[n];
    float d = (float)distance * SOWER_NORMAL_F32_SCALE;
    float z = sower_normal_f32_table[SOWER_NORMAL_F32_DEGREE][n];
    for (int j = SOWER_NORMAL_F32_DEGREE - 1; j >= 0; j--) {
        z = fmaf(z, d, sower_normal_f32_table[j][n]);
    }
    return negative ? -z : z;
}

double sower_normal_f64(uint64_t word)
{
    bool negative = word < UINT64_C(0x8000000000000000);
    uint64_t r = negative ? word : ~word;
    int n = __builtin_clzll(r | 1u);
    int64_t distance = (int64_t)r - (int64_t)sower_normal_f64_centre[n];
    double d = (double)distance * SOWER_NORMAL_F64_SCALE;
    double z = sower_normal_f64_table[SOWER_NORMAL_F64_DEGREE][n];
    for (int j = SOWER_NORMAL_F64_DEGREE - 1; j >= 0; j--) {
        z = fma(z, d, sower_normal_f64_table[j][n]);
    }
    return negative ? -z : z;
}

uint64_t sower_normal_rank(double z)
{
    uint64_t low = 0;
    uint64_t high = UINT64_MAX;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (sower_normal_f64(middle) < z) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}
