/* Histograms: how many durations were at most so long.
 *
 * Any thread may observe; an observation is two additions without a lock. All histograms have the same bounds,
 * which reach from a tenth of a millisecond (a small response) to a minute (a large model). */
#ifndef SOWER_SERVER_BASE_HISTOGRAM_H
#define SOWER_SERVER_BASE_HISTOGRAM_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

enum { SOWER_HISTOGRAM_BOUNDS = 15 };

/* An upper bound: in nanoseconds, and in seconds as text. */
struct sower_bound {
    uint64_t nanoseconds;
    const char *seconds;
};

extern const struct sower_bound sower_histogram_bounds[SOWER_HISTOGRAM_BOUNDS];

/* All zeros: no observation. */
struct sower_histogram {
    /* Bucket i has the durations above bound i - 1 and up to bound i; the last one those above all bounds. */
    _Atomic uint64_t buckets[SOWER_HISTOGRAM_BOUNDS + 1];
    _Atomic uint64_t nanoseconds; /* the sum of all durations */
};

void sower_histogram_observe(struct sower_histogram *histogram, uint64_t nanoseconds);

/* A histogram as it was read. */
struct sower_histogram_figures {
    uint64_t buckets[SOWER_HISTOGRAM_BOUNDS + 1];
    uint64_t nanoseconds;
};

/* Adds the observations of a histogram to `figures`. */
void sower_histogram_add(const struct sower_histogram *histogram, struct sower_histogram_figures *figures);

/* The number of observations. */
uint64_t sower_histogram_count(const struct sower_histogram_figures *figures);

#endif
