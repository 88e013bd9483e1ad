#include "core/normal.h"

#include "core/scalar.h"

float sower_normal_f32(uint32_t word)
{
    return sower_inline_normal_f32(word);
}

double sower_normal_f64(uint64_t word)
{
    return sower_inline_normal_f64(word);
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
