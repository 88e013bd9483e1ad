/* Every public function that computes gives the same result in any floating-point environment, and
 * restores the environment. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <math.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/environment.h"
#include "core/kernel.h"
#include "core/source.h"
#include "core/statistics.h"
#include "proto/expression.h"
#include "proto/formula.h"
#include "proto/json.h"
#include "proto/text.h"
#include "tests/unit/core/environments.h"

enum { OUTPUT_MAX = 1 << 16 };

/* The bytes that a step produced. Steps do no floating-point arithmetic themselves, because they run in
 * the changed environment. */
struct output {
    size_t length;
    unsigned char bytes[OUTPUT_MAX];
};

static void put(struct output *output, const void *bytes, size_t length)
{
    assert_true(length <= OUTPUT_MAX - output->length);
    memcpy(output->bytes + output->length, bytes, length);
    output->length += length;
}

/* The environment of the threads that run core's tasks. */
static const struct environment *thread_environment;

struct piece {
    sower_task *task;
    void *work;
    size_t index;
};

static void *run_piece(void *context)
{
    struct piece *piece = context;
    if (thread_environment != NULL) {
        environment_set(thread_environment);
    }
    uint64_t before = environment_registers();
    piece->task(piece->work, piece->index);
    assert_int_equal(environment_registers(), before);
    return NULL;
}

/* Runs each task on a new thread. */
static void run_on_threads(void *executor, sower_task *task, void *work, size_t count)
{
    (void)executor;
    for (size_t i = 0; i < count; i++) {
        struct piece piece = {task, work, i};
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, run_piece, &piece), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
    }
}

static void make_plan(const char *expression, enum sower_dtype dtype, struct sower_plan *plan)
{
    static const struct sower_layout layout = {.order = SOWER_LAYOUT_OI};
    struct sower_initializer initializer;
    struct sower_problem problem = {.sentence = ""};
    if (!sower_expression_parse(expression, strlen(expression), &initializer, &problem)) {
        fail_msg("%s: %s", expression, problem.sentence);
    }
    struct sower_shape shape = {.rank = 3, .sizes = {7, 6, 3}};
    if (initializer.entry->rank_maximum < 3) {
        shape = (struct sower_shape){.rank = 2, .sizes = {19, 9}};
    }
    if (!sower_plan_make(&initializer, &shape, dtype, &layout, plan, &problem)) {
        fail_msg("%s: %s", expression, problem.sentence);
    }
}

static void put_plan(struct output *output, const struct sower_plan *plan)
{
    const double figures[] = {plan->gain,         plan->std, plan->limit, plan->mean_expected,
                              plan->std_expected, plan->low, plan->high};
    put(output, figures, sizeof figures);
    put(output, &plan->law.scale, sizeof plan->law.scale);
    put(output, &plan->law.low, sizeof plan->law.low);
    put(output, &plan->law.high, sizeof plan->law.high);
    put(output, &plan->law.scale64, sizeof plan->law.scale64);
    put(output, &plan->law.first64, sizeof plan->law.first64);
}

static void read_all(struct output *output, const char *expression)
{
    static const struct sower_seed seed = {.bytes = {5, 7}};
    const struct sower_parallel threads = {.run = run_on_threads};
    unsigned char elements[8 * 19 * 9];
    for (enum sower_dtype dtype = 0; dtype < SOWER_DTYPE_COUNT; dtype++) {
        struct sower_plan plan;
        struct sower_source source;
        struct sower_problem problem;
        make_plan(expression, dtype, &plan);
        put_plan(output, &plan);
        assert_true(sower_source_open(&source, &plan, &seed, &threads, &problem));
        struct sower_region region = sower_region_whole(&plan.shape);
        size_t count = (size_t)sower_shape_count(&plan.shape);
        assert_true(sower_source_read(&source, &region, 0, count, elements));
        put(output, elements, count * sower_dtype_size(dtype));
        sower_source_close(&source);
    }
}

static void laws(struct output *output)
{
    static const char *const expressions[] = {
        "normal(0.1,0.3)",         "normal(0,1e-40)",
        "uniform(-0.1,0.3)",       "uniform(0,1e-41)",
        "truncated_normal",        "constant(0.1)",
        "constant(1e-42)",         "trunc_normal(1,0.1,0.9,1.05)",
        "kaiming_uniform(a=0.33)", "siren_uniform(omega=7)",
        "wang_normal(7)",          "glorot_normal",
    };
    for (size_t i = 0; i < sizeof expressions / sizeof expressions[0]; i++) {
        read_all(output, expressions[i]);
    }
}

