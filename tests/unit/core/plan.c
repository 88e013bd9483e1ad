#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <math.h>
#include <string.h>

#include <cmocka.h>

#include "core/catalogue.h"
#include "core/plan.h"

static const struct sower_shape DENSE = {.rank = 2, .sizes = {300, 200}}; /* oi: fan_in 200, fan_out 300 */

/* An initializer with its default parameters, except for one parameter if `parameter` is not NULL. */
static struct sower_initializer initializer(const char *name, const char *parameter, double value)
{
    struct sower_initializer result = {.entry = sower_catalogue_find(name)};
    assert_non_null(result.entry);
    for (size_t i = 0; result.entry->parameters[i].name != NULL; i++) {
        result.values[i] = result.entry->parameters[i].default_value;
    }
    if (parameter != NULL) {
        result.values[sower_catalogue_parameter(result.entry, parameter)] = value;
    }
    return result;
}

static bool plan_of(struct sower_initializer init, enum sower_dtype dtype, struct sower_plan *plan,
                    struct sower_problem *problem)
{
    const struct sower_layout layout = {.order = SOWER_LAYOUT_OI};
    return sower_plan_make(&init, &DENSE, dtype, &layout, plan, problem);
}

static struct sower_plan good_plan(const char *name, const char *parameter, double value)
{
    struct sower_plan plan;
    struct sower_problem problem;
    assert_true(plan_of(initializer(name, parameter, value), SOWER_F32, &plan, &problem));
    return plan;
}

/* The expected values come from the formulas in the frameworks' documentation, not from the code. */
static void sigma_and_limit_are_those_of_the_frameworks(void **state)
{
    (void)state;
    const double truncation = 0.87962566103423978;
    assert_true(good_plan("he_normal", NULL, 0).std == sqrt(2.0 / 200) / truncation);
    assert_true(good_plan("lecun_normal", NULL, 0).std == sqrt(1.0 / 200) / truncation);
    assert_true(good_plan("glorot_normal", NULL, 0).std == sqrt(1.0 / 250) / truncation);
    assert_true(good_plan("he_uniform", NULL, 0).limit == sqrt(6.0 / 200));
    assert_true(good_plan("lecun_uniform", NULL, 0).limit == sqrt(3.0 / 200));
    assert_true(good_plan("glorot_uniform", NULL, 0).limit == sqrt(3.0 / 250));
    assert_true(good_plan("variance_scaling", "mode", 1).std == sqrt(1.0 / 300) / truncation);
    assert_true(good_plan("variance_scaling", "distribution", 1).std == sqrt(1.0 / 200));
    assert_true(good_plan("xavier_uniform", "gain", 3).limit == 3 * sqrt(6.0 / 500));
    assert_true(good_plan("xavier_normal", "gain", 3).std == 3 * sqrt(2.0 / 500));
    assert_true(good_plan("kaiming_normal", NULL, 0).std == sqrt(2.0) / sqrt(200));
    assert_true(good_plan("kaiming_normal", "a", 1).std == 1 / sqrt(200));
    assert_true(good_plan("kaiming_normal", "mode", 1).std == sqrt(2.0) / sqrt(300));
    assert_true(good_plan("kaiming_normal", "nonlinearity", 8).gain == 5.0 / 3);
    assert_true(good_plan("kaiming_normal", "nonlinearity", 11).gain == 0.75);
    assert_true(good_plan("kaiming_normal", "nonlinearity", 7).gain == 1);
    assert_true(good_plan("kaiming_uniform", "nonlinearity", 9).limit == sqrt(3) * (sqrt(2) / sqrt(200)));
}

static void the_expected_std_of_variance_scaling_is_the_requested_one(void **state)
{
    (void)state;
    const char *const names[] = {"he_normal", "he_uniform"};
    for (size_t i = 0; i < 2; i++) {
        struct sower_plan plan = good_plan(names[i], NULL, 0);
        assert_true(fabs(plan.std_expected - sqrt(2.0 / 200)) < 1e-12);
        assert_true(plan.mean_expected == 0);
        assert_true(plan.low == -plan.high);
    }
}

static void the_moments_of_a_one_sided_truncation_are_right(void **state)
{
    (void)state;
    struct sower_initializer init = initializer("truncated_normal", "lower", 1);
    init.values[1] = 1;
    init.values[3] = INFINITY;
    struct sower_plan plan;
    struct sower_problem problem;
    assert_true(plan_of(init, SOWER_F32, &plan, &problem));
    /* the inverse Mills ratio m = φ(1)/(1 − Φ(1)), and 1 + m − m² */
    assert_true(fabs(plan.mean_expected - 1.525135276160982) < 1e-12);
    assert_true(fabs(plan.std_expected * plan.std_expected - 0.19909766557034879) < 1e-12);
    assert_true(plan.low == 1 && isinf(plan.high));
}

