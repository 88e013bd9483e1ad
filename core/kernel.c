#include "core/kernel.h"

#include <stdatomic.h>
#include <string.h>

#include "core/environment.h"
#include "core/kernels/kernels.h"

const struct sower_kernel *const sower_kernels[] = {
#if defined(__x86_64__)
    &sower_kernel_avx512,
    &sower_kernel_avx2,
#elif defined(__AARCH64EL__)
    &sower_kernel_neon,
#endif
    &sower_kernel_portable,
    NULL,
};

/* Set by the first call of sower_kernel, or by sower_kernel_select before any thread starts. Two threads
 * that make the first call at the same time write the same pointer. */
static _Atomic(const struct sower_kernel *) selected;

const struct sower_kernel *sower_kernel(void)
{
    const struct sower_kernel *kernel = atomic_load_explicit(&selected, memory_order_relaxed);
    if (!kernel) {
        const struct sower_kernel *const *best = sower_kernels;
        while (!(*best)->supported()) {
            best++;
        }
        kernel = *best;
        atomic_store_explicit(&selected, kernel, memory_order_relaxed);
    }
    return kernel;
}

bool sower_kernel_select(const char *name)
{
    for (const struct sower_kernel *const *kernel = sower_kernels; *kernel; kernel++) {
        if (strcmp((*kernel)->name, name) == 0 && (*kernel)->supported()) {
            atomic_store_explicit(&selected, *kernel, memory_order_relaxed);
            return true;
        }
    }
    return false;
}

void sower_fill(const struct sower_law *law, enum sower_dtype dtype, const struct sower_seed *seed,
                uint64_t first, size_t count, void *elements)
{
    struct sower_runs run = {.first = first, .length = count, .stride = count, .count = 1};
    const struct sower_environment found = sower_environment_enter();
    sower_kernel()->fill_runs(law, dtype, seed, &run, elements);
    sower_environment_leave(&found);
}
