#include "core/statistics.h"

#include <math.h>

#include "core/environment.h"

static void begin(struct sower_statistics *statistics, const struct sower_plan *plan)
{
    *statistics = (struct sower_statistics){.low = plan->low, .high = plan->high};
    double mean = plan->mean_expected, reach = 4 * plan->std_expected;
    if (isfinite(mean) && isfinite(reach)) {
        statistics->low = fmax(plan->low, mean - reach);
        statistics->high = fmin(plan->high, mean + reach);
    }
    /* A constant, or a plan without expected values: the histogram covers one unit on both sides of the
     * mean or 0. */
    if (!isfinite(statistics->low) || !isfinite(statistics->high) || statistics->low >= statistics->high) {
        double middle = isfinite(mean) ? mean : 0;
        statistics->low = middle - 1;
        statistics->high = middle + 1;
    }
}

static void count_in_bins(struct sower_statistics *statistics, const double *values, size_t count)
{
    const double width = (statistics->high - statistics->low) / SOWER_STATISTICS_BINS;
    for (size_t i = 0; i < count; i++) {
        if (values[i] < statistics->low) {
            statistics->below++;
        } else if (values[i] > statistics->high) {
            statistics->above++;
        } else {
            size_t bin = (size_t)((values[i] - statistics->low) / width);
            statistics->bins[bin < SOWER_STATISTICS_BINS ? bin : SOWER_STATISTICS_BINS - 1]++;
        }
    }
}

static void add(struct sower_statistics *statistics, const double *values, size_t count)
{
    double sum = 0, squares = 0;
    double least = values[0], most = values[0];
    for (size_t i = 0; i < count; i++) {
        sum += values[i];
        least = fmin(least, values[i]);
        most = fmax(most, values[i]);
    }
    const double mean = sum / (double)count;
    for (size_t i = 0; i < count; i++) {
        squares += (values[i] - mean) * (values[i] - mean);
    }
    const double before = (double)statistics->count, total = before + (double)count;
    const double distance = mean - statistics->mean;
    statistics->least = statistics->count == 0 ? least : fmin(statistics->least, least);
    statistics->most = statistics->count == 0 ? most : fmax(statistics->most, most);
    statistics->squares += squares + distance * distance * (before / total) * (double)count;
    statistics->mean += distance * ((double)count / total);
    statistics->count += count;
    count_in_bins(statistics, values, count);
}

void sower_statistics_begin(struct sower_statistics *statistics, const struct sower_plan *plan)
{
    const struct sower_environment found = sower_environment_enter();
    begin(statistics, plan);
    sower_environment_leave(&found);
}

void sower_statistics_add(struct sower_statistics *statistics, const double *values, size_t count)
{
    if (count > 0) {
        const struct sower_environment found = sower_environment_enter();
        add(statistics, values, count);
        sower_environment_leave(&found);
    }
}

double sower_statistics_std(const struct sower_statistics *statistics)
{
    const struct sower_environment found = sower_environment_enter();
    const volatile double std =
        statistics->count == 0 ? 0 : sqrt(statistics->squares / (double)statistics->count);
    sower_environment_leave(&found);
    return std;
}
