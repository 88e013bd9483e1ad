/* Checks all 2^32 words with every kernel that this CPU can run. Takes some minutes.
 *
 * For the normal law and two truncated laws it checks that all kernels agree, that the law is odd (for
 * symmetric bounds) and does not fall, and how far it is from the true quantile. It computes the mean, the
 * variance and the Kolmogorov distance of the resulting distribution; these are exact, because every word
 * counts. It prints a table and fails when the contract does not hold.
 *
 * The reference is the f64 law at the same probability. Its error is about 2e-16; this program checks it
 * against the error function of long double on one word in 2^16. */
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

#include "core/kernels/kernels.h"
#include "core/scalar.h"

enum { CHUNK = 4096, CHUNKS = 256, THREADS_MAX = 64 }; /* words in a chunk, chunks in a block */

#define BLOCK ((uint64_t)CHUNK * CHUNKS)
#define BLOCKS ((UINT64_C(1) << 32) / BLOCK)

/* The findings on one block of words. Blocks are merged in order, so the sums do not depend on the
 * threads. */
struct findings {
    uint64_t differing, not_odd, falls;
    double worst_fall;   /* in units in the last place (ulp) */
    double worst_error;  /* |x − reference| / max(1, |reference|) */
    double worst_ulp;    /* |x − reference| in ulp, where |reference| > 0.5 */
    double distance;     /* the greatest |F(x) − p| */
    double worst_oracle; /* the relative error of the reference itself, against the error function */
    long double sum, sum_of_squares;
};

struct job {
    const char *name;
    struct sower_law law;
    double lower, upper;
    bool odd;
    atomic_uint_fast64_t next;
    struct findings *blocks;
};

static double density(double z)
{
    return exp(-z * z / 2) / sqrt(2 * acos(-1.0));
}

static double ulp(double x)
{
    int exponent;
    frexp(x, &exponent);
    return ldexp(1, exponent - 24);
}

/* The 64-bit word at the same probability as the middle of a 32-bit word. */
static uint64_t reference_word(const struct sower_law *law, uint32_t word)
{
    uint64_t middle = (uint64_t)word << 32 | UINT32_C(0x80000000);
    if (law->kind == SOWER_LAW_NORMAL) {
        return middle;
    }
    __extension__ unsigned __int128 product = (unsigned __int128)middle * law->span64;
    return law->first64 + (uint64_t)(product >> 64);
}

/* The length, relative to z, of one step of Newton's method from z towards the root of Φ(z) = (word +
 * 1/2) / 2^64. */
static double oracle_error(uint64_t word, double z)
{
    uint64_t r = word >> 63 ? ~word : word;
    long double p = ((long double)r + 0.5L) * 0x1p-64L;
    long double magnitude = fabsl((long double)z);
    long double tail = erfcl(magnitude / sqrtl(2)) / 2;
    return (double)(fabsl(tail - p) / (long double)density(z) / magnitude);
}

static void judge(struct findings *found, const struct job *job, uint32_t word, float value, float before)
{
    uint64_t wide = reference_word(&job->law, word);
    double reference = sower_inline_normal_f64(wide); /* inline code for this CPU, which is much faster */
    double x = (double)value;
    double error = fabs(x - reference);
    double mass = job->law.kind == SOWER_LAW_NORMAL ? 1 : (double)job->law.span64 * 0x1p-64;
    double relative = error / fmax(1, fabs(reference));
    if (relative > found->worst_error) {
        found->worst_error = relative;
    }
    if (fabs(reference) > 0.5 && error > found->worst_ulp * 0x1p-23 * fabs(reference) / 2) {
        found->worst_ulp = fmax(found->worst_ulp, error / ulp(reference));
    }
    if (error * 0.3990 / mass + 0x1p-33 > found->distance) {
        found->distance = fmax(found->distance, error * density(reference) / mass + 0x1p-33);
    }
    if (before > value) {
        found->falls++;
        found->worst_fall = fmax(found->worst_fall, (double)(before - value) / ulp(x));
    }
    if ((word & 0xffff) == 0x1234) {
        found->worst_oracle = fmax(found->worst_oracle, oracle_error(wide, reference));
    }
}

/* The portable kernel is slow: for truncated laws it checks only one chunk in 16. */
static bool is_checked(const struct sower_kernel *kernel, const struct job *job, uint32_t first)
{
    bool sampled = kernel == &sower_kernel_portable && job->law.kind != SOWER_LAW_NORMAL;
    return kernel->supported() && (!sampled || first / CHUNK % 16 == 0);
}

static void compare_kernels(struct findings *found, const struct job *job, const uint32_t *words,
                            const float *values)
{
    for (const struct sower_kernel *const *kernel = sower_kernels; *kernel; kernel++) {
        float others[CHUNK];
        if (!is_checked(*kernel, job, words[0])) {
            continue;
        }
        (*kernel)->map(&job->law, words, CHUNK, others);
        for (size_t i = 0; i < CHUNK && memcmp(values, others, sizeof others) != 0; i++) {
            found->differing += memcmp(&values[i], &others[i], sizeof *values) != 0;
        }
    }
}

