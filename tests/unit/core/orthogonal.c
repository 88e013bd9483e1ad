/* Orthogonal matrices have exactly the bits that the headers define, are orthonormal and uniformly
 * distributed, and do not depend on how they are divided into rectangles. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <pthread.h>

#include <cmocka.h>

#include "core/kernel.h"
#include "core/orthogonal.h"
#include "core/tile.h"

enum { BLOCK = 240, THREADS_MAX = 3 };

static struct sower_seed seed_of(uint32_t number)
{
    struct sower_seed seed = {{0}};
    for (size_t i = 0; i < 4; i++) {
        seed.bytes[i] = (uint8_t)(number >> 8 * i);
    }
    return seed;
}

static double *numbers(size_t count)
{
    double *values = calloc(count + 1, sizeof *values);
    assert_non_null(values);
    return values;
}

static double *read_all(const struct sower_seed *seed, size_t rows, size_t columns, enum sower_dtype dtype,
                        double gain, const struct sower_parallel *parallel)
{
    struct sower_orthogonal *factors = sower_orthogonal_prepare(seed, 0, rows, columns, dtype, parallel);
    assert_non_null(factors);
    double *values = numbers(rows * columns);
    assert_true(sower_orthogonal_read(factors, gain, 0, rows, 0, columns, parallel, values));
    sower_orthogonal_free(factors);
    return values;
}

/* The definition in orthogonal.h and reflectors.h, in the simplest possible code: n × m, columns
 * orthonormal. */
struct model {
    size_t n, m;
    bool single;
    double *v, *gram, *solved, *scales, *signs;
};

static size_t pivot_of(const struct model *model, size_t l)
{
    return model->n - model->m + l;
}

static void model_draw(struct model *model, const struct sower_seed *seed, bool tall)
{
    struct sower_law law = sower_law_normal(0, 1);
    for (size_t l = 0; l < model->m; l++) {
        size_t pivot = pivot_of(model, l);
        double tail = 0;
        for (size_t i = 0; i <= pivot; i++) {
            float x;
            sower_fill(&law, SOWER_F32, seed, tall ? i * model->m + l : l * model->n + i, 1, &x);
            model->v[i * model->m + l] = (double)x;
            tail = i < pivot ? fma((double)x, (double)x, tail) : tail;
        }
        double x = model->v[pivot * model->m + l];
        double v = (double)(float)(x + copysign(sqrt(fma(x, x, tail)), x));
        model->v[pivot * model->m + l] = pivot == 0 ? 0 : v;
        model->scales[l] = pivot == 0 ? 0 : -2 / fma(v, v, tail);
        model->signs[l] = pivot == 0 ? copysign(1, x) : -copysign(1, x);
    }
}

/* Adds Σ a[i · a_stride] · b[i · b_stride] to `sum` in the way of the contract. */
static double model_sum(double sum, size_t begin, size_t end, bool single, const double *a, size_t a_stride,
                        const double *b, size_t b_stride)
{
    for (size_t i = begin; i < end && !single; i++) {
        sum = fma(a[i * a_stride], b[i * b_stride], sum);
    }
    for (size_t i = begin; i < end && single;) {
        float chain = 0;
        do {
            chain = fmaf((float)a[i * a_stride], (float)b[i * b_stride], chain);
            i++;
        } while (i < end && i % BLOCK != 0);
        sum += (double)chain;
    }
    return sum;
}

static void model_solve(struct model *model)
{
    size_t m = model->m;
    for (size_t k = 0; k < m; k++) {
        for (size_t l = 0; l < k; l++) {
            size_t end = pivot_of(model, l) + 1;
            size_t first = end < BLOCK ? end : BLOCK;
            double sum = model_sum(0, 0, first, false, model->v + k, m, model->v + l, m);
            model->gram[k * m + l] =
                model_sum(sum, first, end, model->single, model->v + k, m, model->v + l, m);
        }
        for (size_t j = 0; j <= k; j++) {
            double sum = model_sum(model->v[pivot_of(model, j) * m + k], j, k, false, model->gram + k * m, 1,
                                   model->solved + j, m);
            model->solved[k * m + j] = model->scales[k] * sum;
        }
    }
}

