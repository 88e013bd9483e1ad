#include <math.h>

#include "tests/unit/core/tensors.h"

enum { ROWS = 301, COLUMNS = 203 };

static const struct sower_shape SHAPE = {2, {ROWS, COLUMNS}};

static void every_column_has_the_exact_number_of_zeros(void **state)
{
    (void)state;
    const struct {
        const char *expression;
        size_t zeros;
    } cases[] = {
        {"sparse(sparsity=0.9)", 271}, {"sparse(0.1)", 31}, {"sparse(sparsity=0)", 0}, {"sparse(1)", ROWS}};
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        double *values = tensor(cases[c].expression, SHAPE, SOWER_F32, SOWER_LAYOUT_OI);
        for (size_t column = 0; column < COLUMNS; column++) {
            size_t zeros = 0;
            for (size_t row = 0; row < ROWS; row++) {
                zeros += values[row * COLUMNS + column] == 0;
            }
            assert_int_equal(zeros, cases[c].zeros);
        }
        free(values);
    }
}

static void elements_that_are_not_zero_are_the_normal_of_the_same_seed(void **state)
{
    (void)state;
    double *values = tensor("sparse(sparsity=0.5,std=2)", SHAPE, SOWER_F32, SOWER_LAYOUT_OI);
    double *normal = tensor("normal(std=2)", SHAPE, SOWER_F32, SOWER_LAYOUT_OI);
    for (size_t i = 0; i < ROWS * COLUMNS; i++) {
        assert_true(values[i] == 0 || values[i] == normal[i]);
    }
    free(values);
    free(normal);
}

/* Counts how often each row is zero, and how often two neighbouring rows are. For a random subset both
 * counts have a hypergeometric distribution. */
static void the_zeros_are_a_random_subset(void **state)
{
    (void)state;
    enum { WIDE = 20000, TALL = 16, ZEROS = 4 };
    double *values =
        tensor("sparse(0.25)", (struct sower_shape){2, {TALL, WIDE}}, SOWER_F32, SOWER_LAYOUT_OI);
    for (size_t row = 0; row < TALL; row++) {
        double alone = 0, together = 0;
        for (size_t column = 0; column < WIDE; column++) {
            bool zero = values[row * WIDE + column] == 0,
                 next = values[(row + 1) % TALL * WIDE + column] == 0;
            alone += zero;
            together += zero && next;
        }
        double p = ZEROS / 16.0, q = p * (ZEROS - 1) / 15.0;
        assert_true(fabs(alone - WIDE * p) < 4 * sqrt(WIDE * p * (1 - p)));
        assert_true(fabs(together - WIDE * q) < 4 * sqrt(WIDE * q * (1 - q)));
    }
    free(values);
}

static void any_slice_equals_the_same_part_of_the_whole(void **state)
{
    (void)state;
    const struct sower_region region = {2, {17, 5}, {300, 198}};
    double *whole = tensor("sparse(0.3)", SHAPE, SOWER_F16, SOWER_LAYOUT_OI);
    for (size_t step = 1; step < 1000; step = step * 3 + 1) {
        double *cut = tensor_region("sparse(0.3)", SHAPE, SOWER_F16, SOWER_LAYOUT_OI, &region, step);
        for (size_t row = 17; row < 300; row++) {
            assert_memory_equal(cut + (row - 17) * 193, whole + row * COLUMNS + 5, 193 * sizeof *cut);
        }
        free(cut);
    }
    free(whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_column_has_the_exact_number_of_zeros),
        cmocka_unit_test(elements_that_are_not_zero_are_the_normal_of_the_same_seed),
        cmocka_unit_test(the_zeros_are_a_random_subset),
        cmocka_unit_test(any_slice_equals_the_same_part_of_the_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