/* The moments were computed by quadrature with 40 digits (mpmath). */
static void the_moments_of_any_truncation_are_right_to_nine_digits(void **state)
{
    (void)state;
    static const struct {
        double lower, upper, mean, std;
    } cases[] = {
        {1, 1.0001, 1.0000499991666249949, 0.000028867513447449256621},
        {1.0, 1.00007, 1.0000349995916523823, 0.000020207259417515264047},
        {-3e-05, 4e-05, 4.9999999979583345897e-6, 0.000020207259419986643402},
        {-2, 2, -2.2878362339624426259e-48, 0.87962566103423975041},
        {0, 0.4999999, 0.24483621667546793195, 0.14368142000002639707},
        {0, 0.5, 0.24483626359552986052, 0.14368144845244259286},
        {0, 0.5000001, 0.24483631051559054974, 0.14368147690485858577},
        {3.5, 3.9, 3.6526160173560756058, 0.10926721090348673661},
        {-3.9, -3.5, -3.6526160173560756058, 0.10926721090348673661},
        {4, (double)INFINITY, 4.2256071444894710728, 0.21603897425562506861},
        {4.1, 4.6, 4.2664104805698397091, 0.12889268710535006175},
        {-0.2, 0.25, 0.02458096664123092189, 0.12946530238773999847},
        {-(double)INFINITY, -3.5, -3.7513912648576997313, 0.2386063807849589015},
        {-(double)INFINITY, (double)INFINITY, -5.3299820086688905828e-48, 1.0},
        {1, (double)INFINITY, 1.5251352761609812091, 0.44620361447476956936},
        {-5, 0.1, -0.73532938490742097745, 0.62108269294479483588},
        {2, 2.3, 2.1340330932731581458, 0.085588270930638027545},
        {3.9, 4.39, 4.0678097789597019008, 0.12800349980977966345},
        {-0.001, 0.001, 0.0, 0.00057735023069960838041},
        {-1.5, -1.1, -1.2828353792139696706, 0.1143970829985041492},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sower_initializer init = initializer("truncated_normal", "std", 3);
        init.values[2] = cases[i].lower;
        init.values[3] = cases[i].upper;
        struct sower_plan plan;
        struct sower_problem problem = {.sentence = ""};
        if (!plan_of(init, SOWER_F32, &plan, &problem)) {
            fail_msg("%s", problem.sentence);
        }
        if (!(fabs(plan.std_expected / 3 - cases[i].std) <= 1e-9 * cases[i].std) ||
            !(fabs(plan.mean_expected / 3 - cases[i].mean) <= 1e-9 * cases[i].std)) {
            fail_msg("%g to %g: %.17g and %.17g", cases[i].lower, cases[i].upper, plan.mean_expected / 3,
                     plan.std_expected / 3);
        }
    }
}

static void an_empty_tensor_has_a_plan(void **state)
{
    (void)state;
    const struct sower_shape empty = {.rank = 2, .sizes = {0, 0}};
    const struct sower_layout layout = {.order = SOWER_LAYOUT_OI};
    const char *const names[] = {"he_normal", "glorot_uniform", "xavier_normal", "kaiming_uniform"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct sower_initializer init = initializer(names[i], NULL, 0);
        struct sower_plan plan;
        struct sower_problem problem;
        assert_true(sower_plan_make(&init, &empty, SOWER_F32, &layout, &plan, &problem));
    }
}

static void a_law_that_a_dtype_cannot_represent_is_refused(void **state)
{
    (void)state;
    struct sower_plan plan;
    struct sower_problem problem;
    const struct {
        const char *name, *parameter;
        double value;
        enum sower_dtype dtype;
        bool good;
    } cases[] = {
        {"constant", "value", 1e39, SOWER_F32, false},
        {"constant", "value", 1e39, SOWER_F64, true},
        {"constant", "value", 65519, SOWER_F16, true},
        {"constant", "value", 65520, SOWER_F16, false},
        {"constant", "value", 1e9, SOWER_F8_E4M3, true},
        {"normal", "std", 1e38, SOWER_F32, false},
        {"normal", "std", 1e38, SOWER_F64, true},
        {"normal", "std", 1e308, SOWER_F64, false},
        {"uniform", "high", 1e300, SOWER_F32, false},
        {"uniform", "high", 1e300, SOWER_F64, true},
        {"uniform", "high", -1, SOWER_F32, false},
        {"truncated_normal", "lower", 2, SOWER_F32, false},
        {"truncated_normal", "lower", 1.99999, SOWER_F32, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        bool good = plan_of(initializer(cases[i].name, cases[i].parameter, cases[i].value), cases[i].dtype,
                            &plan, &problem);
        assert_int_equal(good, cases[i].good);
        if (!good) {
            assert_string_equal(problem.field, "init");
        }
    }
}

static void a_rank_that_the_initializer_does_not_accept_is_refused(void **state)
{
    (void)state;
    const struct sower_shape vector = {.rank = 1, .sizes = {5}};
    const struct sower_layout layout = {.order = SOWER_LAYOUT_OI};
    struct sower_initializer init = initializer("xavier_uniform", NULL, 0);
    struct sower_plan plan;
    struct sower_problem problem;
    assert_false(sower_plan_make(&init, &vector, SOWER_F32, &layout, &plan, &problem));
    assert_string_equal(problem.field, "shape");
    assert_non_null(strstr(problem.sentence, "xavier_uniform"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sigma_and_limit_are_those_of_the_frameworks),
        cmocka_unit_test(the_expected_std_of_variance_scaling_is_the_requested_one),
        cmocka_unit_test(the_moments_of_a_one_sided_truncation_are_right),
        cmocka_unit_test(the_moments_of_any_truncation_are_right_to_nine_digits),
        cmocka_unit_test(an_empty_tensor_has_a_plan),
        cmocka_unit_test(a_law_that_a_dtype_cannot_represent_is_refused),
        cmocka_unit_test(a_rank_that_the_initializer_does_not_accept_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