static void visit_chunk(struct findings *found, const struct job *job, uint32_t first)
{
    uint32_t words[CHUNK], mirrored[CHUNK];
    float values[CHUNK], opposite[CHUNK];
    double sum = 0, sum_of_squares = 0;
    for (uint32_t i = 0; i < CHUNK; i++) {
        words[i] = first + i;
        mirrored[i] = ~words[i];
    }
    sower_kernel()->map(&job->law, words, CHUNK, values);
    sower_kernel()->map(&job->law, mirrored, CHUNK, opposite);
    compare_kernels(found, job, words, values);
    float before = first == 0 ? values[0] : sower_law_f32(&job->law, first - 1);
    for (size_t i = 0; i < CHUNK; i++) {
        double x = (double)values[i];
        judge(found, job, words[i], values[i], before);
        found->not_odd += values[i] != -opposite[i];
        sum += x;
        sum_of_squares += x * x;
        before = values[i];
    }
    found->sum += (long double)sum;
    found->sum_of_squares += (long double)sum_of_squares;
}

static void *work(void *argument)
{
    struct job *job = argument;
    for (;;) {
        uint64_t block = atomic_fetch_add(&job->next, 1);
        if (block >= BLOCKS) {
            return NULL;
        }
        for (uint64_t chunk = 0; chunk < CHUNKS; chunk++) {
            visit_chunk(&job->blocks[block], job, (uint32_t)(block * BLOCK + chunk * CHUNK));
        }
    }
}

static struct findings merge(const struct findings *blocks)
{
    struct findings all = {0};
    for (uint64_t i = 0; i < BLOCKS; i++) {
        all.differing += blocks[i].differing;
        all.not_odd += blocks[i].not_odd;
        all.falls += blocks[i].falls;
        all.worst_fall = fmax(all.worst_fall, blocks[i].worst_fall);
        all.worst_error = fmax(all.worst_error, blocks[i].worst_error);
        all.worst_ulp = fmax(all.worst_ulp, blocks[i].worst_ulp);
        all.distance = fmax(all.distance, blocks[i].distance);
        all.worst_oracle = fmax(all.worst_oracle, blocks[i].worst_oracle);
        all.sum += blocks[i].sum;
        all.sum_of_squares += blocks[i].sum_of_squares;
    }
    return all;
}

/* The mean and variance of the standard normal distribution between two bounds. */
static void moments(const struct job *job, double *mean, double *variance)
{
    double a = job->lower, b = job->upper;
    double mass = (erfc(a / sqrt(2.0)) - erfc(b / sqrt(2.0))) / 2;
    double at_a = isinf(a) ? 0 : a * density(a), at_b = isinf(b) ? 0 : b * density(b);
    *mean = (density(a) - density(b)) / mass;
    *variance = 1 + (at_a - at_b) / mass - *mean * *mean;
}

static bool report(const struct job *job, const struct findings *found)
{
    double true_mean, true_variance;
    double mean = (double)(found->sum * 0x1p-32L);
    double variance = (double)(found->sum_of_squares * 0x1p-32L) - mean * mean;
    moments(job, &true_mean, &true_variance);
    printf("%s\n", job->name);
    printf("  words on which a kernel differs     %llu\n", (unsigned long long)found->differing);
    printf("  words that are not odd              %llu%s\n", (unsigned long long)found->not_odd,
           job->odd ? "" : " (expected: the bounds are not symmetric)");
    printf("  falls from one word to the next     %llu, the deepest %.0f ulp\n",
           (unsigned long long)found->falls, found->worst_fall);
    printf("  worst |x - true| / max(1, |true|)   %.3g\n", found->worst_error);
    printf("  worst error where |true| > 0.5      %.3f ulp\n", found->worst_ulp);
    printf("  mean, and that of the distribution  %.12f  %.12f\n", mean, true_mean);
    printf("  variance                            %.12f  %.12f\n", variance, true_variance);
    printf("  Kolmogorov's distance               %.3g\n", found->distance);
    printf("  reference against erfc, relative    %.3g\n\n", found->worst_oracle);
    fflush(stdout);
    return found->differing == 0 && (!job->odd || found->not_odd == 0) && found->worst_fall <= 2 &&
           found->worst_error <= 2.5e-7 && found->worst_oracle <= 1e-14 && fabs(mean - true_mean) <= 1e-8 &&
           fabs(variance - true_variance) <= 1e-7;
}

static bool run(struct job *job)
{
    pthread_t threads[THREADS_MAX];
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    int started = 0;
    job->blocks = calloc(BLOCKS, sizeof *job->blocks);
    if (!job->blocks) {
        return false;
    }
    while (started < processors && started < THREADS_MAX &&
           pthread_create(&threads[started], NULL, work, job) == 0) {
        started++;
    }
    for (int i = 0; i < started; i++) {
        pthread_join(threads[i], NULL);
    }
    struct findings found = merge(job->blocks);
    free(job->blocks);
    return started > 0 && report(job, &found);
}

static bool run_truncated(const char *name, double lower, double upper)
{
    struct sower_problem problem;
    struct job job = {.name = name, .lower = lower, .upper = upper, .odd = lower == -upper};
    return sower_law_truncated_normal(0, 1, lower, upper, lower, upper, "", &job.law, &problem) && run(&job);
}

int main(void)
{
    if (sodium_init() < 0) {
        return 1;
    }
    printf("Kernels:");
    for (const struct sower_kernel *const *kernel = sower_kernels; *kernel; kernel++) {
        printf(" %s%s", (*kernel)->name, (*kernel)->supported() ? "" : " (not on this CPU)");
    }
    printf("\n\n");
    struct job normal = {.name = "normal", .law = sower_law_normal(0, 1), .odd = true};
    normal.lower = -(double)INFINITY;
    normal.upper = (double)INFINITY;
    bool good = run(&normal);
    good = run_truncated("truncated to -2 ... 2", -2, 2) && good;
    good = run_truncated("truncated to -0.5 ... 3", -0.5, 3) && good;
    printf("%s\n", good ? "The contract holds." : "The contract does NOT hold.");
    return good ? 0 : 1;
}
