#include "server/base/histogram.h"

const struct sower_bound sower_histogram_bounds[SOWER_HISTOGRAM_BOUNDS] = {
    {100000, "0.0001"},  {500000, "0.0005"},    {1000000, "0.001"},    {2500000, "0.0025"},
    {5000000, "0.005"},  {10000000, "0.01"},    {25000000, "0.025"},   {50000000, "0.05"},
    {100000000, "0.1"},  {250000000, "0.25"},   {500000000, "0.5"},    {1000000000, "1.0"},
    {2500000000, "2.5"}, {10000000000, "10.0"}, {60000000000, "60.0"},
};

void sower_histogram_observe(struct sower_histogram *histogram, uint64_t nanoseconds)
{
    size_t bucket = 0;
    while (bucket < SOWER_HISTOGRAM_BOUNDS && nanoseconds > sower_histogram_bounds[bucket].nanoseconds) {
        bucket++;
    }
    atomic_fetch_add_explicit(&histogram->buckets[bucket], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&histogram->nanoseconds, nanoseconds, memory_order_relaxed);
}

void sower_histogram_add(const struct sower_histogram *histogram, struct sower_histogram_figures *figures)
{
    for (size_t i = 0; i <= SOWER_HISTOGRAM_BOUNDS; i++) {
        figures->buckets[i] += atomic_load_explicit(&histogram->buckets[i], memory_order_relaxed);
    }
    figures->nanoseconds += atomic_load_explicit(&histogram->nanoseconds, memory_order_relaxed);
}

uint64_t sower_histogram_count(const struct sower_histogram_figures *figures)
{
    uint64_t count = 0;
    for (size_t i = 0; i <= SOWER_HISTOGRAM_BOUNDS; i++) {
        count += figures->buckets[i];
    }
    return count;
}
