/* sow stats: shows statistics of the elements of a tensor or a model, and digests to compare them. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>
#include <sodium.h>

#include "client/sow/daemon/ask.h"
#include "client/sow/daemon/figures.h"
#include "client/sow/daemon/report.h"
#include "client/sow/tensors/manifest_options.h"
#include "client/sow/tensors/model_request.h"
#include "client/sow/tensors/root.h"
#include "client/sow/tensors/tensor.h"
#include "client/sow/terminal/terminal.h"
#include "proto/hex.h"
#include "proto/json.h"
#include "proto/record.h"

enum {
    LABEL_COLUMNS = 14,
    NAME_COLUMNS = 40,
    DIGEST_COLUMNS = 17,
    BAR_COLUMNS = 50,
    BINS = 40,
    DIGEST_SIZE = 32
};

/* The most bytes of a response: a fixed part, and for each tensor its figures and its name of at most 512
 * characters, each escaped as six bytes. */
enum { RESPONSE_SIZE_MAX = 65536, TENSOR_SIZE_MAX = 8192 };

static const struct option_rule STATS[] = {
    {"name", 'n', "TEXT", "the tensor's name, 1 to 512 bytes"},
    {"shape", 's', "SIZES", "the sizes of its axes: 4096,1024; '' for a scalar"},
    {"dtype", 'd', "TYPE", "f64, f32 (default), f16, bf16, f8_e4m3 or f8_e5m2"},
    {"slice", 0, "SLICE", "a region of the tensor: '0:512,:'"},
    {0},
};

static const struct option_rule OUTPUT[] = {
    {"json", 'j', NULL, "print JSON, as in /v1/stats"},
    {0},
};

static const struct option_group TENSOR_OPTIONS = {"One tensor, instead of a model", STATS};
static const struct option_group OUTPUT_OPTIONS = {"Output", OUTPUT};

static const struct option_group *const GROUPS[] = {
    &model_options,
    &manifest_options,
    &model_options_choice,
    &TENSOR_OPTIONS,
    &tensor_options_fans,
    &tensor_options_zeros,
    &OUTPUT_OPTIONS,
    &root_options,
    &http_options,
    &options_common,
    NULL,
};

/* A real number; null when JSON cannot represent it. NULL when memory runs out. */
static json_t *real_json(double number)
{
    return isfinite(number) ? json_real(number) : json_null();
}

/* Requests the statistics of `tensors` tensors. NULL with *result set after a failure. */
static json_t *ask(const struct options *options, const struct sower_pair *pairs, size_t count,
                   size_t tensors, struct http_response *response, enum sow_exit *result)
{
    const struct http_request request = {.path = "/v1/stats", .pairs = pairs, .pair_count = count};
    return ask_json(options, &request, RESPONSE_SIZE_MAX + tensors * TENSOR_SIZE_MAX, response, result);
}

/* The sizes of a shape as a JSON array; NULL when memory runs out. */
static json_t *sizes_json(const struct sower_shape *shape)
{
    json_t *sizes = json_array();
    for (size_t axis = 0; axis < shape->rank; axis++) {
        sower_json_append(&sizes, json_integer((json_int_t)shape->sizes[axis]));
    }
    return sizes;
}

/* The expected members of the statistics of a tensor; NULL when memory runs out. */
static json_t *expect_tensor(const struct sower_request *request)
{
    struct sower_shape shape = sower_region_shape(&request->region);
    json_t *expected = json_object();
    sower_json_set(&expected, "name", json_string(request->draw.name));
    sower_json_set(&expected, "shape", sizes_json(&shape));
    sower_json_set(&expected, "dtype", json_string(sower_dtype_name(request->draw.dtype)));
    sower_json_set(&expected, "elements", json_integer((json_int_t)sower_shape_count(&shape)));
    sower_json_set(&expected, "mean_expected", real_json(request->plan.mean_expected));
    sower_json_set(&expected, "std_expected", real_json(request->plan.std_expected));
    return expected;
}

/* Whether the counts of a histogram add up to the number of elements. */
static bool counts_fit(const json_t *histogram, uint64_t elements)
{
    const json_t *count;
    size_t i;
    json_int_t sum = json_integer_value(json_object_get(histogram, "below"));
    sum += json_integer_value(json_object_get(histogram, "above"));
    json_array_foreach(json_object_get(histogram, "counts"), i, count)
    {
        sum += json_integer_value(count);
    }
    return json_array_size(json_object_get(histogram, "counts")) == BINS && sum >= 0 &&
           (uint64_t)sum == elements;
}