static void structures(struct output *output)
{
    static const char *const expressions[] = {"orthogonal(0.7)", "delta_orthogonal(0.7)", "sparse(0.35,0.1)",
                                              "bilinear",        "identity(0.1)",         "identity(1e-42)"};
    for (size_t i = 0; i < sizeof expressions / sizeof expressions[0]; i++) {
        read_all(output, expressions[i]);
    }
}

static void every_kernel(struct output *output)
{
    static const struct sower_seed seed = {.bytes = {3}};
    float elements[100];
    struct sower_plan plan;
    make_plan("truncated_normal(0,1e-40,-1,2.5)", SOWER_F32, &plan);
    for (const struct sower_kernel *const *kernel = sower_kernels; *kernel != NULL; kernel++) {
        if ((*kernel)->supported()) {
            assert_true(sower_kernel_select((*kernel)->name));
            sower_fill(&plan.law, SOWER_F32, &seed, 5, 100, elements);
            put(output, elements, sizeof elements);
        }
    }
}

static void conversions(struct output *output)
{
    static const double values[] = {0.1,  -0.1, 1e-5, 3e-8, 1e-40, -7e-46, 5e-324, 1e38, 0.3333333333333333,
                                    65519};
    enum { VALUES = sizeof values / sizeof values[0] };
    for (enum sower_dtype dtype = 0; dtype < SOWER_DTYPE_COUNT; dtype++) {
        unsigned char elements[8 * VALUES];
        double widened[VALUES];
        sower_dtype_narrow(dtype, values, VALUES, elements);
        sower_dtype_widen(dtype, elements, VALUES, widened);
        put(output, elements, sower_dtype_size(dtype) * VALUES);
        put(output, widened, sizeof widened);
    }
    static const float singles[] = {0.1f, 1e-5f, -3e-8f, 1e-40f, 0.0009765626f, 2e-7f, 0.001953125f};
    for (size_t i = 0; i < sizeof singles / sizeof singles[0]; i++) {
        const uint16_t narrow[] = {sower_f16_from_f32(singles[i]), sower_bf16_from_f32(singles[i]),
                                   sower_f8_e4m3_from_f32(singles[i]), sower_f8_e5m2_from_f32(singles[i])};
        put(output, narrow, sizeof narrow);
    }
}

static void statistics(struct output *output)
{
    static const double values[] = {0.1, 0.7, -0.3, 1e-310, 3};
    struct sower_statistics result;
    struct sower_plan plan;
    make_plan("normal(0.1,0.3)", SOWER_F32, &plan);
    sower_statistics_begin(&result, &plan);
    sower_statistics_add(&result, values, 5);
    sower_statistics_add(&result, values, 3);
    double std = sower_statistics_std(&result);
    put(output, &result.mean, sizeof result.mean);
    put(output, &result.squares, sizeof result.squares);
    put(output, &result.low, sizeof result.low);
    put(output, result.bins, sizeof result.bins);
    put(output, &std, sizeof std);
}

static void texts(struct output *output)
{
    static const char *const reals[] = {
        "0.1", "0.3", "1e-5", "-1e-310", "5e-324", "1e23", "9007199254740993"};
    for (size_t i = 0; i < sizeof reals / sizeof reals[0]; i++) {
        char text[SOWER_REAL_SIZE];
        double value;
        assert_true(sower_text_real(reals[i], strlen(reals[i]), &value));
        sower_text_print_real(value, text);
        put(output, &value, sizeof value);
        put(output, text, strlen(text));
    }
    static const char json_text[] = "[0.1, 1e-310, 3.3e7]";
    json_error_t error;
    json_t *json = sower_json_load(json_text, strlen(json_text), 0, &error);
    for (size_t i = 0; i < 3; i++) {
        double value = json_real_value(json_array_get(json, i));
        put(output, &value, sizeof value);
    }
    json_decref(json);
}

