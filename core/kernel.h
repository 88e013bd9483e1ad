/* Kernels: seed and index in, elements out, fused.
 *
 * One file in kernels/ per instruction set. `portable` is the reference: plain C over libsodium's stream;
 * every other must give the same bits, and tests/unit/kernels.c checks that it does. The best that this CPU
 * can run is chosen once; a caller never knows which.
 *
 * Kernels compute in the environment that they find (environment.h); sower_fill and source.h set it.
 *
 * What a kernel fills are runs: `count` runs of `length` neighbouring elements, `stride` elements from the
 * start of one to the start of the next in the tensor, packed one after the other in memory. The rows of a
 * column slice are such runs; a kernel works on several at once, so short rows cost little more than their
 * share. */
#ifndef SOWER_CORE_KERNEL_H
#define SOWER_CORE_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/attributes.h"
#include "core/dtype.h"
#include "core/law.h"
#include "core/seed.h"
#include "core/shape.h"

/* Writes the runs to `elements` (length · count · sower_dtype_size(dtype) bytes, no alignment asked beyond
 * the element's own) in host byte order, and nothing outside of them. Every index must lie in the stream.
 * Runs in constant memory, on the stack. Of a constant law the stream is not read, and any index is good. */
typedef void sower_fill_runs(const struct sower_law *law, enum sower_dtype dtype,
                             const struct sower_seed *seed, const struct sower_runs *runs, void *elements);

/* The law on given words in place of the stream's: values[i] = sower_law_f32(law, words[i]). It is the very
 * code that fill runs for f32, and lets a test walk through all 2^32 words. */
typedef void sower_map(const struct sower_law *law, const uint32_t *words, size_t count, float *values);

struct sower_kernel {
    const char *name;        /* "portable", "avx2", "avx512", "neon" */
    bool (*supported)(void); /* whether this CPU can run it */
    sower_fill_runs *fill_runs;
    sower_map *map;
};

/* Every kernel built into this binary, best first, ended by NULL; the last is `portable`, which runs
 * everywhere. */
extern const struct sower_kernel *const sower_kernels[];

/* The kernel in use: the best supported one until sower_kernel_select() names another. */
const struct sower_kernel *sower_kernel(void);

/* Forces the kernel of that name; false when there is none or this CPU cannot run it. Call it before any
 * thread starts: the programs do so once, from SOWER_KERNEL in their environment. */
SOWER_MUST_USE bool sower_kernel_select(const char *name);

/* One run with the kernel in use: elements first … first + count − 1. */
void sower_fill(const struct sower_law *law, enum sower_dtype dtype, const struct sower_seed *seed,
                uint64_t first, size_t count, void *elements);

#endif
