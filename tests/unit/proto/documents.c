#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/documents.h"
#include "proto/format.h"
#include "proto/json.h"

static struct sower_request request_of(const char *body)
{
    struct sower_request request = {0};
    struct sower_problem problem = {.sentence = ""};
    struct sower_seed root = sower_seed_public_root();
    json_t *fields;
    if (!sower_request_fields_from_json(body, strlen(body), &fields, &problem) ||
        !sower_request_parse(fields, false, &root, &request, &problem)) {
        fail_msg("%s: %s", body, problem.sentence);
    }
    json_decref(fields);
    return request;
}

static json_t *plan_of(const char *body)
{
    struct sower_request request = request_of(body);
    json_t *plan = sower_document_plan(&request);
    assert_non_null(plan);
    return plan;
}

static void assert_text(json_t *json, const char *expected)
{
    char *text = sower_json_text(json, JSON_COMPACT | JSON_ENCODE_ANY);
    assert_non_null(text);
    assert_string_equal(text, expected);
    free(text);
}

static void a_problem_follows_rfc_9457(void **state)
{
    (void)state;
    json_t *problem = sower_document_problem(400, "shape", "It has no \"axes\".");
    assert_text(problem, "{\"type\":\"about:blank\",\"title\":\"Bad Request\",\"status\":400,"
                         "\"detail\":\"It has no \\\"axes\\\".\",\"param\":\"shape\"}");
    json_decref(problem);
    static const char *const nothing[] = {"", NULL};
    for (size_t i = 0; i < 2; i++) {
        problem = sower_document_problem(503, nothing[i], "Later.");
        assert_text(problem, "{\"type\":\"about:blank\",\"title\":\"Service Unavailable\",\"status\":503,"
                             "\"detail\":\"Later.\"}");
        json_decref(problem);
    }
    problem = sower_document_problem(599, "", "Odd.");
    assert_string_equal(json_string_value(json_object_get(problem, "title")), "Error");
    json_decref(problem);
}

static void each_kind_of_problem_has_a_status(void **state)
{
    (void)state;
    assert_int_equal(sower_document_status(SOWER_PROBLEM_INVALID), 400);
    assert_int_equal(sower_document_status(SOWER_PROBLEM_TOO_LARGE), 413);
    assert_int_equal(sower_document_status(SOWER_PROBLEM_UNPROCESSABLE), 422);
    assert_int_equal(sower_document_status(SOWER_PROBLEM_UNAVAILABLE), 503);
}

static void a_plan_has_the_resolved_figures_of_a_request(void **state)
{
    (void)state;
    json_t *plan =
        plan_of("{\"experiment\":\"exp-42\",\"name\":\"w\",\"shape\":[10,8],\"init\":\"lecun_uniform\","
                "\"slice\":\"2:5,:\",\"format\":\"raw\"}");
    static const char *const keys[] = {"draw",   "seed",          "root",         "spec",   "experiment",
                                       "trial",  "name",          "shape",        "dtype",  "init",
                                       "layout", "fan_in",        "fan_out",      "gain",   "std",
                                       "limit",  "mean_expected", "std_expected", "low",    "high",
                                       "slice",  "slice_shape",   "elements",     "format", "bytes"};
    const char *key;
    json_t *value;
    size_t i = 0;
    json_object_foreach(plan, key, value)
    {
        assert_true(i < sizeof keys / sizeof keys[0]);
        assert_string_equal(key, keys[i++]);
    }
    assert_int_equal(i, sizeof keys / sizeof keys[0]);
    assert_string_equal(json_string_value(json_object_get(plan, "seed")),
                        "5b8208dae656f65e30102f0d698873971479acc3e907fcf1628c25d97a68086d");
    assert_text(json_object_get(plan, "shape"), "[10,8]");
    assert_text(json_object_get(plan, "slice"), "[[2,5],[0,8]]");
    assert_text(json_object_get(plan, "slice_shape"), "[3,8]");
    assert_text(json_object_get(plan, "elements"), "24");
    assert_text(json_object_get(plan, "bytes"), "96");
    assert_text(json_object_get(plan, "fan_in"), "8");
    assert_text(json_object_get(plan, "fan_out"), "10");
    double limit = json_number_value(json_object_get(plan, "limit"));
    assert_true(limit == sqrt(3.0 / 8));
    assert_true(json_number_value(json_object_get(plan, "high")) == limit);
    json_decref(plan);
}

