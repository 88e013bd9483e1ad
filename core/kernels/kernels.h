/* The kernels. Each is in the file of its name; the target machine decides which ones are in the binary. */
#ifndef SOWER_CORE_KERNELS_KERNELS_H
#define SOWER_CORE_KERNELS_KERNELS_H

#include "core/kernel.h"

extern const struct sower_kernel sower_kernel_avx512;
extern const struct sower_kernel sower_kernel_avx2;
extern const struct sower_kernel sower_kernel_neon;
extern const struct sower_kernel sower_kernel_portable;

/* Fills `count` elements with the value of a constant law, for every kernel. */
void sower_fill_constant(const struct sower_law *law, enum sower_dtype dtype, uint64_t count, void *elements);

#endif
