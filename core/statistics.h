/* Statistics of a tensor's elements: moments, extremes and a histogram, collected block by block.
 *
 * Mean and variance are merged from blocks (Chan, Golub & LeVeque, 1979), so they stay accurate for any
 * number of elements. The division into blocks changes only their last digits. Elements must not be NaN;
 * no draw contains a NaN. */
#ifndef SOWER_CORE_STATISTICS_H
#define SOWER_CORE_STATISTICS_H

#include <stddef.h>
#include <stdint.h>

#include "core/plan.h"

enum { SOWER_STATISTICS_BINS = 40 };

struct sower_statistics {
    uint64_t count;
    double mean;        /* this and the next two lines are 0 when there are no elements */
    double squares;     /* the sum of squared distances from the mean */
    double least, most; /* the smallest and the largest element */
    double low, high;   /* the range of the histogram; its bins are equal, and high belongs to the last one */
    uint64_t below, above; /* elements outside of the histogram */
    uint64_t bins[SOWER_STATISTICS_BINS];
};

/* Starts with an empty histogram over the plan's support, cut to four standard deviations on both sides
 * of the expected mean. */
void sower_statistics_begin(struct sower_statistics *statistics, const struct sower_plan *plan);

void sower_statistics_add(struct sower_statistics *statistics, const double *values, size_t count);

/* The population standard deviation of the elements: the sum of squares is divided by their number. */
double sower_statistics_std(const struct sower_statistics *statistics);

#endif
