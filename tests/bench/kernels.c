/* Measures every kernel that this CPU supports, relative to libsodium's raw bytes, and prints one JSON object.
 *
 * Every round runs all cases, so that a change of the machine's speed affects all of them. The result of a case is
 * the median over the rounds of its ratio to libsodium in the same round. Rates are bytes of elements per second. */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <sodium.h>

#include "core/kernel.h"
#include "tests/bench/times.h"

enum { ROUNDS = 9, PIECE = 256 * 1024, PIECES = 96, CASES_MAX = 64 };

struct bench {
    const struct sower_kernel *kernel; /* NULL: libsodium's raw bytes */
    const char *law_name;
    struct sower_law law;
    enum sower_dtype dtype;
    double rates[ROUNDS], ratios[ROUNDS];
};

static double rate(const struct bench *bench, void *piece)
{
    static const struct sower_seed seed = {.bytes = {42}};
    size_t size = bench->kernel == NULL ? 1 : sower_dtype_size(bench->dtype), count = PIECE / size;
    double start = seconds();
    for (size_t i = 0; i < PIECES; i++) {
        if (bench->kernel == NULL) {
            randombytes_buf_deterministic(piece, PIECE, seed.bytes);
        } else {
            struct sower_runs runs = {.first = i * count, .length = count, .stride = count, .count = 1};
            bench->kernel->fill_runs(&bench->law, bench->dtype, &seed, &runs, piece);
        }
    }
    return (double)PIECE * PIECES / (seconds() - start);
}

enum {
    THREADS_MAX = 2,
    REPEATS = 20, /* long enough for the scheduler to distribute the threads */
};

struct worker {
    pthread_t thread;
    const struct bench *bench;
    void *piece;
};

static void *work(void *context)
{
    struct worker *worker = context;
    for (size_t i = 0; i < REPEATS; i++) {
        rate(worker->bench, worker->piece);
    }
    return NULL;
}

/* Bytes per second of all threads together. Each thread generates its own stream. */
static double rate_of_threads(const struct bench *bench, size_t threads, char *piece)
{
    struct worker workers[THREADS_MAX];
    double start = seconds();
    for (size_t i = 0; i < threads; i++) {
        workers[i] = (struct worker){.bench = bench, .piece = piece + i * PIECE};
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0) {
            exit(1);
        }
    }
    for (size_t i = 0; i < threads; i++) {
        pthread_join(workers[i].thread, NULL);
    }
    return (double)threads * REPEATS * PIECE * PIECES / (seconds() - start);
}

/* Throughput of two threads divided by that of one. Measures one thread before and after the two. */
static double two_over_one(const struct bench *bench, char *piece)
{
    double before = rate_of_threads(bench, 1, piece), two = rate_of_threads(bench, 2, piece);
    return two / ((before + rate_of_threads(bench, 1, piece)) / 2);
}

static double median(double *values)
{
    qsort(values, ROUNDS, sizeof *values, ascending);
    return values[ROUNDS / 2];
}

static size_t add_kernel(struct bench *benches, size_t count, const struct sower_kernel *kernel)
{
    struct sower_problem problem;
    struct sower_law normal = sower_law_normal(0, 0.02), uniform = sower_law_uniform(-0.1, 0.1), truncated;
    if (!sower_law_truncated_normal(0, 0.02, -2, 2, -0.04, 0.04, "init", &truncated, &problem)) {
        fprintf(stderr, "%s\n", problem.sentence);
        exit(1);
    }
    const struct bench cases[] = {
        {.law_name = "normal", .law = normal, .dtype = SOWER_F32},
        {.law_name = "uniform", .law = uniform, .dtype = SOWER_F32},
        {.law_name = "truncated_normal", .law = truncated, .dtype = SOWER_F32},
        {.law_name = "normal", .law = normal, .dtype = SOWER_BF16},
        {.law_name = "normal", .law = normal, .dtype = SOWER_F16},
        {.law_name = "normal", .law = normal, .dtype = SOWER_F64},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0] && count < CASES_MAX; i++) {
        benches[count] = cases[i];
        benches[count++].kernel = kernel;
    }
    return count;
}

int main(void)
{
    static struct bench benches[CASES_MAX] = {{.law_name = "raw bytes"}};
    size_t count = 1;
    void *piece = aligned_alloc(64, THREADS_MAX * PIECE);
    double pairs[ROUNDS];
    if (sodium_init() < 0 || piece == NULL) {
        return 1;
    }
    for (size_t i = 0; sower_kernels[i] != NULL; i++) {
        if (sower_kernels[i]->supported()) {
            count = add_kernel(benches, count, sower_kernels[i]);
        }
    }
    for (size_t round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < count; i++) {
            benches[i].rates[round] = rate(&benches[i], piece);
            benches[i].ratios[round] = benches[i].rates[round] / benches[0].rates[round];
        }
        pairs[round] = two_over_one(&benches[1], piece);
    }
    printf("{\"two_threads_over_one\": %.3f,\n \"kernels\": [", median(pairs));
    for (size_t i = 0; i < count; i++) {
        const struct sower_kernel *kernel = benches[i].kernel;
        printf("%s{\"kernel\": \"%s\", \"law\": \"%s\", \"dtype\": \"%s\", \"bytes_per_second\": %.0f, "
               "\"over_raw\": %.3f}",
               i == 0 ? "" : ",\n ", kernel == NULL ? "libsodium" : kernel->name, benches[i].law_name,
               kernel == NULL ? "u8" : sower_dtype_name(benches[i].dtype), median(benches[i].rates),
               median(benches[i].ratios));
    }
    printf("]}\n");
    free(piece);
    return 0;
}
