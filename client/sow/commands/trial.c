/* sow trial: gets trial numbers, each of which is given out once. */
#include <string.h>

#include <jansson.h>

#include "client/sow/daemon/ask.h"
#include "client/sow/daemon/figures.h"
#include "client/sow/daemon/report.h"
#include "client/sow/tensors/root.h"
#include "client/sow/terminal/terminal.h"
#include "proto/experiment.h"
#include "proto/fields.h"
#include "proto/hex.h"
#include "proto/record.h"
#include "proto/trials.h"

static const struct option_rule TRIAL[] = {
    {"experiment", 'e', "TEXT", "the experiment, 1 to 256 bytes"},
    {"count", 'c', "N", "the number of consecutive trial numbers (default 1)"},
    {"idempotency-key", 'k', "TEXT", "repeated with the same key, the request gets the same numbers"},
    {"json", 'j', NULL, "print the response as JSON, with the seed of the first trial"},
    {0},
};

static const struct option_group TRIAL_OPTIONS = {"Which trials", TRIAL};

static const struct option_group *const GROUPS[] = {&TRIAL_OPTIONS, &http_options, &options_common, NULL};

enum { BODY_SIZE = 64, RESPONSE_SIZE_MAX = 16384 };

/* Parses the options by the rules of the daemon. */
static bool read_options(const struct options *options, struct sower_trials_request *request,
                         struct sower_problem *problem)
{
    const char *experiment = options_value(options, "experiment");
    const char *count = options_value(options, "count");
    const char *key = options_value(options, "idempotency-key");
    const struct sower_pair pair = {"count", strlen("count"), count, count != NULL ? strlen(count) : 0};
    json_t *fields;
    *request = (struct sower_trials_request){.count = 1};
    if (!sower_experiment_read(experiment, strlen(experiment), request->experiment, problem) ||
        !sower_request_fields_from_pairs(&pair, count != NULL, &fields, problem)) {
        return false;
    }
    bool read = sower_trials_read_fields(fields, true, request, problem);
    json_decref(fields);
    return read && (key == NULL || sower_trials_read_key(key, strlen(key), request, problem));
}

/* Derives the seed of the first trial under the public root. */
static void derive_seed(const struct sower_trials_request *request, uint64_t trial, char hex[SOWER_HEX_SIZE])
{
    struct sower_seed seed = sower_seed_public_root();
    seed = sower_seed_experiment(&seed, request->experiment, strlen(request->experiment));
    seed = sower_seed_trial(&seed, trial);
    sower_hex_print(seed.bytes, hex);
}

/* Checks the seed. A seed that is not that of the public root is accepted only if the daemon has a private
 * root. */
static enum sow_exit check_seed(const struct options *options, const struct sower_trials_request *request,
                                const struct http_response *response, const json_t *given)
{
    const json_t *seed = json_object_get(given, "seed");
    struct sower_seed root_id;
    char hex[SOWER_HEX_SIZE];
    bool is_private = false;
    derive_seed(request, (uint64_t)json_integer_value(json_object_get(given, "trial")), hex);
    if (figures_is_hash(seed) && strcmp(json_string_value(seed), hex) == 0) {
        return SOW_DONE;
    }
    enum sow_exit result = figures_is_hash(seed) ? root_learn(options, &root_id, &is_private) : SOW_DONE;
    return result == SOW_DONE && !is_private
               ? report_mismatch(options, response, "its seed is not the seed of the trial")
               : result;
}

/* Checks the response. */
static enum sow_exit check(const struct options *options, const struct sower_trials_request *request,
                           const struct http_response *response, const json_t *given)
{
    char reason[FIGURES_REASON_SIZE];
    const json_t *trial = json_object_get(given, "trial");
    json_t *expected =
        json_pack("{s:s, s:I}", "experiment", request->experiment, "count", (json_int_t)request->count);
    bool fits = expected != NULL && figures_match(given, expected, reason);
    if (expected == NULL) {
        return report_memory(options);
    }
    json_decref(expected);
    if (!fits) {
        return report_mismatch(options, response, reason);
    }
    if (!json_is_integer(trial) || json_integer_value(trial) < 0 ||
        (uint64_t)json_integer_value(trial) > SOWER_TRIAL_MAX - (request->count - 1)) {
        return report_mismatch(options, response, "its trial is not a valid trial number");
    }
    return figures_is_line(json_object_get(given, "ledger"))
               ? check_seed(options, request, response, given)
               : report_mismatch(options, response, "it has no number of a ledger line");
}

/* Requests the numbers; NULL after a failure, which is reported. */
static json_t *ask(const struct options *options, const struct sower_trials_request *request,
                   enum sow_exit *result)
{
    char path[SOWER_EXPERIMENT_ADDRESS_SIZE], text[BODY_SIZE];
    struct http_response response;
    int size = snprintf(text, sizeof text, "{\"count\":%llu}", (unsigned long long)request->count);
    const struct http_request http_request = {
        .path = sower_experiment_address("/v1/experiments/", request->experiment, "/trials", path),
        .text = text,
        .text_size = (size_t)size,
        .idempotency_key = request->key[0] != '\0' ? request->key : NULL,
        .once = request->key[0] == '\0'};
    json_t *given = ask_json(options, &http_request, RESPONSE_SIZE_MAX, &response, result);
    *result = given != NULL ? check(options, request, &response, given) : *result;
    if (*result != SOW_DONE) {
        json_decref(given);
        given = NULL;
    }
    return given;
}

static enum sow_exit run(const struct options *options)
{
    struct sower_trials_request request;
    struct sower_problem problem;
    enum sow_exit result = SOW_DONE;
    if (options->operand == NULL || strcmp(options->operand, "new") != 0) {
        return options_error(options, "'new' is missing: sow trial new --experiment TEXT.");
    }
    if (options_value(options, "experiment") == NULL) {
        return options_error(options, "--experiment is missing.");
    }
    if (!read_options(options, &request, &problem)) {
        return report_problem(options, &problem);
    }
    json_t *given = ask(options, &request, &result);
    if (given == NULL) {
        return result;
    }
    json_int_t first = json_integer_value(json_object_get(given, "trial"));
    if (options_value(options, "json") != NULL && !terminal_json_value(stdout, given)) {
        result = report_memory(options);
    }
    for (uint64_t i = 0; options_value(options, "json") == NULL && i < request.count; i++) {
        printf("%llu\n", (unsigned long long)first + i);
    }
    json_decref(given);
    return result;
}

const struct command command_trial = {
    .name = "trial",
    .summary = "get trial numbers, each given out once",
    .synopsis = "new --experiment TEXT [--count N] [--idempotency-key TEXT] [--json]",
    .description =
        "Prints the next trial number of an experiment, or N consecutive numbers, one per line. The "
        "daemon gives out each number once, also to many clients at the same time. With an "
        "idempotency key the request can be repeated after a lost response: it gets the same numbers.",
    .examples = "  sow trial new -e exp-42\n"
                "  sow get -e exp-42 -t \"$(sow trial new -e exp-42)\" -n w -s 64,64 -i he_normal -o w.npy\n"
                "  sow trial new -e exp-42 --count 100 --idempotency-key \"sweep-$JOB\"\n",
    .operand = "new",
    .groups = GROUPS,
    .run = run,
};