static double model_element(const struct model *model, size_t i, size_t j, double gain)
{
    double sum = model_sum(i == pivot_of(model, j) ? 1 : 0, 0, model->m, model->single,
                           model->v + i * model->m, 1, model->solved + j, model->m);
    return sum * (model->signs[j] * gain);
}

static double *model_read(const struct sower_seed *seed, size_t rows, size_t columns, enum sower_dtype dtype,
                          double gain)
{
    bool tall = rows > columns;
    size_t n = tall ? rows : columns, m = tall ? columns : rows;
    struct model model = {.n = n, .m = m, .single = dtype != SOWER_F64};
    model.v = numbers(n * m);
    model.gram = numbers(m * m);
    model.solved = numbers(m * m);
    model.scales = numbers(m);
    model.signs = numbers(m);
    model_draw(&model, seed, tall);
    model_solve(&model);
    double *values = numbers(rows * columns);
    for (size_t r = 0; r < rows; r++) {
        for (size_t c = 0; c < columns; c++) {
            values[r * columns + c] = model_element(&model, tall ? r : c, tall ? c : r, gain);
        }
    }
    free(model.v);
    free(model.gram);
    free(model.solved);
    free(model.scales);
    free(model.signs);
    return values;
}

static void assert_bits_equal(const double *a, const double *b, size_t count)
{
    assert_memory_equal(a, b, count * sizeof *a);
}

static int select_best_tile(void **unused)
{
    (void)unused;
    const struct sower_tile *const *tile = sower_tiles;
    while (!sower_tile_select((*tile)->name)) {
        tile++;
    }
    return 0;
}

static void every_tile_gives_the_bits_of_the_contract(void **unused)
{
    (void)unused;
    static const size_t shapes[][2] = {{1, 1},    {1, 9},    {9, 1},     {2, 2},    {5, 4},
                                       {4, 5},    {24, 24},  {47, 49},   {300, 21}, {21, 300},
                                       {97, 550}, {550, 97}, {261, 261}, {270, 250}};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        for (int precise = 0; precise < 2; precise++) {
            size_t rows = shapes[s][0], columns = shapes[s][1];
            enum sower_dtype dtype = precise ? SOWER_F64 : SOWER_BF16;
            struct sower_seed seed = seed_of((uint32_t)s);
            double *expected = model_read(&seed, rows, columns, dtype, 1.7);
            for (const struct sower_tile *const *tile = sower_tiles; *tile; tile++) {
                if (!sower_tile_select((*tile)->name)) {
                    continue;
                }
                double *values = read_all(&seed, rows, columns, dtype, 1.7, &sower_parallel_none);
                assert_bits_equal(values, expected, rows * columns);
                free(values);
            }
            free(expected);
        }
    }
}

/* An executor that runs the tasks of one call on some threads. Each thread takes the next free task. */
struct pool {
    size_t threads;
    sower_task *task;
    void *work;
    size_t count;
    atomic_size_t next;
};

static void *take_tasks(void *argument)
{
    struct pool *pool = argument;
    for (size_t index; (index = atomic_fetch_add(&pool->next, 1)) < pool->count;) {
        pool->task(pool->work, index);
    }
    return NULL;
}

static void run_on_threads(void *executor, sower_task *task, void *work, size_t count)
{
    struct pool *pool = executor;
    pthread_t threads[THREADS_MAX];
    pool->task = task;
    pool->work = work;
    pool->count = count;
    atomic_store(&pool->next, 0);
    for (size_t i = 0; i < pool->threads; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, take_tasks, pool), 0);
    }
    for (size_t i = 0; i < pool->threads; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
}

/* Runs the tasks from the last to the first. */
static void run_backwards(void *executor, sower_task *task, void *work, size_t count)
{
    (void)executor;
    while (count > 0) {
        task(work, --count);
    }
}

static const size_t cut_shapes[][2] = {{530, 530}, {1100, 150}, {150, 1100}};

