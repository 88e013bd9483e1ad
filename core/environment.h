/* The floating-point environment: how the processor rounds in one thread.
 *
 * Each thread has a rounding mode, switches that flush denormal numbers to zero, and a mask of the
 * exceptions that interrupt the program. A new thread inherits them. Other code in the process can change
 * them: a library built with -ffast-math sets the flush switches when it is loaded, and PyTorch has
 * set_flush_denormal(). The contract allows one environment only: round to nearest, ties to even; keep
 * denormals; mask all exceptions. Reading and printing decimals depends on the environment too, because
 * strtod and printf follow the rounding mode.
 *
 * Two measures protect the bits:
 *
 *   - The programs call sower_environment_set() first in main(). All their threads inherit the environment
 *     (POSIX, pthread_create).
 *   - Every function of core and proto that computes for a caller enters the environment and leaves it
 *     again, so core and proto work in any process. This covers plans, sources, fills, statistics,
 *     conversions of arrays and checks of parameters; expressions, formulas, numbers as text and JSON.
 *     Tasks that run on a caller's threads (parallel.h) enter it too.
 *
 * The functions below these do not enter it themselves: laws, the inverse normal CDF, kernels, tiles,
 * reflectors. Code that only moves bits does not need it.
 *
 * Entering reads two registers; leaving reads one, and writes it if a flag was raised: about 30 ns
 * together. Leaving restores everything, the exception flags included. Compilers may move arithmetic across
 * a call, but neither another call nor a read or write of memory that the call could see. So there must be
 * a call or a volatile value between entering and leaving. */
#ifndef SOWER_CORE_ENVIRONMENT_H
#define SOWER_CORE_ENVIRONMENT_H

#include <stdint.h>

#if !defined(__x86_64__) && !defined(__aarch64__)
#include <fenv.h>
#endif

#include "core/attributes.h"

/* The environment of the caller, for restoring it. */
struct sower_environment {
#if defined(__x86_64__)
    uint32_t mxcsr; /* of SSE and AVX: modes, masks and flags */
    uint16_t x87;   /* the control word of the x87 unit, which fegetround() reads, and so strtod */
#elif defined(__aarch64__)
    uint64_t control, status; /* FPCR and FPSR */
#else
    fenv_t all;
#endif
};

/* Sets the contract's environment for the rest of this thread and for the threads that it starts. */
void sower_environment_set(void);

/* enter() sets the contract's environment and returns the previous one; leave() restores that. Pairs nest. */
SOWER_MUST_USE struct sower_environment sower_environment_enter(void);
void sower_environment_leave(const struct sower_environment *found);

#endif