static void nan_and_infinite_figures_are_null(void **state)
{
    (void)state;
    json_t *plan = plan_of("{\"experiment\":\"e\",\"name\":\"w\",\"shape\":[4],\"init\":\"normal\"}");
    assert_true(json_is_null(json_object_get(plan, "limit")));
    assert_true(json_is_null(json_object_get(plan, "low")));
    assert_true(json_is_null(json_object_get(plan, "high")));
    assert_true(json_is_real(json_object_get(plan, "std")));
    assert_text(json_object_get(plan, "bytes"), "144"); /* the header of npy has 128 bytes */
    json_decref(plan);
}

static void the_catalogue_describes_every_entry_in_full(void **state)
{
    (void)state;
    json_t *catalogue = sower_document_catalogue();
    assert_true(json_is_array(catalogue));
    size_t index;
    json_t *entry;
    json_array_foreach(catalogue, index, entry)
    {
        static const char *const texts[] = {"name", "summary", "formula", "source", "example"};
        for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
            assert_true(json_string_length(json_object_get(entry, texts[i])) > 0);
        }
        assert_string_equal(json_string_value(json_object_get(entry, "name")),
                            sower_catalogue_entry(index)->name);
        assert_true(json_is_array(json_object_get(entry, "aliases")));
        assert_int_equal(json_array_size(json_object_get(entry, "rank")), 2);
        size_t p;
        json_t *parameter;
        json_array_foreach(json_object_get(entry, "parameters"), p, parameter)
        {
            assert_true(json_string_length(json_object_get(parameter, "domain")) > 0);
            assert_true(json_string_length(json_object_get(parameter, "meaning")) > 0);
            bool required = json_is_true(json_object_get(parameter, "required"));
            assert_int_equal(required, json_is_null(json_object_get(parameter, "default")));
        }
    }
    assert_true(index > 0);
    assert_null(sower_catalogue_entry(index));
    json_decref(catalogue);
}

static void a_parameter_is_described_in_its_own_type(void **state)
{
    (void)state;
    json_t *entry = sower_document_entry(sower_catalogue_find("variance_scaling"));
    json_t *parameters = json_object_get(entry, "parameters");
    json_t *scale = json_array_get(parameters, 0);
    assert_string_equal(json_string_value(json_object_get(scale, "kind")), "real");
    assert_true(json_number_value(json_object_get(scale, "default")) == 1);
    assert_null(json_object_get(scale, "choices"));
    json_t *mode = json_array_get(parameters, 1);
    assert_string_equal(json_string_value(json_object_get(mode, "kind")), "choice");
    assert_text(json_object_get(mode, "default"), "\"fan_in\"");
    assert_text(json_object_get(mode, "choices"), "[\"fan_in\",\"fan_out\",\"fan_avg\"]");
    json_decref(entry);
}

/* The number of allocations of jansson that still succeed. */
static size_t allocations_left;

static void *failing_malloc(size_t size)
{
    return allocations_left == 0 ? NULL : (allocations_left--, malloc(size));
}

static void running_out_of_memory_gives_no_document_and_no_leak(void **state)
{
    (void)state;
    struct sower_request request = request_of("{\"experiment\":\"e\",\"name\":\"w\",\"shape\":[4,5],"
                                              "\"init\":\"normal\",\"slice\":\"1:2,:\"}");
    for (int kind = 0; kind < 3; kind++) {
        json_t *whole = NULL;
        size_t allowed = 0;
        for (; whole == NULL; allowed++) {
            json_set_alloc_funcs(failing_malloc, free);
            allocations_left = allowed;
            whole = kind == 0   ? sower_document_plan(&request)
                    : kind == 1 ? sower_document_catalogue()
                                : sower_document_problem(400, "shape", "No.");
            json_set_alloc_funcs(malloc, free);
        }
        assert_true(allowed > 5);
        json_t *again = kind == 0   ? sower_document_plan(&request)
                        : kind == 1 ? sower_document_catalogue()
                                    : sower_document_problem(400, "shape", "No.");
        assert_true(json_equal(whole, again)); /* no member is missing */
        json_decref(again);
        json_decref(whole);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_problem_follows_rfc_9457),
        cmocka_unit_test(each_kind_of_problem_has_a_status),
        cmocka_unit_test(a_plan_has_the_resolved_figures_of_a_request),
        cmocka_unit_test(nan_and_infinite_figures_are_null),
        cmocka_unit_test(the_catalogue_describes_every_entry_in_full),
        cmocka_unit_test(a_parameter_is_described_in_its_own_type),
        cmocka_unit_test(running_out_of_memory_gives_no_document_and_no_leak),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
