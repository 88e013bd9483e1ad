/* Kernels: seed and index in, elements out, fused.
 *
 * One file in kernels/ per instruction set. `portable` is the reference: plain C over libsodium's stream; every other
 * must give the same bits, and tests/unit/kernels.c checks that it does. The best that this CPU can run is chosen
 * once; a caller never knows which. */
#ifndef SOWER_CORE_KERNEL_H
#define SOWER_CORE_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dtype.h"
#include "law.h"
#include "seed.h"

/* Writes elements first … first + count − 1 of the tensor to `elements` (count · sower_dtype_size(dtype) bytes, no alignment
 * asked beyond the element's own) in host byte order, and nothing outside of them. `first + count` words must lie in
 * the stream. Runs in constant memory, on the stack. */
typedef void sower_fill(const struct sower_law *law, enum sower_dtype dtype, const struct sower_seed *seed,
                        uint64_t first, size_t count, void *elements);

struct sower_kernel {
    const char *name;        /* "portable", "avx2", "avx512", "neon" */
    bool (*supported)(void); /* whether this CPU can run it */
    sower_fill *fill;
};

/* Every kernel built into this binary, best first, ended by NULL; the last is `portable`, which runs everywhere. */
extern const struct sower_kernel *const sower_kernels[];

/* The kernel in use: the best supported one until sower_kernel_select() names another. */
const struct sower_kernel *sower_kernel(void);

/* Forces the kernel of that name; false when there is none or this CPU cannot run it. Call it before any thread
 * starts: the programs do so once, from SOWER_KERNEL in their environment. */
bool sower_kernel_select(const char *name);

#endif
