/* Compares every random law with its exact distribution, on 2^22 elements. The seed is fixed, so a test
 * that passes once always passes. */
#include <math.h>

#include "tests/unit/core/tensors.h"

enum { SIDE = 2048, COUNT = SIDE * SIDE };

enum family { UNIFORM, NORMAL };

/* U[low, high], or N(mean, std²) between low and high. The parameters are written by hand, not computed
 * by core. */
struct expected {
    const char *expression;
    enum family family;
    double mean, std, low, high;
};

#define TRUNCATION 0.87962566103423978

static double standard_normal_cdf(double z)
{
    return erfc(-z / sqrt(2)) / 2;
}

static double unscaled_density(const struct expected *expected, double x)
{
    double z = (x - expected->mean) / expected->std;
    return expected->family == UNIFORM ? 1 : exp(-z * z / 2);
}

/* E[xᵏ] by Simpson's rule; what lies beyond 12 σ is ignored. */
static double moment(const struct expected *expected, int k)
{
    enum { STEPS = 20000 };
    double low = fmax(expected->low, expected->mean - 12 * expected->std);
    double high = fmin(expected->high, expected->mean + 12 * expected->std);
    if (expected->family == UNIFORM) {
        low = expected->low;
        high = expected->high;
    }
    double sum = 0, mass = 0;
    for (int i = 0; i <= STEPS; i++) {
        double x = low + (high - low) * i / STEPS;
        double weight = (i == 0 || i == STEPS ? 1 : i % 2 == 1 ? 4 : 2) * unscaled_density(expected, x);
        mass += weight;
        sum += weight * pow(x, k);
    }
    return sum / mass;
}

/* Sorts by value: three passes of a radix sort over the bits of f32, ordered as integers. */
static void sort(float *values, float *scratch)
{
    for (unsigned shift = 0; shift < 33; shift += 11) {
        static size_t starts[2049];
        memset(starts, 0, sizeof starts);
        for (int pass = 0; pass < 2; pass++) {
            for (size_t i = 0; i < COUNT; i++) {
                uint32_t bits;
                memcpy(&bits, &values[i], sizeof bits);
                uint32_t key = (bits ^ (bits >> 31 ? UINT32_MAX : UINT32_C(1) << 31)) >> shift & 2047;
                if (pass == 0) {
                    starts[key + 1]++;
                } else {
                    scratch[starts[key]++] = values[i];
                }
            }
            for (size_t key = 1; pass == 0 && key < 2049; key++) {
                starts[key] += starts[key - 1];
            }
        }
        memcpy(values, scratch, COUNT * sizeof *values);
    }
}

/* The Kolmogorov-Smirnov test: √n · D is below 1.95 with probability 0.999. */
static void assert_distributed(const struct expected *expected, const float *sorted)
{
    const double below = standard_normal_cdf((expected->low - expected->mean) / expected->std);
    const double mass = standard_normal_cdf((expected->high - expected->mean) / expected->std) - below;
    double distance = 0;
    for (size_t i = 0; i < COUNT; i++) {
        double x = (double)sorted[i];
        double p = expected->family == UNIFORM
                       ? (x - expected->low) / (expected->high - expected->low)
                       : (standard_normal_cdf((x - expected->mean) / expected->std) - below) / mass;
        distance = fmax(distance, fmax(p - (double)i / COUNT, (double)(i + 1) / COUNT - p));
    }
    if (distance * sqrt(COUNT) >= 1.95) {
        fail_msg("%s: Kolmogorov-Smirnov %g", expected->expression, distance * sqrt(COUNT));
    }
}

static void assert_moments(const struct expected *expected, const float *values)
{
    double sums[5] = {0};
    for (size_t i = 0; i < COUNT; i++) {
        double power = 1;
        for (int k = 1; k <= 4; k++) {
            sums[k] += power *= (double)values[i];
        }
    }
    for (int k = 1; k <= 4; k++) {
        double mean = moment(expected, k);
        double error = sqrt((moment(expected, 2 * k) - mean * mean) / COUNT);
        if (fabs(sums[k] / COUNT - mean) > 3.5 * error) {
            fail_msg("%s: moment %d is %g standard errors off", expected->expression, k,
                     (sums[k] / COUNT - mean) / error);
        }
    }
}

static void assert_support(const struct expected *expected, const float *values)
{
    for (size_t i = 0; i < COUNT; i++) {
        if (!((double)values[i] >= expected->low && (double)values[i] <= expected->high)) {
            fail_msg("%s: element %zu is %g, outside of [%g, %g]", expected->expression, i, (double)values[i],
                     expected->low, expected->high);
        }
    }
}

