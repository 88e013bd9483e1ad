#include "core/environment.h"

#if defined(__x86_64__)

#include <xmmintrin.h>

enum {
    MXCSR_CONTROL =
        0xffc0, /* flush to zero, rounding, masks, denormals are zero; the lower bits are the flags */
    MXCSR_NORMAL = 0x1f80, /* round to nearest, keep denormals, mask every exception */
    X87_NORMAL = 0x037f,   /* the same, with 64 bits of precision */
};

static uint16_t read_x87(void)
{
    uint16_t word;
    __asm__ volatile("fnstcw %0" : "=m"(word));
    return word;
}

static void write_x87(uint16_t word)
{
    __asm__ volatile("fldcw %0" : : "m"(word));
}

struct sower_environment sower_environment_enter(void)
{
    struct sower_environment found = {.mxcsr = _mm_getcsr(), .x87 = read_x87()};
    if ((found.mxcsr & MXCSR_CONTROL) != MXCSR_NORMAL) {
        _mm_setcsr((found.mxcsr & ~(uint32_t)MXCSR_CONTROL) | MXCSR_NORMAL);
    }
    if (found.x87 != X87_NORMAL) {
        write_x87(X87_NORMAL);
    }
    return found;
}

void sower_environment_leave(const struct sower_environment *found)
{
    if (_mm_getcsr() != found->mxcsr) {
        _mm_setcsr(found->mxcsr);
    }
    if (found->x87 != X87_NORMAL) {
        write_x87(found->x87);
    }
}

#elif defined(__aarch64__)

/* Every bit of FPCR switches away from the defaults of IEEE 754, so 0 is the contract's environment.
 * FPSR has the flags. */
struct sower_environment sower_environment_enter(void)
{
    struct sower_environment found;
    __asm__ volatile("mrs %0, fpcr" : "=r"(found.control));
    __asm__ volatile("mrs %0, fpsr" : "=r"(found.status));
    if (found.control != 0) {
        __asm__ volatile("msr fpcr, %0" : : "r"(UINT64_C(0)));
    }
    return found;
}

void sower_environment_leave(const struct sower_environment *found)
{
    uint64_t status;
    __asm__ volatile("mrs %0, fpsr" : "=r"(status));
    if (status != found->status) {
        __asm__ volatile("msr fpsr, %0" : : "r"(found->status));
    }
    if (found->control != 0) {
        __asm__ volatile("msr fpcr, %0" : : "r"(found->control));
    }
}

#else

/* The default environment of the C library, which is the contract's environment on every machine that
 * this has been built for. s390x, for example, has only rounding modes and exception masks. */
struct sower_environment sower_environment_enter(void)
{
    struct sower_environment found;
    (void)fegetenv(&found.all);
    (void)fesetenv(FE_DFL_ENV);
    return found;
}

void sower_environment_leave(const struct sower_environment *found)
{
    (void)fesetenv(&found->all);
}

#endif

void sower_environment_set(void)
{
    const struct sower_environment found = sower_environment_enter();
    (void)found;
}