static void any_number_of_threads_gives_the_same_bits(void **unused)
{
    (void)unused;
    for (size_t s = 0; s < 3; s++) {
        size_t rows = cut_shapes[s][0], columns = cut_shapes[s][1];
        struct sower_seed seed = seed_of(40);
        double *expected = read_all(&seed, rows, columns, SOWER_F32, 1, &sower_parallel_none);
        for (size_t threads = 0; threads <= THREADS_MAX; threads++) {
            struct pool pool = {.threads = threads};
            struct sower_parallel parallel = {threads ? run_on_threads : run_backwards, &pool};
            double *values = read_all(&seed, rows, columns, SOWER_F32, 1, &parallel);
            assert_bits_equal(values, expected, rows * columns);
            free(values);
        }
        free(expected);
    }
}

static void assert_rectangle(const struct sower_orthogonal *factors, const double *whole, size_t columns,
                             size_t row, size_t row_count, size_t column, size_t column_count)
{
    double *values = numbers(row_count * column_count);
    values[row_count * column_count] = 77;
    assert_true(sower_orthogonal_read(factors, 1, row, row_count, column, column_count, &sower_parallel_none,
                                      values));
    for (size_t r = 0; r < row_count; r++) {
        assert_bits_equal(values + r * column_count, whole + (row + r) * columns + column, column_count);
    }
    assert_true(values[row_count * column_count] == 77);
    free(values);
}

static void any_rectangle_has_the_same_bits_as_the_whole(void **unused)
{
    (void)unused;
    for (size_t s = 0; s < 6; s++) {
        size_t rows = cut_shapes[s % 3][0], columns = cut_shapes[s % 3][1];
        enum sower_dtype dtype = s < 3 ? SOWER_F32 : SOWER_F64;
        struct sower_seed seed = seed_of(41);
        double *whole = read_all(&seed, rows, columns, dtype, 1, &sower_parallel_none);
        struct sower_orthogonal *factors =
            sower_orthogonal_prepare(&seed, 0, rows, columns, dtype, &sower_parallel_none);
        assert_non_null(factors);
        assert_rectangle(factors, whole, columns, rows - 1, 1, columns - 1, 1);
        assert_rectangle(factors, whole, columns, 0, 1, 0, columns);
        assert_rectangle(factors, whole, columns, 0, rows, columns / 2, 1);
        assert_rectangle(factors, whole, columns, 1, 13, 7, 61);
        assert_rectangle(factors, whole, columns, rows - 75, 75, columns - 100, 100);
        for (size_t row = 0; row < rows; row += 64) {
            assert_rectangle(factors, whole, columns, row, rows - row < 64 ? rows - row : 64, 0, columns);
        }
        sower_orthogonal_free(factors);
        free(whole);
    }
}

/* The greatest distance from the identity matrix of the inner products of vectors with `length` numbers. */
static double departure(const double *values, size_t count, size_t length, size_t stride, size_t step)
{
    double worst = 0;
    for (size_t a = 0; a < count; a++) {
        for (size_t b = 0; b <= a; b++) {
            double sum = a == b ? -1 : 0;
            for (size_t i = 0; i < length; i++) {
                sum += values[a * stride + i * step] * values[b * stride + i * step];
            }
            worst = fmax(worst, fabs(sum));
        }
    }
    return worst;
}

static void the_smaller_side_is_orthonormal(void **unused)
{
    (void)unused;
    static const size_t shapes[][2] = {{1, 1},     {1, 100},    {100, 1},   {600, 600},
                                       {601, 600}, {2000, 120}, {120, 2000}};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        for (int precise = 0; precise < 2; precise++) {
            size_t rows = shapes[s][0], columns = shapes[s][1];
            enum sower_dtype dtype = precise ? SOWER_F64 : SOWER_F32;
            struct sower_seed seed = seed_of(50 + (uint32_t)s);
            double *values = read_all(&seed, rows, columns, dtype, 1, &sower_parallel_none);
            for (size_t i = 0; i < rows * columns && !precise; i++) {
                values[i] = (double)(float)values[i];
            }
            double worst = rows > columns ? departure(values, columns, rows, 1, columns)
                                          : departure(values, rows, columns, columns, 1);
            assert_true(worst < (precise ? 1e-13 : 3e-7));
            free(values);
        }
    }
}

