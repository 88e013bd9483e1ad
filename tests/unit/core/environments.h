/* Floating-point environments that other code may have set. Tests use them, and
 * tests/faults/environment.c starts programs in them. */
#ifndef SOWER_TESTS_UNIT_CORE_ENVIRONMENTS_H
#define SOWER_TESTS_UNIT_CORE_ENVIRONMENTS_H

#include <fenv.h>
#include <stddef.h>
#include <stdint.h>

struct environment {
    const char *name;
    int rounding; /* FE_UPWARD … */
    int flushes;  /* denormal operands and results become zero, if the machine has a switch for this */
    int traps;    /* division by zero, overflow and inexact results interrupt the program */
};

static const struct environment environments[] = {
    {"upward", FE_UPWARD, 0, 0},   {"downward", FE_DOWNWARD, 0, 0},   {"towardzero", FE_TOWARDZERO, 0, 0},
    {"flush", FE_TONEAREST, 1, 0}, {"flush-upward", FE_UPWARD, 1, 0}, {"trap", FE_TONEAREST, 0, 1},
};

enum { ENVIRONMENTS = sizeof environments / sizeof environments[0] };

/* Whether the machine can flush denormals and interrupt the program. (Few aarch64 processors can
 * interrupt.) */
#if defined(__x86_64__)
enum { HAS_FLUSH = 1, HAS_TRAPS = 1 };
#elif defined(__aarch64__)
enum { HAS_FLUSH = 1, HAS_TRAPS = 0 };
#else
enum { HAS_FLUSH = 0, HAS_TRAPS = 0 };
#endif

#if defined(__x86_64__)

#include <xmmintrin.h>

enum { FLUSH = 1 << 15 | 1 << 6, TRAPS = 1 << 12 | 1 << 10 | 1 << 9, ROUNDING_SHIFT = 13 };

static inline void environment_set(const struct environment *environment)
{
    unsigned mode = environment->rounding == FE_UPWARD      ? 2
                    : environment->rounding == FE_DOWNWARD  ? 1
                    : environment->rounding == FE_TONEAREST ? 0
                                                            : 3;
    uint16_t x87 = (uint16_t)(0x037fu | mode << 10);
    __asm__ volatile("fldcw %0" : : "m"(x87));
    _mm_setcsr((0x1f80u & ~(environment->traps ? (unsigned)TRAPS : 0u)) | mode << ROUNDING_SHIFT |
               (environment->flushes ? (unsigned)FLUSH : 0u));
}

/* All registers of the floating-point environment, in one number. */
static inline uint64_t environment_registers(void)
{
    uint16_t x87;
    __asm__ volatile("fnstcw %0" : "=m"(x87));
    return _mm_getcsr() | (uint64_t)x87 << 32;
}

#elif defined(__aarch64__)

static inline void environment_set(const struct environment *environment)
{
    uint64_t mode = environment->rounding == FE_UPWARD      ? 1
                    : environment->rounding == FE_DOWNWARD  ? 2
                    : environment->rounding == FE_TONEAREST ? 0
                                                            : 3;
    uint64_t control = mode << 22 | (environment->flushes ? UINT64_C(1) << 24 : 0) |
                       (environment->traps ? UINT64_C(0x1600) : 0); /* few processors implement these bits */
    __asm__ volatile("msr fpcr, %0" : : "r"(control));
    __asm__ volatile("msr fpsr, %0" : : "r"(UINT64_C(0)));
}

static inline uint64_t environment_registers(void)
{
    uint64_t control, status;
    __asm__ volatile("mrs %0, fpcr" : "=r"(control));
    __asm__ volatile("mrs %0, fpsr" : "=r"(status));
    return control << 32 | status;
}

#else

static inline void environment_set(const struct environment *environment)
{
    (void)fesetenv(FE_DFL_ENV);
    (void)fesetround(environment->rounding);
}

static inline uint64_t environment_registers(void)
{
    return (uint64_t)fegetround() << 32 | (uint64_t)fetestexcept(FE_ALL_EXCEPT);
}

#endif

static inline void environment_restore(void)
{
    static const struct environment normal = {"normal", FE_TONEAREST, 0, 0};
    environment_set(&normal);
}

#endif
