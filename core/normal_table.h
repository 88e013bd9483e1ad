/* The coefficients behind normal.h: one column for every octave, one row for every power of d.
 *
 * Made by tests/tables/normal.py. The octaves are in rising order, so that a vector kernel can load those
 * that it needs, the likely ones at the top, with one unaligned load a row. Every number is zero or normal.
 */
#ifndef SOWER_CORE_NORMAL_TABLE_H
#define SOWER_CORE_NORMAL_TABLE_H

#include <stdint.h>

enum { SOWER_NORMAL_F32_DEGREE = 8, SOWER_NORMAL_F64_DEGREE = 20 };

/* d = (r - centre) * 2^-20 and * 2^-32: small enough that no power of it leaves the range of normal numbers.
 */
#define SOWER_NORMAL_F32_SCALE 0x1p-20f
#define SOWER_NORMAL_F64_SCALE 0x1p-32

extern const uint32_t sower_normal_f32_centre[32];
extern const float sower_normal_f32_table[SOWER_NORMAL_F32_DEGREE + 1][32];

extern const uint64_t sower_normal_f64_centre[64];
extern const double sower_normal_f64_table[SOWER_NORMAL_F64_DEGREE + 1][64];

#endif
