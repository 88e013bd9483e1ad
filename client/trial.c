/* sow trial: numbers for trials, each given out once. */
#include <string.h>

#include <jansson.h>

#include "../proto/buffer.h"
#include "../proto/experiment.h"
#include "../proto/fields.h"
#include "../proto/trials.h"
#include "http.h"
#include "report.h"

static const struct option_rule TRIAL[] = {
    {"experiment", 'e', "TEXT", "the experiment, 1 to 256 bytes"},
    {"count", 'c', "N", "so many numbers, in a row (default 1)"},
    {"idempotency-key", 'k', "TEXT", "asked again under this key, the daemon gives the same numbers"},
    {"json", 'j', NULL, "print the daemon's answer, with the seed of the first trial"},
    {0},
};

static const struct option_group TRIAL_OPTIONS = {"Which trials", TRIAL};

static const struct option_group *const GROUPS[] = {&TRIAL_OPTIONS, &http_options, &options_common, NULL};

enum { BODY_SIZE = 64 };

/* Reads the options by the daemon's own rules. */
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
    return read && (key == NULL || sower_trials_read_key(key, request, problem));
}

static bool begin(void *context, const struct http_answer *answer)
{
    (void)context, (void)answer;
    return true;
}

static bool receive(void *context, const void *bytes, size_t size)
{
    struct sower_buffer *body = context;
    sower_buffer_bytes(body, bytes, size);
    return !body->failed && body->length <= HTTP_EXPLANATION_SIZE; /* no answer is so long */
}

/* Asks for the numbers; NULL when it is told why there are none. */
static json_t *ask(const struct options *options, const struct sower_trials_request *request,
                   enum sow_exit *result)
{
    char path[SOWER_EXPERIMENT_ADDRESS_SIZE], text[BODY_SIZE];
    struct sower_buffer body = {0};
    struct http_receiver receiver = {begin, receive, NULL, &body};
    struct http_answer answer;
    sower_experiment_address("/v1/experiments/", request->experiment, "/trials", path);
    int size = snprintf(text, sizeof text, "{\"count\":%llu}", (unsigned long long)request->count);
    struct http_question question = {.path = path,
                                     .text = text,
                                     .text_size = (size_t)size,
                                     .idempotency_key = request->key[0] != '\0' ? request->key : NULL};
    enum http_end end = http_ask(options, &question, &receiver, &answer);
    json_t *given = end == HTTP_DONE ? json_loadb(body.text, body.length, 0, NULL) : NULL;
    if (end != HTTP_DONE && end != HTTP_STOPPED) {
        *result = report_answer(options, &answer);
    } else if (!json_is_integer(json_object_get(given, "trial")) ||
               json_integer_value(json_object_get(given, "trial")) < 0 ||
               json_integer_value(json_object_get(given, "count")) != (json_int_t)request->count) {
        *result = report_stranger(options, &answer, "not with trials");
        json_decref(given);
        given = NULL;
    }
    sower_buffer_free(&body);
    return given;
}

static enum sow_exit run(const struct options *options)
{
    struct sower_trials_request request;
    struct sower_problem problem;
    enum sow_exit result = SOW_DONE;
    if (options->operand == NULL || strcmp(options->operand, "new") != 0) {
        return options_error(options, "what is to be done with trials? There is 'sow trial new'.");
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
    if (options_value(options, "json") != NULL) {
        json_dumpf(given, stdout, JSON_COMPACT);
        fputc('\n', stdout);
    }
    for (uint64_t i = 0; options_value(options, "json") == NULL && i < request.count; i++) {
        printf("%llu\n", (unsigned long long)first + i);
    }
    json_decref(given);
    return SOW_DONE;
}

const struct command command_trial = {
    .name = "trial",
    .summary = "get numbers for trials, each given out once",
    .synopsis = "new --experiment TEXT [--count N] [--idempotency-key TEXT] [--json]",
    .description = "Prints the next trial number of an experiment, or so many, one a line. The daemon gives "
                   "each number once, however many ask at the same time. Whoever may have to ask again, "
                   "because no answer came, names a key, and gets the same numbers under it.",
    .examples = "  sow trial new -e exp-42\n"
                "  sow get -e exp-42 -t \"$(sow trial new -e exp-42)\" -n w -s 64,64 -i he_normal -o w.npy\n"
                "  sow trial new -e exp-42 --count 100 --idempotency-key \"sweep-$JOB\"\n",
    .operand = "new",
    .groups = GROUPS,
    .run = run,
};
