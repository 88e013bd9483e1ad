/* sow stats: what the elements of a tensor or a model come to, and digests to compare them by. */
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "ask.h"
#include "model_request.h"
#include "report.h"
#include "root.h"
#include "tensor.h"
#include "terminal.h"

enum { LABEL_COLUMNS = 14, NAME_COLUMNS = 40, DIGEST_COLUMNS = 17, BAR_COLUMNS = 50 };

/* Of the answer: some figures, and for each tensor its figures and its name, of 512 bytes, each of six at
 * most. */
enum { ANSWER_SIZE_MAX = 65536, TENSOR_SIZE_MAX = 8192 };

static const struct option_rule STATS[] = {
    {"name", 'n', "TEXT", "the tensor's name, 1 to 512 bytes"},
    {"shape", 's', "SIZES", "the sizes of its axes: 4096,1024; '' for a scalar"},
    {"dtype", 'd', "TYPE", "f64, f32 (default), f16, bf16, f8_e4m3 or f8_e5m2"},
    {"slice", 0, "SLICE", "a region of the tensor: '0:512,:'"},
    {0},
};

static const struct option_rule OUTPUT[] = {
    {"json", 'j', NULL, "print JSON, as /v1/stats gives it"},
    {0},
};

static const struct option_group TENSOR_OPTIONS = {"One tensor, in place of a model", STATS};
static const struct option_group OUTPUT_OPTIONS = {"Output", OUTPUT};

static const struct option_group *const GROUPS[] = {
    &model_options,       &model_options_choice, &TENSOR_OPTIONS,
    &tensor_options_fans, &OUTPUT_OPTIONS,       &root_options,
    &http_options,        &options_common,       NULL,
};

/* Asks, and returns the answer, or NULL with *result set. `tensors` is how many it is of. */
static json_t *ask(const struct options *options, const struct sower_pair *pairs, size_t count,
                   size_t tensors, enum sow_exit *result)
{
    const struct http_question question = {.path = "/v1/stats", .pairs = pairs, .pair_count = count};
    struct http_answer answer;
    return ask_json(options, &question, ANSWER_SIZE_MAX + tensors * TENSOR_SIZE_MAX, &answer, result);
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

/* One line a bin, as long as its share of the fullest. */
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
    enum sow_exit result = model_request_read(&request, options, false);
    result = result == SOW_DONE ? model_request_store(&request) : result;
    json_t *stats = result == SOW_DONE
                        ? ask(options, request.pairs, request.pair_count, request.model.count, &result)
                        : NULL;
    model_request_free(&request);
    return stats != NULL ? print(options, stats, true) : result;
}

/* Whether an option is given that goes with the other kind, which has been told then. */
static bool is_mixed(const struct options *options, bool of_model)
{
    static const char *const of_models[] = {"recipe", "layers", "tensors", "part", NULL},
                             *const of_tensors[] = {"name", "shape", "dtype", "slice", NULL};
    const char *const *wrong = of_model ? of_tensors : of_models;
    while (*wrong != NULL && options_value(options, *wrong) == NULL) {
        wrong++;
    }
    if (*wrong != NULL) {
        options_error(options, "--%s goes with %s.", *wrong,
                      of_model ? "one tensor, not with a model" : "a model: --manifest FILE or --like FILE");
    }
    return *wrong != NULL;
}

static enum sow_exit run(const struct options *options)
{
    struct tensor_fields fields;
    enum sow_exit result = SOW_DONE;
    bool of_model = model_request_given(options);
    if (is_mixed(options, of_model)) {
        return SOW_USAGE;
    }
    if (of_model) {
        return run_model(options);
    }
    if (!tensor_collect(options, &fields)) {
        return SOW_USAGE;
    }
    struct sower_request request;
    result = tensor_request(options, &fields, &request);
    if (result != SOW_DONE) {
        return result;
    }
    json_t *stats = ask(options, fields.pairs, fields.count, 1, &result);
    return stats != NULL ? print(options, stats, false) : result;
}

const struct command command_stats = {
    .name = "stats",
    .summary = "mean, spread, histogram and digest of a tensor or a model",
    .synopsis =
        "--experiment TEXT [--trial N] (--name TEXT --shape SIZES --init EXPRESSION | --manifest FILE | "
        "--like FILE) [option …]",
    .description =
        "Has the daemon make a tensor, or every tensor of a model, and say what its elements come to, "
        "beside what is expected of them, and their BLAKE2b-256 digest. No elements are sent and "
        "nothing is recorded; two ranks can compare their starting points by one line.",
    .examples = "  sow stats -e exp-42 -n w -s 4096,1024 -i he_normal\n"
                "  sow stats -e exp-42 --like model.safetensors --recipe gpt2\n"
                "  sow stats -j -e exp-42 -m model.json | jq -r .digest\n",
    .groups = GROUPS,
    .run = run,
};