/* Checks the statistics of a tensor. */
static enum sow_exit check_tensor(const struct options *options, const struct http_response *response,
                                  const json_t *stats, const struct sower_request *request,
                                  bool has_histogram)
{
    char reason[FIGURES_REASON_SIZE];
    struct sower_shape shape = sower_region_shape(&request->region);
    json_t *expected = expect_tensor(request);
    enum sow_exit result = SOW_DONE;
    if (expected == NULL) {
        result = report_memory(options);
    } else if (!figures_match(stats, expected, reason)) {
        result = report_mismatch(options, response, reason);
    } else if (!figures_is_hash(json_object_get(stats, "digest"))) {
        result = report_mismatch(options, response, "it has no digest of 64 hex digits");
    } else if (has_histogram && !counts_fit(json_object_get(stats, "histogram"), sower_shape_count(&shape))) {
        result = report_mismatch(options, response,
                                 "the counts of its histogram do not add up to the number of elements");
    }
    json_decref(expected);
    return result;
}

/* Whether the digest of a model is the digest of the digests of its tensors. */
static bool digest_fits(const json_t *stats)
{
    crypto_generichash_state state;
    uint8_t digest[DIGEST_SIZE];
    char hex[SOWER_HEX_SIZE];
    const json_t *tensor;
    size_t i;
    crypto_generichash_init(&state, NULL, 0, sizeof digest);
    json_array_foreach(json_object_get(stats, "tensors"), i, tensor)
    {
        sodium_hex2bin(digest, sizeof digest, json_string_value(json_object_get(tensor, "digest")),
                       2 * DIGEST_SIZE, NULL, NULL, NULL);
        crypto_generichash_update(&state, digest, sizeof digest);
    }
    crypto_generichash_final(&state, digest, sizeof digest);
    sower_hex_print(digest, hex);
    return figures_is_hash(json_object_get(stats, "digest")) &&
           strcmp(json_string_value(json_object_get(stats, "digest")), hex) == 0;
}

/* Checks the statistics of a model. */
static enum sow_exit check_model(const struct options *options, const struct http_response *response,
                                 const json_t *stats, const struct model_request *request)
{
    char reason[FIGURES_REASON_SIZE];
    const struct sower_model *model = &request->model;
    const json_t *tensors = json_object_get(stats, "tensors");
    struct sower_request of_tensor;
    json_t *expected = json_pack("{s:s, s:s, s:I}", "manifest", request->hash, "experiment",
                                 model->draw.experiment, "trial", (json_int_t)model->draw.trial);
    bool fits = expected != NULL && figures_match(stats, expected, reason);
    enum sow_exit result = expected == NULL ? report_memory(options) : SOW_DONE;
    if (expected != NULL && !fits) {
        result = report_mismatch(options, response, reason);
    } else if (fits && json_array_size(tensors) != model->count) {
        result = report_mismatch(options, response, "it has another number of tensors");
    }
    for (size_t n = 0; n < model->count && result == SOW_DONE; n++) {
        sower_model_request(model, n, &of_tensor);
        result = check_tensor(options, response, json_array_get(tensors, n), &of_tensor, false);
    }
    if (result == SOW_DONE && !digest_fits(stats)) {
        result =
            report_mismatch(options, response, "its digest is not the digest of the digests of its tensors");
    }
    json_decref(expected);
    return result;
}

static void print_row(const json_t *stats, const char *key)
{
    const json_t *value = json_object_get(stats, key);
    char label[32];
    snprintf(label, sizeof label, "%s", key);
    for (char *c = label; *c != '\0'; c++) {
        *c = *c == '_' ? ' ' : *c;
    }
    if (value == NULL || json_is_null(value)) {
        return;
    }
    terminal_cell(stdout, label, LABEL_COLUMNS);
    if (json_is_string(value)) {
        terminal_print(stdout, json_string_value(value));
    } else if (json_is_integer(value)) {
        printf("%" JSON_INTEGER_FORMAT, json_integer_value(value));
    } else {
        printf("%.9g", json_number_value(value));
    }
    fputc('\n', stdout);
}

/* Prints one bar per bin, relative to the largest count. */
static void print_histogram(const json_t *histogram)
{
    const json_t *counts = json_object_get(histogram, "counts"), *count;
    double low = json_number_value(json_object_get(histogram, "low"));
    double high = json_number_value(json_object_get(histogram, "high"));
    double bins = (double)json_array_size(counts), fullest = 1;
    size_t i;
    json_array_foreach(counts, i, count)
    {
        fullest = json_number_value(count) > fullest ? json_number_value(count) : fullest;
    }
    json_array_foreach(counts, i, count)
    {
        int length = (int)(BAR_COLUMNS * json_number_value(count) / fullest);
        printf("%12.4g  ", low + ((double)i + 0.5) * (high - low) / bins);
        while (length-- > 0) {
            fputc('#', stdout);
        }
        fputc('\n', stdout);
    }
}

