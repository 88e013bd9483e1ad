#include "client/sow/clock.h"

double clock_seconds(void)
{
    struct timespec time = {0};
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

struct timespec clock_deadline(double seconds)
{
    struct timespec time = {0};
    clock_gettime(CLOCK_REALTIME, &time);
    time.tv_nsec += (long)((seconds - (double)(time_t)seconds) * 1e9);
    time.tv_sec += (time_t)seconds + time.tv_nsec / 1000000000;
    time.tv_nsec %= 1000000000;
    return time;
}
