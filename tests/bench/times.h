/* A clock in seconds, and the summary of many measured times. */
#ifndef SOWER_TESTS_BENCH_TIMES_H
#define SOWER_TESTS_BENCH_TIMES_H

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static inline double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static inline int ascending(const void *a, const void *b)
{
    double one = *(const double *)a, other = *(const double *)b;
    return (one > other) - (one < other);
}

/* Sorts the times. Prints their number, the median and the 99th percentile. */
static inline void print_times(double *times, size_t count)
{
    qsort(times, count, sizeof *times, ascending);
    printf("%zu %.9f %.9f\n", count, times[count / 2], times[count / 100 * 99]);
}

#endif