static void a_single_element_is_plus_or_minus_gain(void **unused)
{
    (void)unused;
    int positive = 0;
    for (uint32_t s = 0; s < 1000; s++) {
        struct sower_seed seed = seed_of(s);
        double *values = read_all(&seed, 1, 1, SOWER_F32, 3, &sower_parallel_none);
        assert_true(fabs(values[0]) == 3);
        positive += values[0] > 0;
        free(values);
    }
    assert_true(abs(positive - 500) < 50);
}

static void gain_multiplies_each_element_once(void **unused)
{
    (void)unused;
    struct sower_seed seed = seed_of(60);
    double *plain = read_all(&seed, 40, 30, SOWER_F32, 1, &sower_parallel_none);
    double *scaled = read_all(&seed, 40, 30, SOWER_F32, 1.1, &sower_parallel_none);
    for (size_t i = 0; i < 40 * 30; i++) {
        assert_true(scaled[i] == plain[i] * 1.1);
    }
    free(plain);
    free(scaled);
}

static void empty_shapes_and_rectangles_are_harmless(void **unused)
{
    (void)unused;
    static const size_t shapes[][2] = {{0, 0}, {0, 5}, {5, 0}, {5, 5}};
    double untouched = 77;
    for (size_t s = 0; s < 4; s++) {
        struct sower_seed seed = seed_of(0);
        struct sower_orthogonal *factors =
            sower_orthogonal_prepare(&seed, 0, shapes[s][0], shapes[s][1], SOWER_F32, &sower_parallel_none);
        assert_non_null(factors);
        assert_true(
            sower_orthogonal_read(factors, 1, 0, shapes[s][0], 0, 0, &sower_parallel_none, &untouched));
        assert_true(
            sower_orthogonal_read(factors, 1, 0, 0, 0, shapes[s][1], &sower_parallel_none, &untouched));
        sower_orthogonal_free(factors);
    }
    assert_true(untouched == 77);
}

static void a_shape_larger_than_the_stream_is_refused(void **unused)
{
    (void)unused;
    struct sower_seed seed = seed_of(0);
    uint64_t big = UINT64_C(1) << 36;
    assert_true(sower_orthogonal_memory(big + 1, 1, SOWER_F32) == UINT64_MAX);
    assert_true(sower_orthogonal_memory(UINT64_MAX, UINT64_MAX, SOWER_F32) == UINT64_MAX);
    assert_true(sower_orthogonal_memory(big, 1, SOWER_F32) < UINT64_MAX);
    assert_null(sower_orthogonal_prepare(&seed, 0, big, 2, SOWER_F32, &sower_parallel_none));
}

static void memory_and_scratch_match_the_header(void **unused)
{
    (void)unused;
    double mib = 1024 * 1024;
    assert_true(fabs((double)sower_orthogonal_memory(4096, 4096, SOWER_F32) / mib - 96) < 2);
    assert_true(fabs((double)sower_orthogonal_memory(4096, 4096, SOWER_F64) / mib - 128) < 2);
    assert_true(fabs((double)sower_orthogonal_memory(50257, 768, SOWER_F32) / mib - 1.125) < 0.2);
    assert_true(sower_orthogonal_memory(0, 7, SOWER_F32) == 0);
    assert_true(sower_orthogonal_scratch((UINT64_C(1) << 36) + 1, 1, SOWER_F32) == UINT64_MAX);
    assert_true(sower_orthogonal_scratch(8192, 8192, SOWER_F32) < 48 << 20);
    assert_true(sower_orthogonal_scratch(8192, 100000, SOWER_F64) < 48 << 20);
    assert_true(sower_orthogonal_scratch(100, 100, SOWER_F32) < 1 << 20);
    double tall = (double)sower_orthogonal_scratch(100000, 8192, SOWER_F32) / mib;
    assert_true(tall > 256 && tall < 256 + 48);
}

