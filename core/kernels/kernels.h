/* The kernels, each in the file of its name; which of them are in the binary depends on the machine it is
 * built for. */
#ifndef SOWER_CORE_KERNELS_KERNELS_H
#define SOWER_CORE_KERNELS_KERNELS_H

#include "core/kernel.h"

extern const struct sower_kernel sower_kernel_avx512;
extern const struct sower_kernel sower_kernel_avx2;
extern const struct sower_kernel sower_kernel_neon;
extern const struct sower_kernel sower_kernel_portable;

/* What every kernel does for a constant law. */
void sower_fill_constant(const struct sower_law *law, enum sower_dtype dtype, uint64_t count, void *elements);

#endif
