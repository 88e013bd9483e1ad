/* The floating-point environment: how a thread's processor rounds.
 *
 * A thread has a rounding mode, switches that flush denormal numbers to zero, and a mask that says which
 * exceptions interrupt the program. They are registers of the thread, a new thread inherits them, and other
 * code in the process may have changed them: a library built with -ffast-math sets the flush switches when it
 * is loaded, PyTorch has set_flush_denormal(). The contract knows one environment: round to nearest, ties to
 * even; denormals are kept; no exception interrupts. Reading and printing decimals depends on it as well,
 * since strtod and printf round by mode.
 *
 * So numbers are made in two steps of defence. The programs set the environment first in main(), and all
 * their threads inherit it (POSIX, pthread_create). And every function of core and proto that computes for a
 * caller enters the environment and leaves it again, so that both can be part of any process: plans, sources,
 * fills, statistics, conversions of arrays, checks of parameters; expressions, formulas, numbers as text,
 * JSON. Tasks that are given to a caller's threads (parallel.h) enter it too. What those functions are built
 * from computes in the environment that it finds: laws, the inverse normal CDF, kernels, tiles, reflectors.
 * What only moves bits does not need it.
 *
 * Entering costs two reads of registers, and leaving a write as well where a flag was raised: some 30 ns
 * together. Leaving puts everything back, the flags of exceptions included. Compilers may move arithmetic over
 * a call, but not what reads or writes memory that the call could see, nor another call: between entering and
 * leaving stands a call, or a value that is volatile. */
#ifndef SOWER_CORE_ENVIRONMENT_H
#define SOWER_CORE_ENVIRONMENT_H

#include <stdint.h>

#if !defined(__x86_64__) && !defined(__aarch64__)
#include <fenv.h>
#endif

#include "core/attributes.h"

/* The environment that was found, to be put back. */
struct sower_environment {
#if defined(__x86_64__)
    uint32_t mxcsr; /* of SSE and AVX: modes, masks and flags */
    uint16_t x87;   /* the control word of the old unit, which fegetround() and so strtod go by */
#elif defined(__aarch64__)
    uint64_t control, status; /* FPCR and FPSR */
#else
    fenv_t all;
#endif
};

/* Sets the contract's environment for the rest of the thread, and for the threads that it starts. */
void sower_environment_set(void);

/* Sets it and returns what was there; leave puts that back. They nest. */
SOWER_MUST_USE struct sower_environment sower_environment_enter(void);
void sower_environment_leave(const struct sower_environment *found);

#endif