static void expressions_and_formulas(struct output *output)
{
    struct sower_initializer initializer;
    struct sower_problem problem;
    char text[SOWER_EXPRESSION_MAX + 1];
    static const char tiny[] = "normal(1e-310,0.1)";
    static const char formula[] = "normal(std=0.02/sqrt(2*layers))";
    const struct sower_formula_terms terms = {.layers = 7};
    assert_true(sower_expression_parse(tiny, strlen(tiny), &initializer, &problem));
    put(output, initializer.values, sizeof initializer.values);
    assert_true(sower_expression_print(&initializer, text, sizeof text));
    put(output, text, strlen(text));
    assert_true(sower_formula_expand(formula, strlen(formula), &terms, text, &problem));
    put(output, text, strlen(text));
    assert_false(sower_expression_parse("normal(0,-0.1)", 14, &initializer, &problem));
    put(output, problem.sentence, strlen(problem.sentence));
    /* 1e-310 is above 0, also in an environment that flushes it to 0 when comparing */
    const struct sower_entry *entry = sower_catalogue_find("variance_scaling");
    assert_true(sower_catalogue_check(entry->name, &entry->parameters[0], 1e-310, &problem));
}

static const struct {
    const char *name;
    void (*run)(struct output *output);
} steps[] = {
    {"laws", laws},
    {"structures", structures},
    {"every kernel", every_kernel},
    {"conversions", conversions},
    {"statistics", statistics},
    {"texts", texts},
    {"expressions and formulas", expressions_and_formulas},
};

static void every_function_gives_the_same_and_leaves_the_environment(void **state)
{
    (void)state;
    static struct output expected, found;
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        expected.length = 0;
        thread_environment = NULL;
        steps[i].run(&expected);
        for (size_t e = 0; e < ENVIRONMENTS; e++) {
            found.length = 0;
            thread_environment = &environments[e];
            environment_set(&environments[e]);
            uint64_t before = environment_registers();
            steps[i].run(&found);
            uint64_t after = environment_registers();
            environment_restore();
            if (after != before) {
                fail_msg("%s, %s: the registers were %llx and are %llx", steps[i].name, environments[e].name,
                         (unsigned long long)before, (unsigned long long)after);
            }
            if (found.length != expected.length || memcmp(found.bytes, expected.bytes, found.length) != 0) {
                fail_msg("%s: %s makes a difference", steps[i].name, environments[e].name);
            }
        }
    }
}

/* Checks that the environments of this test really change results. */
static void the_test_environments_differ_from_the_contracts(void **state)
{
    (void)state;
    for (size_t e = 0; e < ENVIRONMENTS; e++) {
        const volatile double ten = 10, one = 1, tiny = 1e-310;
        environment_restore();
        uint64_t normal = environment_registers();
        environment_set(&environments[e]);
        uint64_t registers = environment_registers();
        if (environments[e].traps) {
            environment_restore();
            assert_true(registers != normal || !HAS_TRAPS);
            continue;
        }
        const volatile double up = one / ten, down = -one / ten, half = tiny / 2;
        environment_restore();
        assert_int_equal(up != 0.1 || down != -0.1, environments[e].rounding != FE_TONEAREST);
        assert_int_equal(half == 0, environments[e].flushes && HAS_FLUSH);
    }
}

static void a_thread_keeps_the_environment_that_was_set(void **state)
{
    (void)state;
    environment_restore();
    uint64_t normal = environment_registers();
    for (size_t e = 0; e < ENVIRONMENTS; e++) {
        environment_set(&environments[e]);
        sower_environment_set();
        uint64_t registers = environment_registers();
        environment_restore();
        assert_int_equal(registers, normal);
    }
}

static void enter_and_leave_nest(void **state)
{
    (void)state;
    environment_set(&environments[0]);
    uint64_t before = environment_registers();
    struct sower_environment outer = sower_environment_enter();
    struct sower_environment inner = sower_environment_enter();
    sower_environment_leave(&inner);
    uint64_t inside = environment_registers();
    sower_environment_leave(&outer);
    uint64_t after = environment_registers();
    environment_restore();
    assert_int_equal(inside, environment_registers());
    assert_int_equal(after, before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_test_environments_differ_from_the_contracts),
        cmocka_unit_test(a_thread_keeps_the_environment_that_was_set),
        cmocka_unit_test(enter_and_leave_nest),
        cmocka_unit_test(every_function_gives_the_same_and_leaves_the_environment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
