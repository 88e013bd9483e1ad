/* Every kernel that this CPU can run must write the same bytes as the portable kernel, and no other bytes.
 *
 * With the argument `bench` this program measures the speed of the kernels instead. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sodium.h>

#include "core/kernel.h"
#include "core/kernels/kernels.h"
#include "core/stream.h"

enum { GUARD = 192, MOST_ELEMENTS = 5000 };

/* xorshift64* with a fixed start, so that every run tests the same cases. */
static uint64_t random_state = 0x9e3779b97f4a7c15u;

static uint64_t random_below(uint64_t bound)
{
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return (random_state * 0x2545f4914f6cdd1du >> 11) % bound;
}

static double random_unit(void)
{
    return (double)random_below(UINT64_C(1) << 50) * 0x1p-50;
}

static struct sower_law truncated(double mean, double std, double lower, double upper)
{
    struct sower_law law;
    struct sower_problem problem;
    assert_true(sower_law_truncated_normal(mean, std, lower, upper, mean + lower * std, mean + upper * std,
                                           "", &law, &problem));
    return law;
}

enum { LAW_CHOICES = 16 };

static struct sower_law choose_law(uint64_t choice)
{
    double scale = ldexp(random_unit() + 0.5, (int)random_below(24) - 16);
    double shift = random_unit() - 0.5;
    switch (choice) {
    case 0:
        return sower_law_normal(0, 1);
    case 1:
        return sower_law_normal(shift, scale);
    case 2:
        return sower_law_normal(0, 1e37); /* many elements overflow */
    case 3:
        return sower_law_normal(0, 1e-42); /* many elements are subnormal */
    case 4:
        return sower_law_uniform(-scale, scale);
    case 5:
        return sower_law_uniform(0, 1);
    case 6:
        return sower_law_uniform(shift, shift + scale * 1e-6); /* the clamp changes elements */
    case 7:
        return sower_law_uniform(-1e-42, 1e-42);
    case 8:
        return truncated(0, 1, -2, 2);
    case 9:
        return truncated(shift, scale, -0.3, 2.5);
    case 10:
        return truncated(shift, scale, -(double)INFINITY, -3.1);
    case 11:
        return truncated(0, 1, -(double)INFINITY, (double)INFINITY);
    case 13:
        return sower_law_uniform(-1e-46, -9.999999999999998e-47); /* no f32 between the bounds: -0 in f32 */
    case 14:
        return truncated(-7e-46, 1.4e-44, -0.1, 0.09); /* zeros of either sign */
    case 12:
        return truncated(1, 1e-7, -1, 1); /* few f32 lie between the bounds */
    default:
        return sower_law_constant(shift);
    }
}

static struct sower_seed random_seed(void)
{
    struct sower_seed seed;
    for (size_t i = 0; i < sizeof seed.bytes; i++) {
        seed.bytes[i] = (uint8_t)random_below(256);
    }
    return seed;
}

static void compare_once(const struct sower_kernel *kernel, const struct sower_law *law,
                         enum sower_dtype dtype, const struct sower_runs *runs)
{
    static uint8_t expected[8 * MOST_ELEMENTS + 2 * GUARD], got[8 * MOST_ELEMENTS + 2 * GUARD];
    struct sower_seed seed = random_seed();
    size_t element_size = sower_dtype_size(dtype);
    size_t size = (size_t)(runs->length * runs->count) * element_size;
    size_t offset = GUARD / 2 + element_size * random_below(GUARD / 2 / element_size);
    memset(expected, 0xa5, sizeof expected);
    memset(got, 0xa5, sizeof got);
    sower_kernel_portable.fill_runs(law, dtype, &seed, runs, expected + offset);
    kernel->fill_runs(law, dtype, &seed, runs, got + offset);
    if (memcmp(expected, got, sizeof got) != 0) {
        size_t i = 0;
        while (expected[i] == got[i]) {
            i++;
        }
        fail_msg("%s, law %d, %s, first %llu, length %llu, stride %llu, count %llu: byte %lld of %zu differs",
                 kernel->name, (int)law->kind, sower_dtype_name(dtype), (unsigned long long)runs->first,
                 (unsigned long long)runs->length, (unsigned long long)runs->stride,
                 (unsigned long long)runs->count, (long long)i - (long long)offset, size);
    }
}

