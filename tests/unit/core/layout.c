#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/layout.h"

static struct sower_fans fans_of(struct sower_layout layout, struct sower_shape shape)
{
    struct sower_problem problem;
    assert_true(sower_layout_check(&layout, &shape, &problem));
    return sower_layout_fans(&layout, &shape);
}

static void a_dense_weight_has_the_fans_of_its_framework(void **state)
{
    (void)state;
    struct sower_shape shape = {.rank = 2, .sizes = {30, 20}};
    struct sower_fans torch = fans_of((struct sower_layout){.order = SOWER_LAYOUT_OI}, shape);
    assert_int_equal(torch.in, 20);
    assert_int_equal(torch.out, 30);
    struct sower_fans keras = fans_of((struct sower_layout){.order = SOWER_LAYOUT_IO}, shape);
    assert_int_equal(keras.in, 30);
    assert_int_equal(keras.out, 20);
}

static void a_convolution_counts_its_receptive_field(void **state)
{
    (void)state;
    struct sower_fans torch = fans_of((struct sower_layout){.order = SOWER_LAYOUT_OI},
                                      (struct sower_shape){.rank = 4, .sizes = {64, 16, 3, 5}});
    assert_int_equal(torch.in, 16 * 15);
    assert_int_equal(torch.out, 64 * 15);
    struct sower_fans keras = fans_of((struct sower_layout){.order = SOWER_LAYOUT_IO},
                                      (struct sower_shape){.rank = 4, .sizes = {3, 5, 16, 64}});
    assert_int_equal(keras.in, 16 * 15);
    assert_int_equal(keras.out, 64 * 15);
}

static void one_axis_is_both_fans_and_a_scalar_has_fans_of_one(void **state)
{
    (void)state;
    struct sower_fans vector =
        fans_of((struct sower_layout){0}, (struct sower_shape){.rank = 1, .sizes = {7}});
    assert_int_equal(vector.in, 7);
    assert_int_equal(vector.out, 7);
    struct sower_fans scalar = fans_of((struct sower_layout){0}, (struct sower_shape){.rank = 0});
    assert_int_equal(scalar.in, 1);
    assert_int_equal(scalar.out, 1);
}

/* The fans of jax.nn.initializers for (8, 3, 4, 5) with in_axis=1, out_axis=(2, 3), batch_axis=0. */
static void explicit_axes_follow_jax(void **state)
{
    (void)state;
    struct sower_layout layout = {.has_in_axes = true,
                                  .in_axes = 1 << 1,
                                  .has_out_axes = true,
                                  .out_axes = 1 << 2 | 1 << 3,
                                  .batch_axes = 1 << 0};
    struct sower_fans fans = fans_of(layout, (struct sower_shape){.rank = 4, .sizes = {8, 3, 4, 5}});
    assert_int_equal(fans.in, 3);
    assert_int_equal(fans.out, 20);
}

static void explicit_fans_override_the_shape(void **state)
{
    (void)state;
    struct sower_fans fans =
        fans_of((struct sower_layout){.fan_in = 11}, (struct sower_shape){.rank = 2, .sizes = {30, 20}});
    assert_int_equal(fans.in, 11);
    assert_int_equal(fans.out, 30);
}

static void axes_outside_the_shape_or_in_two_sets_are_refused(void **state)
{
    (void)state;
    struct sower_problem problem;
    struct sower_shape square = {.rank = 2, .sizes = {3, 3}};
    struct sower_layout outside = {.has_in_axes = true, .in_axes = 1 << 2};
    assert_false(sower_layout_check(&outside, &square, &problem));
    assert_string_equal(problem.field, "in_axis");
    struct sower_layout twice = {.has_in_axes = true, .in_axes = 1 << 0};
    assert_false(sower_layout_check(&twice, &square, &problem));
    struct sower_layout batch = {.has_in_axes = true, .in_axes = 1 << 0, .batch_axes = 1 << 0};
    assert_false(sower_layout_check(&batch, &square, &problem));
    assert_string_equal(problem.field, "batch_axis");
}

static void the_axes_of_a_layout_are_counted_without_batch_axes(void **state)
{
    (void)state;
    const struct sower_shape shape = {.rank = 4, .sizes = {2, 3, 5, 7}};
    const struct {
        enum sower_layout_order order;
        sower_axes batch, in, out;
        uint64_t fan_in, fan_out;
    } cases[] = {
        {SOWER_LAYOUT_OI, 1 << 0, 1 << 2, 1 << 1, 5 * 7, 3 * 7},
        {SOWER_LAYOUT_OI, 1 << 1, 1 << 2, 1 << 0, 5 * 7, 2 * 7},
        {SOWER_LAYOUT_IO, 1 << 3, 1 << 1, 1 << 2, 3 * 2, 5 * 2},
        {SOWER_LAYOUT_IO, 1 << 0 | 1 << 2, 1 << 1, 1 << 3, 3, 7},
        {SOWER_LAYOUT_OI, 1 << 0 | 1 << 1 | 1 << 2, 0, 0, 7, 7},
        {SOWER_LAYOUT_IO, 1 << 0 | 1 << 1 | 1 << 2 | 1 << 3, 0, 0, 1, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sower_layout layout = {.order = cases[i].order, .batch_axes = cases[i].batch};
        struct sower_fans fans = fans_of(layout, shape);
        assert_int_equal(sower_layout_in_axes(&layout, 4), cases[i].in);
        assert_int_equal(sower_layout_out_axes(&layout, 4), cases[i].out);
        assert_int_equal(fans.in, cases[i].fan_in);
        assert_int_equal(fans.out, cases[i].fan_out);
    }
}

/* Only an empty tensor can have such a fan, because its other sizes can be very large. */
static void a_fan_that_is_too_large_is_refused_unless_it_is_explicit(void **state)
{
    (void)state;
    struct sower_problem problem;
    struct sower_layout layout = {.order = SOWER_LAYOUT_OI};
    struct sower_shape fits = {.rank = 3, .sizes = {1, 0, INT64_MAX}};
    struct sower_shape beyond = {.rank = 3, .sizes = {2, 0, INT64_MAX}};
    struct sower_shape both = {.rank = 4, .sizes = {3, 3, INT64_MAX, 0}};
    struct sower_fans fans = fans_of(layout, fits);
    assert_int_equal(fans.in, 0);
    assert_true(fans.out == INT64_MAX);
    assert_false(sower_layout_check(&layout, &beyond, &problem));
    assert_int_equal(problem.code, SOWER_PROBLEM_TOO_LARGE);
    assert_string_equal(problem.field, "shape");
    assert_non_null(strstr(problem.sentence, "fan_out"));
    layout.fan_out = 7;
    assert_int_equal(fans_of(layout, beyond).out, 7);
    layout.fan_out = 0;
    assert_int_equal(fans_of(layout, both).in,
                     0); /* a size of 0 makes the product 0, even if the other sizes overflow */
    assert_int_equal(fans_of(layout, both).out, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_dense_weight_has_the_fans_of_its_framework),
        cmocka_unit_test(a_convolution_counts_its_receptive_field),
        cmocka_unit_test(one_axis_is_both_fans_and_a_scalar_has_fans_of_one),
        cmocka_unit_test(explicit_axes_follow_jax),
        cmocka_unit_test(explicit_fans_override_the_shape),
        cmocka_unit_test(axes_outside_the_shape_or_in_two_sets_are_refused),
        cmocka_unit_test(the_axes_of_a_layout_are_counted_without_batch_axes),
        cmocka_unit_test(a_fan_that_is_too_large_is_refused_unless_it_is_explicit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
