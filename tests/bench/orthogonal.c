/* Generates an orthogonal f32 matrix in memory, preparation included. Usage: orthogonal SIDE THREADS
 *
 * Prints one JSON object. seconds: the time of the whole matrix. error: max |QᵀQ − I| over some columns. shard: the
 * time of the slowest of eight row shards, each with its own preparation, divided by the time of the whole. beyond:
 * the peak resident memory minus the factors and the matrix. */
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include <sodium.h>

#include "core/orthogonal.h"
#include "tests/bench/times.h"

enum { BLOCK = 64, SHARDS = 8, COLUMNS_CHECKED = 64, THREADS_MAX = 64 };

struct job {
    sower_task *task;
    void *work;
    size_t count;
    atomic_size_t next;
};

static void *take_tasks(void *context)
{
    struct job *job = context;
    for (size_t i; (i = atomic_fetch_add(&job->next, 1)) < job->count;) {
        job->task(job->work, i);
    }
    return NULL;
}

static void run_on_threads(void *executor, sower_task *task, void *work, size_t count)
{
    const long threads = *(const long *)executor;
    struct job job = {.task = task, .work = work, .count = count};
    pthread_t others[THREADS_MAX];
    for (long i = 1; i < threads; i++) {
        if (pthread_create(&others[i], NULL, take_tasks, &job) != 0) {
            exit(1);
        }
    }
    take_tasks(&job);
    for (long i = 1; i < threads; i++) {
        pthread_join(others[i], NULL);
    }
}

static void read_rows(const struct sower_orthogonal *factors, const struct sower_parallel *parallel,
                      uint64_t side, uint64_t first, uint64_t count, double *block, float *values)
{
    for (uint64_t row = 0; row < count; row += BLOCK) {
        if (!sower_orthogonal_read(factors, 1, first + row, BLOCK, 0, side, parallel, block)) {
            exit(1);
        }
        for (uint64_t i = 0; i < BLOCK * side; i++) {
            values[row * side + i] = (float)block[i];
        }
    }
}

/* Prepares the factors and reads `count` rows from `first` on; returns the seconds. */
static double generate(const struct sower_parallel *parallel, uint64_t side, uint64_t first, uint64_t count,
                       double *block, float *values)
{
    static const struct sower_seed seed = {.bytes = {42}};
    double start = seconds();
    struct sower_orthogonal *factors = sower_orthogonal_prepare(&seed, 0, side, side, SOWER_F32, parallel);
    if (factors == NULL) {
        exit(1);
    }
    read_rows(factors, parallel, side, first, count, block, values);
    sower_orthogonal_free(factors);
    return seconds() - start;
}

/* Checks pairs of the first columns with some others: enough to show rounding errors, in a fraction of a second. */
static double largest_error(const float *values, uint64_t side)
{
    double largest = 0;
    for (uint64_t j = 0; j < COLUMNS_CHECKED; j++) {
        for (uint64_t k = j; k < side; k += 1 + k / 64) {
            double sum = j == k ? -1 : 0;
            for (uint64_t i = 0; i < side; i++) {
                sum += (double)values[i * side + j] * (double)values[i * side + k];
            }
            largest = fmax(largest, fabs(sum));
        }
    }
    return largest;
}

int main(int argc, char **argv)
{
    if (argc != 3 || sodium_init() < 0) {
        return 2;
    }
    uint64_t side = strtoull(argv[1], NULL, 10);
    long threads = strtol(argv[2], NULL, 10);
    if (side % (BLOCK * SHARDS) != 0 || threads < 1 || threads > THREADS_MAX) {
        return 2;
    }
    const struct sower_parallel parallel = {run_on_threads, &threads};
    double *block = malloc(BLOCK * side * sizeof *block);
    float *values = malloc(side * side * sizeof *values);
    if (block == NULL || values == NULL) {
        return 1;
    }
    double whole = generate(&parallel, side, 0, side, block, values);
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    uint64_t known = sower_orthogonal_memory(side, side, SOWER_F32) + side * side * sizeof *values;
    double error = largest_error(values, side), slowest = 0;
    for (uint64_t shard = 0; shard < SHARDS; shard++) {
        slowest =
            fmax(slowest, generate(&parallel, side, shard * (side / SHARDS), side / SHARDS, block, values));
    }
    printf("{\"seconds\": %.4f, \"error\": %.3g, \"shard\": %.3f, \"beyond\": %lld}\n", whole, error,
           slowest / whole, (long long)usage.ru_maxrss * 1024 - (long long)known);
    free(block);
    free(values);
    return 0;
}
