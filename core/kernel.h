/* Kernels: from a seed and element indices to elements, in one pass.
 *
 * There is one file in kernels/ per instruction set. `portable` is the reference: plain C on libsodium's
 * stream. Every other kernel must give the same bits; tests/unit/core/kernels.c checks this. The best
 * kernel that this CPU can run is chosen once, and callers do not see which one it is. docs/add-a-kernel.md
 * says how to add one.
 *
 * Kernels do not set the floating-point environment (environment.h); sower_fill and source.h do.
 *
 * A kernel fills runs (shape.h): `count` runs of `length` neighbouring elements. In the tensor, one run
 * starts `stride` elements after the start of the previous one; in memory, the runs are packed one after
 * the other. The rows of a column slice are such runs. A kernel works on several runs at once, so short
 * rows are almost as fast per element as long ones. */
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

/* Writes the runs to `elements` in host byte order: length · count · sower_dtype_size(dtype) bytes, and
 * nothing outside of them. `elements` needs only the alignment of one element. Every index must lie in the
 * stream; for a constant law, which does not read the stream, every index is allowed. Uses a constant
 * amount of memory, on the stack. */
typedef void sower_fill_runs(const struct sower_law *law, enum sower_dtype dtype,
                             const struct sower_seed *seed, const struct sower_runs *runs, void *elements);

/* Applies the law to given words instead of the stream: values[i] = sower_law_f32(law, words[i]). It runs the
 * same code as fill_runs for f32, so that a test can check all 2^32 words. */
typedef void sower_map(const struct sower_law *law, const uint32_t *words, size_t count, float *values);

struct sower_kernel {
    const char *name;        /* "portable", "avx2", "avx512", "neon" */
    bool (*supported)(void); /* whether this CPU can run it */
    sower_fill_runs *fill_runs;
    sower_map *map;
};

/* All kernels of this binary, the best first, ended by NULL. The last one is `portable`, which every CPU can
 * run. */
extern const struct sower_kernel *const sower_kernels[];

/* The kernel in use: the best one that this CPU can run, unless sower_kernel_select() has chosen another. */
const struct sower_kernel *sower_kernel(void);

/* Chooses the kernel with this name; false when there is none or this CPU cannot run it. Call it before any
 * thread starts. sowerd calls it once, with the environment variable SOWER_KERNEL. */
SOWER_MUST_USE bool sower_kernel_select(const char *name);

/* Fills one run with the kernel in use: elements first … first + count − 1, in host byte order. */
void sower_fill(const struct sower_law *law, enum sower_dtype dtype, const struct sower_seed *seed,
                uint64_t first, size_t count, void *elements);

#endif