static int compare_numbers(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The Kolmogorov-Smirnov statistic of a sample, times √count: above 1.95 once in a thousand experiments. */
static double distance(double *sample, size_t count, double (*cdf)(double))
{
    double worst = 0;
    qsort(sample, count, sizeof *sample, compare_numbers);
    for (size_t i = 0; i < count; i++) {
        double p = cdf(sample[i]);
        worst = fmax(worst, fmax(p - (double)i / (double)count, (double)(i + 1) / (double)count - p));
    }
    return worst * sqrt((double)count);
}

static const double pi = 3.14159265358979323846;

static double cdf_normal(double x)
{
    return erfc(-x / sqrt(2)) / 2;
}

/* The CDF of one coordinate of a uniform point on the sphere in 3 dimensions (Archimedes) and in 4. */
static double cdf_sphere3(double x)
{
    return (1 + x) / 2;
}

static double cdf_sphere4(double x)
{
    x = fmax(-1, fmin(1, x));
    return 0.5 + (x * sqrt(1 - x * x) + asin(x)) / pi;
}

/* The CDF of the eigenvalue angle of Haar rotations: in 2 dimensions, in 3, and of either angle in 4. */
static double cdf_angle2(double angle)
{
    return (angle + pi) / (2 * pi);
}

static double cdf_angle3(double angle)
{
    return (angle - sin(angle)) / pi;
}

static double cdf_angle4(double angle)
{
    return (angle + sin(2 * angle) / 4) / pi;
}

enum { SAMPLES = 4000 };

/* Returns the values of SAMPLES small matrices, one after the other. */
static double *sample_matrices(size_t rows, size_t columns)
{
    double *all = numbers(SAMPLES * rows * columns);
    for (uint32_t s = 0; s < SAMPLES; s++) {
        struct sower_seed seed = seed_of(1000000 + s);
        double *values = read_all(&seed, rows, columns, SOWER_F32, 1, &sower_parallel_none);
        memcpy(all + s * rows * columns, values, rows * columns * sizeof *values);
        free(values);
    }
    return all;
}

static void assert_entries(size_t rows, size_t columns, double (*cdf)(double))
{
    double *all = sample_matrices(rows, columns);
    double sample[SAMPLES];
    for (size_t entry = 0; entry < rows * columns; entry++) {
        for (size_t s = 0; s < SAMPLES; s++) {
            sample[s] = all[s * rows * columns + entry];
        }
        assert_true(distance(sample, SAMPLES, cdf) < 1.95);
    }
    free(all);
}

static void every_element_is_distributed_like_a_coordinate_on_the_sphere(void **unused)
{
    (void)unused;
    assert_entries(3, 3, cdf_sphere3);
    assert_entries(3, 2, cdf_sphere3);
    assert_entries(2, 3, cdf_sphere3);
    assert_entries(4, 4, cdf_sphere4);
    assert_entries(4, 1, cdf_sphere4);
    assert_entries(1, 4, cdf_sphere4);
}

static double determinant3(const double *q)
{
    return q[0] * (q[4] * q[8] - q[5] * q[7]) - q[1] * (q[3] * q[8] - q[5] * q[6]) +
           q[2] * (q[3] * q[7] - q[4] * q[6]);
}

static void rotations_in_2_and_3_dimensions_have_haar_angles(void **unused)
{
    (void)unused;
    double *two = sample_matrices(2, 2), *three = sample_matrices(3, 3);
    double sample[SAMPLES];
    size_t rotations = 0;
    for (size_t s = 0; s < SAMPLES; s++) {
        const double *q = two + 4 * s;
        if (q[0] * q[3] - q[1] * q[2] > 0) {
            sample[rotations++] = atan2(q[2], q[0]);
        }
    }
    assert_true(abs((int)rotations - SAMPLES / 2) < 120);
    assert_true(distance(sample, rotations, cdf_angle2) < 1.95);
    for (size_t s = 0; s < SAMPLES; s++) {
        const double *q = three + 9 * s;
        double cosine = (determinant3(q) * (q[0] + q[4] + q[8]) - 1) / 2;
        sample[s] = acos(fmax(-1, fmin(1, cosine)));
    }
    assert_true(distance(sample, SAMPLES, cdf_angle3) < 1.95);
    free(two);
    free(three);
}

static double trace_of_square(const double *q, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n * n; i++) {
        sum += q[i] * q[i % n * n + i / n];
    }
    return sum;
}