static struct sower_runs random_runs(enum sower_dtype dtype)
{
    uint64_t words = SOWER_STREAM_SIZE / sower_dtype_word_size(dtype);
    struct sower_runs runs = {.count = 1 + random_below(random_below(2) ? 40 : 3)};
    runs.length = random_below(1 + random_below(MOST_ELEMENTS / runs.count));
    runs.stride = runs.length + random_below(random_below(2) ? 10000 : 40);
    uint64_t extent = runs.stride * (runs.count - 1) + runs.length;
    switch (random_below(4)) {
    case 0: /* the end of the stream */
        runs.first = words - extent;
        break;
    case 1: /* the start */
        runs.first = random_below(3);
        break;
    case 2: /* aligned */
        runs.first = random_below(words - extent) & ~UINT64_C(15);
        break;
    default:
        runs.first = random_below(words - extent);
    }
    return runs;
}

static void every_kernel_writes_the_bytes_of_the_portable_one_and_nothing_else(void **state)
{
    (void)state;
    for (const struct sower_kernel *const *kernel = sower_kernels; *kernel; kernel++) {
        if (!(*kernel)->supported()) {
            print_message("%s: not on this CPU\n", (*kernel)->name);
            continue;
        }
        for (int dtype = 0; dtype < SOWER_DTYPE_COUNT; dtype++) {
            for (int i = 0; i < 40 * LAW_CHOICES; i++) {
                struct sower_law law = choose_law((uint64_t)i % LAW_CHOICES);
                struct sower_runs runs = random_runs((enum sower_dtype)dtype);
                compare_once(*kernel, &law, (enum sower_dtype)dtype, &runs);
            }
        }
    }
}

/* Enough elements to include words of the rare octaves, for which kernels have separate code. */
static void every_kernel_gives_the_same_on_a_long_run(void **state)
{
    enum { COUNT = 1 << 19 };
    (void)state;
    uint8_t *expected = malloc(COUNT * 8);
    uint8_t *got = malloc(COUNT * 8);
    assert_non_null(expected);
    assert_non_null(got);
    struct sower_seed seed = random_seed();
    const struct sower_law laws[] = {sower_law_normal(0, 1), truncated(0, 1, -0.5, (double)INFINITY)};
    struct sower_runs runs = {.first = 5, .length = COUNT, .stride = COUNT, .count = 1};
    for (size_t law = 0; law < 2; law++) {
        for (int wide = 0; wide < 2; wide++) {
            enum sower_dtype dtype = wide ? SOWER_F64 : SOWER_F32;
            sower_kernel_portable.fill_runs(&laws[law], dtype, &seed, &runs, expected);
            for (const struct sower_kernel *const *kernel = sower_kernels; *kernel; kernel++) {
                if ((*kernel)->supported()) {
                    (*kernel)->fill_runs(&laws[law], dtype, &seed, &runs, got);
                    assert_memory_equal(expected, got, COUNT * sower_dtype_size(dtype));
                }
            }
        }
    }
    free(expected);
    free(got);
}

static void every_kernel_maps_words_like_the_law(void **state)
{
    enum { COUNT = 1000 };
    (void)state;
    for (const struct sower_kernel *const *kernel = sower_kernels; *kernel; kernel++) {
        for (uint64_t i = 0; i < 10 * LAW_CHOICES && (*kernel)->supported(); i++) {
            uint32_t words[COUNT];
            float values[COUNT + 1], guard = 12345;
            struct sower_law law = choose_law(i % LAW_CHOICES);
            size_t count = random_below(COUNT + 1);
            for (size_t j = 0; j < count; j++) {
                /* words of all octaves, from both ends */
                uint32_t r = (uint32_t)(random_below(UINT64_C(1) << 32) >> random_below(33));
                words[j] = random_below(2) ? r : ~r;
            }
            values[count] = guard;
            (*kernel)->map(&law, words, count, values);
            for (size_t j = 0; j < count; j++) {
                float expected = sower_law_f32(&law, words[j]);
                assert_memory_equal(&expected, &values[j], sizeof expected);
            }
            assert_memory_equal(&guard, &values[count], sizeof guard);
        }
    }
}

