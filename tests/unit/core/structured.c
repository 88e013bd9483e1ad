/* Compares each deterministic structure with a transcription of its definition. */
#include <math.h>

#include "tests/unit/core/tensors.h"

static const enum sower_layout_order OI = SOWER_LAYOUT_OI, IO = SOWER_LAYOUT_IO;

static void assert_values(const double *values, const double *expected, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (values[i] != expected[i]) {
            fail_msg("element %zu is %g, not %g", i, values[i], expected[i]);
        }
    }
}

static void identity_is_the_gain_on_the_diagonal(void **state)
{
    (void)state;
    double *values = tensor("identity(gain=-2)", (struct sower_shape){2, {2, 3}}, SOWER_F64, OI);
    assert_values(values, (double[]){-2, 0, 0, 0, -2, 0}, 6);
    free(values);
    values = tensor("eye", (struct sower_shape){2, {3, 2}}, SOWER_BF16, OI);
    assert_values(values, (double[]){1, 0, 0, 1, 0, 0}, 6);
    free(values);
}

/* torch.nn.init.dirac_: for each group g and each d below min(out / groups, in): x[g · out / groups + d, d,
 * centre] = 1. */
static void assert_dirac(const char *expression, uint64_t groups, enum sower_layout_order order, uint64_t out,
                         uint64_t in, uint64_t height, uint64_t width)
{
    struct sower_shape shape = {4, {out, in, height, width}};
    if (order == IO) {
        shape = (struct sower_shape){4, {height, width, in, out}};
    }
    size_t count = (size_t)(out * in * height * width);
    double *values = tensor(expression, shape, SOWER_F32, order), *expected = calloc(count, sizeof *expected);
    for (uint64_t g = 0; g < groups; g++) {
        for (uint64_t d = 0; d < out / groups && d < in; d++) {
            uint64_t o = g * (out / groups) + d, y = height / 2, x = width / 2;
            expected[order == OI ? ((o * in + d) * height + y) * width + x
                                 : ((y * width + x) * in + d) * out + o] = 1;
        }
    }
    assert_values(values, expected, count);
    free(values);
    free(expected);
}

static void dirac_equals_pytorchs(void **state)
{
    (void)state;
    assert_dirac("dirac", 1, OI, 6, 4, 3, 5);
    assert_dirac("dirac", 1, OI, 3, 7, 4, 2);
    assert_dirac("dirac(groups=3)", 3, OI, 12, 2, 3, 3);
    assert_dirac("dirac(groups=2)", 2, IO, 8, 4, 5, 3);
}

static void dirac_refuses_groups_that_do_not_divide_the_channels(void **state)
{
    (void)state;
    struct sower_initializer initializer;
    struct sower_problem problem;
    struct sower_plan plan;
    const struct sower_layout layout = {0};
    const struct sower_shape shape = {3, {10, 4, 3}};
    assert_true(sower_expression_parse("dirac(groups=3)", 15, &initializer, &problem));
    assert_false(sower_plan_make(&initializer, &shape, SOWER_F32, &layout, &plan, &problem));
    assert_string_equal(problem.field, "init");
}

/* The kernel of Long et al. for sizes 4 and 3: the outer product of (1 3 3 1)/4 and (1 2 1)/2. */
static void bilinear_is_the_outer_product_of_triangles(void **state)
{
    (void)state;
    const double four[] = {0.25, 0.75, 0.75, 0.25}, three[] = {0.5, 1, 0.5};
    double *values = tensor("bilinear", (struct sower_shape){4, {2, 2, 4, 3}}, SOWER_F64, OI);
    for (size_t i = 0; i < 2 * 2 * 4 * 3; i++) {
        bool same_channel = i / 24 == i / 12 % 2;
        assert_true(values[i] == (same_channel ? four[i / 3 % 4] * three[i % 3] : 0));
    }
    free(values);
    /* depthwise: each channel has its own kernel */
    values = tensor("bilinear", (struct sower_shape){3, {5, 1, 4}}, SOWER_F64, OI);
    for (size_t i = 0; i < 5 * 4; i++) {
        assert_true(values[i] == four[i % 4]);
    }
    free(values);
    values = tensor("bilinear", (struct sower_shape){3, {4, 3, 3}}, SOWER_F64, IO);
    for (size_t i = 0; i < 4 * 3 * 3; i++) {
        assert_true(values[i] == (i / 3 % 3 == i % 3 ? four[i / 9] : 0));
    }
    free(values);
}

static void lstm_bias_opens_the_forget_gate(void **state)
{
    (void)state;
    double *values = tensor("lstm_bias(forget=1.5,gates=ifco)", (struct sower_shape){1, {12}}, SOWER_F16, OI);
    assert_values(values, (double[]){0, 0, 0, 1.5, 1.5, 1.5, 0, 0, 0, 0, 0, 0}, 12);
    free(values);
}

static void any_slice_of_a_structure_equals_the_same_part_of_the_whole(void **state)
{
    (void)state;
    const struct sower_shape shape = {4, {6, 4, 3, 5}};
    const struct sower_region region = {4, {1, 0, 1, 2}, {6, 4, 3, 3}};
    const char *const expressions[] = {"dirac", "dirac(groups=2)", "bilinear", "delta_orthogonal"};
    for (size_t e = 0; e < sizeof expressions / sizeof expressions[0]; e++) {
        double *whole = tensor(expressions[e], shape, SOWER_F32, OI);
        for (size_t step = 1; step < 12; step++) {
            double *cut = tensor_region(expressions[e], shape, SOWER_F32, OI, &region, step);
            size_t n = 0;
            for (size_t o = 1; o < 6; o++) {
                for (size_t i = 0; i < 4; i++) {
                    for (size_t y = 1; y < 3; y++) {
                        assert_true(cut[n++] == whole[((o * 4 + i) * 3 + y) * 5 + 2]);
                    }
                }
            }
            free(cut);
        }
        free(whole);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(identity_is_the_gain_on_the_diagonal),
        cmocka_unit_test(dirac_equals_pytorchs),
        cmocka_unit_test(dirac_refuses_groups_that_do_not_divide_the_channels),
        cmocka_unit_test(bilinear_is_the_outer_product_of_triangles),
        cmocka_unit_test(lstm_bias_opens_the_forget_gate),
        cmocka_unit_test(any_slice_of_a_structure_equals_the_same_part_of_the_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