static void print_tensor(const json_t *stats)
{
    static const char *const rows[] = {"name", "dtype", "elements",      "mean",         "std",
                                       "min",  "max",   "mean_expected", "std_expected", "digest"};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        print_row(stats, rows[i]);
    }
    print_histogram(json_object_get(stats, "histogram"));
}

static void print_model(const json_t *stats)
{
    json_t *tensor;
    size_t i;
    terminal_cell(stdout, "name", NAME_COLUMNS);
    printf(" %12s %12s  digest\n", "mean", "std");
    json_array_foreach(json_object_get(stats, "tensors"), i, tensor)
    {
        const char *name = json_string_value(json_object_get(tensor, "name"));
        const char *digest = json_string_value(json_object_get(tensor, "digest"));
        terminal_cell(stdout, name != NULL ? name : "", NAME_COLUMNS);
        printf(" %12.5g %12.5g  ", json_number_value(json_object_get(tensor, "mean")),
               json_number_value(json_object_get(tensor, "std")));
        terminal_cell(stdout, digest != NULL ? digest : "", DIGEST_COLUMNS);
        fputc('\n', stdout);
    }
    print_row(stats, "manifest");
    print_row(stats, "digest");
}

/* Prints the statistics and releases them. */
static enum sow_exit print(const struct options *options, json_t *stats, bool of_model)
{
    enum sow_exit result = SOW_DONE;
    if (options_value(options, "json") == NULL) {
        (of_model ? print_model : print_tensor)(stats);
    } else if (!terminal_json_value(stdout, stats)) {
        result = report_memory(options);
    }
    json_decref(stats);
    return result;
}

static enum sow_exit run_model(const struct options *options)
{
    struct model_request request;
    struct http_response response;
    json_t *stats = NULL;
    enum sow_exit result = model_request_read(&request, options, false);
    result = result == SOW_DONE ? model_request_store(&request) : result;
    if (result == SOW_DONE) {
        stats = ask(options, request.pairs, request.pair_count, request.model.count, &response, &result);
        result = stats != NULL ? check_model(options, &response, stats, &request) : result;
    }
    model_request_free(&request);
    if (result != SOW_DONE) {
        json_decref(stats);
        return result;
    }
    return print(options, stats, true);
}

static enum sow_exit run_tensor(const struct options *options)
{
    struct tensor_fields fields;
    struct sower_request request;
    struct http_response response;
    enum sow_exit result =
        tensor_collect(options, &fields) ? tensor_request(options, &fields, &request) : SOW_USAGE;
    if (result != SOW_DONE) {
        return result;
    }
    json_t *stats = ask(options, fields.pairs, fields.count, 1, &response, &result);
    result = stats != NULL ? check_tensor(options, &response, stats, &request, true) : result;
    if (result != SOW_DONE) {
        json_decref(stats);
        return result;
    }
    return print(options, stats, false);
}

/* Whether an option is given that does not apply; it is reported. */
static bool is_mixed(const struct options *options, bool of_model)
{
    static const char *const of_models[] = {"tensors", "part", NULL}, *const of_tensors[] = {"name", "shape",
                                                                                             "dtype", "slice",
                                                                                             NULL};
    const char *const *names = of_model ? of_tensors : of_models;
    while (*names != NULL && options_value(options, *names) == NULL) {
        names++;
    }
    const char *wrong = *names == NULL && !of_model ? manifest_options_given(options) : *names;
    if (wrong != NULL) {
        options_error(options, "--%s applies only to %s.", wrong,
                      of_model ? "one tensor, not to a model" : "a model (--manifest FILE or --like FILE)");
    }
    return wrong != NULL;
}

static enum sow_exit run(const struct options *options)
{
    bool of_model = model_request_given(options);
    if (is_mixed(options, of_model)) {
        return SOW_USAGE;
    }
    return of_model ? run_model(options) : run_tensor(options);
}

const struct command command_stats = {
    .name = "stats",
    .summary = "show mean, spread, histogram and digest of a tensor or a model",
    .synopsis =
        "--experiment TEXT [--trial N] (--name TEXT --shape SIZES --init EXPRESSION | --manifest FILE | "
        "--like FILE) [option …]",
    .description =
        "Asks the daemon for statistics of a tensor, or of every tensor of a model: mean, standard "
        "deviation, extremes, their expected values, and the BLAKE2b-256 digest. No elements are sent "
        "and nothing is recorded. Two ranks can compare their starting points by one digest.",
    .examples = "  sow stats -e exp-42 -n w -s 4096,1024 -i he_normal\n"
                "  sow stats -e exp-42 --like model.safetensors --recipe hf_gpt2\n"
                "  sow stats -j -e exp-42 -m model.json | jq -r .digest\n",
    .groups = GROUPS,
    .run = run,
};
