/* Statistics of a tensor's elements: moments, extremes and a histogram, gathered block by block.
 *
 * Mean and variance are merged from blocks (Chan, Golub & LeVeque, 1979), so they stay accurate for any
 * number of elements. They depend on how the elements are cut into blocks in their last digits only. NaN,
 * which no draw holds, would make everything NaN. */
#ifndef SOWER_CORE_STATISTICS_H
#define SOWER_CORE_STATISTICS_H

#include <stddef.h>
#include <stdint.h>

#include "core/plan.h"

enum { SOWER_STATISTICS_BINS = 40 };

struct sower_statistics {
    uint64_t count;
    double mean;    /* 0 of no elements, as are the two below */
    double squares; /* the sum of squared distances from the mean */
    double least, most;
    double low, high;      /* of the histogram, which has equal bins; high belongs to the last */
    uint64_t below, above; /* elements outside of it */
    uint64_t bins[SOWER_STATISTICS_BINS];
};

/* Begins with a histogram over what the plan expects: the support, but no more than four standard deviations
 * to either side of the mean. */
void sower_statistics_begin(struct sower_statistics *statistics, const struct sower_plan *plan);

void sower_statistics_add(struct sower_statistics *statistics, const double *values, size_t count);

/* The standard deviation of the elements themselves (divided by their number). */
double sower_statistics_std(const struct sower_statistics *statistics);

#endif
