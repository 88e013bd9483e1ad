/* The coefficients of normal.h: one row for each power of d, and in each row one column for each octave.
 *
 * Column n is for the words r with n leading zeros. r = 0 uses the column of r = 1. r always has at least
 * one leading zero, so column 0 is free: it repeats the column of r = 1, because an index of 32 cut to five
 * bits is 0. The most frequent octaves are first, so that a vector kernel can load them together.
 *
 * tests/tables/normal.py generates the table. Every number is zero or normal. */
#ifndef SOWER_CORE_NORMAL_TABLE_H
#define SOWER_CORE_NORMAL_TABLE_H

#include <stdint.h>

enum { SOWER_NORMAL_F32_DEGREE = 8, SOWER_NORMAL_F64_DEGREE = 20 };

/* d = (r - centre) * 2^-20 and * 2^-32, so that no coefficient leaves the range of normal numbers. */
#define SOWER_NORMAL_F32_SCALE 0x1p-20f
#define SOWER_NORMAL_F64_SCALE 0x1p-32

extern const uint32_t sower_normal_f32_centre[32];
extern const float sower_normal_f32_table[SOWER_NORMAL_F32_DEGREE + 1][32];

extern const uint64_t sower_normal_f64_centre[64];
extern const double sower_normal_f64_table[SOWER_NORMAL_F64_DEGREE + 1][64];

#endif