static void only_an_existing_kernel_can_be_selected(void **state)
{
    (void)state;
    const char *best = sower_kernel()->name;
    assert_false(sower_kernel_select("abacus"));
    assert_string_equal(sower_kernel()->name, best);
    assert_true(sower_kernel_select("portable"));
    assert_string_equal(sower_kernel()->name, "portable");
    assert_true(sower_kernel_select(best));
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

enum { PIECE = 256 * 1024, BENCH_ROUNDS = 7 };

static uint8_t piece[PIECE];

/* Seconds to fill the piece: the minimum of several rounds. */
static double time_fill(const struct sower_kernel *kernel, const struct sower_law *law,
                        enum sower_dtype dtype, const struct sower_runs *runs)
{
    struct sower_seed seed = random_seed();
    double best = HUGE_VAL;
    for (int round = 0; round < BENCH_ROUNDS; round++) {
        int times = 0;
        double start = now(), elapsed;
        do {
            kernel->fill_runs(law, dtype, &seed, runs, piece);
            times++;
            elapsed = now() - start;
        } while (elapsed < 0.01);
        best = fmin(best, elapsed / times);
    }
    return best;
}

static double time_libsodium(void)
{
    struct sower_seed seed = random_seed();
    double best = HUGE_VAL;
    for (int round = 0; round < BENCH_ROUNDS; round++) {
        double start = now();
        for (int i = 0; i < 50; i++) {
            randombytes_buf_deterministic(piece, PIECE, seed.bytes);
        }
        best = fmin(best, (now() - start) / 50);
    }
    return best;
}

static void bench_dtypes(const struct sower_kernel *kernel, double raw)
{
    static const char *const names[] = {"normal", "uniform", "truncated"};
    const struct sower_law laws[] = {sower_law_normal(0, 0.02), sower_law_uniform(-0.1, 0.1),
                                     truncated(0, 1, -2, 2)};
    for (int dtype = 0; dtype < SOWER_DTYPE_COUNT; dtype++) {
        for (size_t law = 0; law < 3; law++) {
            uint64_t count = PIECE / sower_dtype_size((enum sower_dtype)dtype);
            struct sower_runs runs = {.length = count, .stride = count, .count = 1};
            double seconds = time_fill(kernel, &laws[law], (enum sower_dtype)dtype, &runs);
            double stream = (double)count * (double)sower_dtype_word_size((enum sower_dtype)dtype);
            printf("%-9s %-8s %-10s %8.0f M/s %7.2f GB/s out, stream %5.2f GB/s = %.2f x libsodium\n",
                   kernel->name, sower_dtype_name((enum sower_dtype)dtype), names[law],
                   (double)count / seconds * 1e-6, PIECE / seconds * 1e-9, stream / seconds * 1e-9,
                   stream / seconds * raw / PIECE);
        }
    }
}

/* Compares the rows of a column slice, all together and one by one, with one long run. */
static void bench_runs(const struct sower_kernel *kernel)
{
    struct sower_law law = sower_law_normal(0, 0.02);
    struct sower_runs whole = {.length = PIECE / 4, .stride = PIECE / 4, .count = 1};
    double long_run = time_fill(kernel, &law, SOWER_F32, &whole);
    for (uint64_t length = 1; length <= 4096; length *= 4) {
        for (uint64_t offset = 0; offset < 2; offset++) {
            struct sower_runs runs = {.first = 5 * offset, .length = length, .stride = 8192 + offset};
            runs.count = PIECE / 4 / length;
            struct sower_runs lone = {.first = 5 * offset, .length = length, .stride = length, .count = 1};
            double seconds = time_fill(kernel, &law, SOWER_F32, &runs);
            double alone = time_fill(kernel, &law, SOWER_F32, &lone);
            printf("%-9s rows of %4llu, %s: %6.2f x the time of one long run; a row alone %.0f ns\n",
                   kernel->name, (unsigned long long)length, offset ? "unaligned" : "aligned",
                   seconds / long_run, alone * 1e9);
        }
    }
}

static int bench(void)
{
    double raw = time_libsodium();
    printf("libsodium raw bytes: %.2f GB/s\n", PIECE / raw * 1e-9);
    for (const struct sower_kernel *const *kernel = sower_kernels; *kernel; kernel++) {
        if ((*kernel)->supported()) {
            bench_dtypes(*kernel, raw);
            bench_runs(*kernel);
        }
    }
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kernel_writes_the_bytes_of_the_portable_one_and_nothing_else),
        cmocka_unit_test(every_kernel_gives_the_same_on_a_long_run),
        cmocka_unit_test(every_kernel_maps_words_like_the_law),
        cmocka_unit_test(only_an_existing_kernel_can_be_selected),
    };
    if (sodium_init() < 0) {
        return 1;
    }
    if (argc > 1 && strcmp(argv[1], "bench") == 0) {
        return bench();
    }
    return cmocka_run_group_tests_name("kernels", tests, NULL, NULL);
}