static double trace(const double *q, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += q[i * n + i];
    }
    return sum;
}

/* The characteristic polynomial of a rotation in 4 dimensions is x⁴ − tx³ + ux² − tx + 1; twice the cosines
 * of its angles are the roots of y² − ty + u − 2, which are real unless the determinant is −1. Their joint
 * density is proportional to (cos α − cos β)²: the eigenvalues repel each other. */
static void rotations_in_4_dimensions_have_angles_that_repel(void **unused)
{
    (void)unused;
    double *all = sample_matrices(4, 4);
    double first[SAMPLES], second[SAMPLES], apart = 0;
    size_t count = 0;
    for (size_t s = 0; s < SAMPLES; s++) {
        const double *q = all + 16 * s;
        double t = trace(q, 4), u = (t * t - trace_of_square(q, 4)) / 2;
        /* With determinant −1, u is 0 except for rounding; such a matrix is not a rotation and is skipped. */
        if (fabs(u) < 1e-5) {
            continue;
        }
        double root = sqrt(fmax(0, t * t / 4 - u + 2));
        double cosines[2] = {(t / 2 + root) / 2, (t / 2 - root) / 2};
        first[count] = acos(fmax(-1, fmin(1, cosines[s % 2])));
        second[count++] = acos(fmax(-1, fmin(1, cosines[1 - s % 2])));
        apart += pow(cosines[0] - cosines[1], 2);
    }
    assert_true(abs((int)count - SAMPLES / 2) < 120);
    assert_true(distance(first, count, cdf_angle4) < 1.95);
    assert_true(distance(second, count, cdf_angle4) < 1.95);
    /* E (cos α − cos β)² is 9/4. For independent uniform angles it would be 1. */
    assert_true(fabs(apart / (double)count - 2.25) < 0.1);
    free(all);
}

/* Diaconis and Shahshahani, "On the eigenvalues of random matrices" (1994): tr Q and (tr Q² − 1)/√2 are
 * standard normal, up to an error that vanishes faster than exponentially with n. */
static void traces_of_powers_are_normal(void **unused)
{
    (void)unused;
    enum { SIDE = 16 };
    double *all = sample_matrices(SIDE, SIDE);
    double first[SAMPLES], second[SAMPLES], mixed = 0;
    for (size_t s = 0; s < SAMPLES; s++) {
        const double *q = all + s * SIDE * SIDE;
        first[s] = trace(q, SIDE);
        second[s] = (trace_of_square(q, SIDE) - 1) / sqrt(2);
        mixed += first[s] * second[s] / sqrt(SAMPLES);
    }
    assert_true(distance(first, SAMPLES, cdf_normal) < 1.95);
    assert_true(distance(second, SAMPLES, cdf_normal) < 1.95);
    assert_true(fabs(mixed) < 3.3);
    free(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(every_tile_gives_the_bits_of_the_contract, select_best_tile),
        cmocka_unit_test(any_number_of_threads_gives_the_same_bits),
        cmocka_unit_test(any_rectangle_has_the_same_bits_as_the_whole),
        cmocka_unit_test(the_smaller_side_is_orthonormal),
        cmocka_unit_test(a_single_element_is_plus_or_minus_gain),
        cmocka_unit_test(gain_multiplies_each_element_once),
        cmocka_unit_test(empty_shapes_and_rectangles_are_harmless),
        cmocka_unit_test(a_shape_larger_than_the_stream_is_refused),
        cmocka_unit_test(memory_and_scratch_match_the_header),
        cmocka_unit_test(every_element_is_distributed_like_a_coordinate_on_the_sphere),
        cmocka_unit_test(rotations_in_2_and_3_dimensions_have_haar_angles),
        cmocka_unit_test(rotations_in_4_dimensions_have_angles_that_repel),
        cmocka_unit_test(traces_of_powers_are_normal),
    };
    return cmocka_run_group_tests_name("orthogonal", tests, NULL, NULL);
}
