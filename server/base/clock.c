#include "server/base/clock.h"

enum { NANOSECONDS_PER_MILLISECOND = 1000000, NANOSECONDS_PER_SECOND = 1000000000 };

/* These clocks always exist, so that clock_gettime does not fail. */
static struct timespec read_clock(clockid_t clock)
{
    struct timespec time = {0};
    clock_gettime(clock, &time);
    return time;
}

static uint64_t nanoseconds(clockid_t clock)
{
    const struct timespec time = read_clock(clock);
    return (uint64_t)time.tv_sec * NANOSECONDS_PER_SECOND + (uint64_t)time.tv_nsec;
}

static int64_t milliseconds(clockid_t clock)
{
    const struct timespec time = read_clock(clock);
    return (int64_t)time.tv_sec * 1000 + time.tv_nsec / NANOSECONDS_PER_MILLISECOND;
}

uint64_t sower_clock_nanoseconds(void)
{
    return nanoseconds(CLOCK_MONOTONIC);
}

int64_t sower_clock_milliseconds(void)
{
    return milliseconds(CLOCK_MONOTONIC);
}

struct timespec sower_clock_deadline(int64_t milliseconds)
{
    struct timespec time = read_clock(CLOCK_MONOTONIC);
    time.tv_sec += milliseconds / 1000;
    time.tv_nsec += milliseconds % 1000 * NANOSECONDS_PER_MILLISECOND;
    time.tv_sec += time.tv_nsec / NANOSECONDS_PER_SECOND;
    time.tv_nsec %= NANOSECONDS_PER_SECOND;
    return time;
}

int64_t sower_clock_wall(void)
{
    return milliseconds(CLOCK_REALTIME);
}

uint64_t sower_clock_thread(void)
{
    return nanoseconds(CLOCK_THREAD_CPUTIME_ID);
}

uint64_t sower_clock_process(void)
{
    return nanoseconds(CLOCK_PROCESS_CPUTIME_ID);
}