static void assert_law(const struct expected *expected)
{
    const struct sower_shape square = {.rank = 2, .sizes = {SIDE, SIDE}};
    double *wide = tensor(expected->expression, square, SOWER_F32, SOWER_LAYOUT_OI);
    float *values = malloc(2 * COUNT * sizeof *values);
    assert_non_null(values);
    for (size_t i = 0; i < COUNT; i++) {
        values[i] = (float)wide[i]; /* exact: it was an f32 */
    }
    assert_support(expected, values);
    assert_moments(expected, values);
    sort(values, values + COUNT);
    assert_distributed(expected, values);
    free(values);
    free(wide);
}

#define N 2048.0
#define U(expression, limit)                                                                                 \
    {                                                                                                        \
        expression, UNIFORM, 0, 1, -(limit), limit                                                           \
    }
#define G(expression, std)                                                                                   \
    {                                                                                                        \
        expression, NORMAL, 0, std, -INFINITY, INFINITY                                                      \
    }
#define T(expression, std)                                                                                   \
    {                                                                                                        \
        expression, NORMAL, 0, std, -2 * (std), 2 * (std)                                                    \
    }

static void plain_laws_have_their_distribution(void **state)
{
    (void)state;
    const struct expected laws[] = {
        U("uniform", 0.05),
        {"uniform(low=0,high=1)", UNIFORM, 0, 1, 0, 1},
        {"uniform(low=-3,high=7)", UNIFORM, 0, 1, -3, 7},
        G("normal", 0.05),
        {"normal(mean=-2,std=3)", NORMAL, -2, 3, -INFINITY, INFINITY},
        T("truncated_normal", 0.05),
        {"truncated_normal(mean=1,std=2,lower=-0.5,upper=3)", NORMAL, 1, 2, 0, 7},
        {"truncated_normal(std=1,lower=2.5,upper=4)", NORMAL, 0, 1, 2.5, 4},
        {"trunc_normal", NORMAL, 0, 1, -2, 2},
        {"trunc_normal(mean=0.5,std=0.25,a=0.75,b=inf)", NORMAL, 0.5, 0.25, 0.75, INFINITY},
    };
    for (size_t i = 0; i < sizeof laws / sizeof laws[0]; i++) {
        assert_law(&laws[i]);
    }
}

static void variance_scaling_has_its_distribution(void **state)
{
    (void)state;
    const struct expected laws[] = {
        T("variance_scaling", sqrt(1 / N) / TRUNCATION),
        G("variance_scaling(scale=3,distribution=untruncated_normal)", sqrt(3 / N)),
        U("variance_scaling(scale=0.5,mode=fan_avg,distribution=uniform)", sqrt(1.5 / N)),
        T("glorot_normal", sqrt(1 / N) / TRUNCATION),
        U("glorot_uniform", sqrt(3 / N)),
        T("he_normal", sqrt(2 / N) / TRUNCATION),
        U("he_uniform", sqrt(6 / N)),
        T("lecun_normal", sqrt(1 / N) / TRUNCATION),
        U("lecun_uniform", sqrt(3 / N)),
    };
    for (size_t i = 0; i < sizeof laws / sizeof laws[0]; i++) {
        assert_law(&laws[i]);
    }
}

static void pytorchs_names_have_their_distribution(void **state)
{
    (void)state;
    const struct expected laws[] = {
        U("xavier_uniform(gain=2)", 2 * sqrt(6 / (2 * N))),
        G("xavier_normal(gain=2)", 2 * sqrt(2 / (2 * N))),
        U("kaiming_uniform(a=2)", sqrt(3 / N) * sqrt(2.0 / 5)),
        G("kaiming_normal(nonlinearity=tanh)", 5.0 / 3 / sqrt(N)),
        U("fan_uniform(fan_in=100)", 0.1),
    };
    for (size_t i = 0; i < sizeof laws / sizeof laws[0]; i++) {
        assert_law(&laws[i]);
    }
}

static void published_proposals_have_their_distribution(void **state)
{
    (void)state;
    const struct expected laws[] = {
        U("kwon_uniform(activation=tanh)", 4 * sqrt(6 / (2 * N))),
        G("kwon_normal(activation=relu)", sqrt(2) * sqrt(2 / (2 * N))),
        G("kwon_normal(logistic)", sqrt(2 / (2 * N))),
        U("siren_uniform", sqrt(6 / N) / 30),
        U("siren_uniform(first=true)", 1 / N),
        G("small_normal", sqrt(2 / (5 * N))),
        G("wang_normal(layers=28)", 2 / (28 * sqrt(N))),
    };
    for (size_t i = 0; i < sizeof laws / sizeof laws[0]; i++) {
        assert_law(&laws[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_laws_have_their_distribution),
        cmocka_unit_test(variance_scaling_has_its_distribution),
        cmocka_unit_test(pytorchs_names_have_their_distribution),
        cmocka_unit_test(published_proposals_have_their_distribution),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
