/* /v1/experiments/{experiment}/trials: the next trial numbers of an experiment. Each number is given to one
 * request. The numbers are on disk before the response is sent, so no number is given twice. Draws under a
 * trial that the client chose itself do not matter here.
 *
 * 1. sower_handle_trials, on a worker: reads the experiment, the fields and the idempotency key.
 * 2. submit, on the same worker: asks the ledger for the numbers and suspends the exchange meanwhile.
 * 3. reply, on a worker: sends the numbers. */
#include "server/handlers/handlers.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "proto/experiment.h"
#include "proto/hex.h"
#include "proto/json.h"
#include "proto/purposes.h"
#include "proto/record.h"
#include "proto/trials.h"
#include "server/handlers/recording.h"
#include "server/http/authorize.h"
#include "server/server.h"

static const char KEY_HEADER[] = "Idempotency-Key";

struct trials {
    struct sower_recording ledger;
    struct sower_exchange *exchange;
    struct sower_trials_request request;
    struct sower_store_trials given;
};

static sower_step reply;
static void release(void *state);
static enum MHD_Result submit(struct trials *trials);

static void describe(const void *state, struct sower_log_line *line)
{
    const struct trials *trials = state;
    if (!trials->ledger.wait.well || trials->given.outcome != SOWER_TRIALS_GIVEN) {
        return;
    }
    sower_log_string(line, "experiment", trials->request.experiment);
    sower_log_number(line, "trial", trials->given.first);
    sower_log_number(line, "count", trials->given.count);
}

/* The fields: from the JSON body if there is one, otherwise from the query string. */
static bool read_fields(struct trials *trials, struct sower_problem *problem)
{
    struct sower_exchange *exchange = trials->exchange;
    json_t *fields = NULL;
    bool from_pairs = exchange->body_size == 0;
    bool read = (from_pairs ? sower_exchange_query(exchange, &fields, problem)
                            : sower_exchange_fields(exchange, &fields, problem)) &&
                sower_trials_read_fields(fields, from_pairs, &trials->request, problem);
    json_decref(fields);
    return read;
}

struct keys {
    const char *value;
    size_t length;
    size_t count;
};

static enum MHD_Result note_key(void *context, enum MHD_ValueKind kind, const char *name, size_t name_length,
                                const char *value, size_t length)
{
    struct keys *keys = context;
    (void)kind, (void)name_length;
    if (strcasecmp(name, KEY_HEADER) == 0) {
        keys->value = value != NULL ? value : "";
        keys->length = value != NULL ? length : 0;
        keys->count++;
    }
    return MHD_YES;
}

/* Blanks around a header's value are not part of it (RFC 9110, 5.5). The library removes only those before
 * it. */
static size_t trim(const char *value, size_t length)
{
    while (length > 0 && (value[length - 1] == ' ' || value[length - 1] == '\t')) {
        length--;
    }
    return length;
}

static bool read_key(struct trials *trials, struct sower_problem *problem)
{
    struct keys keys = {.count = 0};
    MHD_get_connection_values_n(trials->exchange->connection, MHD_HEADER_KIND, note_key, &keys);
    if (keys.count > 1) {
        return sower_problem_set(problem, SOWER_PROBLEM_INVALID, KEY_HEADER,
                                 "The request has more than one idempotency key; send one.");
    }
    return keys.count == 0 ||
           sower_trials_read_key(keys.value, trim(keys.value, keys.length), &trials->request, problem);
}

enum MHD_Result sower_handle_trials(struct sower_exchange *exchange)
{
    struct sower_problem problem;
    struct trials *trials = calloc(1, sizeof *trials);
    if (trials == NULL) {
        return sower_reply_unavailable(exchange);
    }
    trials->exchange = exchange;
    exchange->state = trials;
    exchange->release = release;
    exchange->describe = describe;
    return sower_experiment_read(exchange->variable, exchange->variable_size, trials->request.experiment,
                                 &problem) &&
                   sower_may_use(exchange, trials->request.experiment, &problem) &&
                   read_fields(trials, &problem) && read_key(trials, &problem)
               ? submit(trials)
               : sower_refuse(exchange, &problem);
}

static void release(void *state)
{
    struct trials *trials = state;
    json_decref(trials->request.purposes);
    free(trials);
}

static enum MHD_Result submit(struct trials *trials)
{
    struct sower_exchange *exchange = trials->exchange;
    trials->given.root_id = sower_seed_root_id(&exchange->server->root);
    trials->given.experiment = trials->request.experiment;
    trials->given.key = trials->request.key;
    trials->given.count = trials->request.count;
    trials->ledger.wait.request = SOWER_LEDGER_TRIALS;
    trials->ledger.wait.trials = &trials->given;
    return sower_recording_start(&trials->ledger, exchange, reply);
}

static enum MHD_Result refuse_key(struct sower_exchange *exchange)
{
    struct sower_problem problem;
    sower_problem_set(&problem, SOWER_PROBLEM_INVALID, KEY_HEADER,
                      "This idempotency key was used for another count of trials of this experiment; "
                      "use a new key for each new request.");
    return sower_refuse_as(exchange, MHD_HTTP_UNPROCESSABLE_CONTENT, &problem);
}

static enum MHD_Result refuse_exhausted(struct sower_exchange *exchange)
{
    struct sower_problem problem;
    sower_problem_set(&problem, SOWER_PROBLEM_INVALID, "count",
                      "The experiment has fewer trials left: its numbers end at 2^63 - 1. Ask for fewer.");
    return sower_refuse_as(exchange, MHD_HTTP_CONFLICT, &problem);
}

static enum MHD_Result reply(struct sower_exchange *exchange)
{
    const struct trials *trials = exchange->state;
    const char *experiment = trials->request.experiment;
    char hex[SOWER_HEX_SIZE];
    if (!trials->ledger.wait.well) {
        return sower_refuse(exchange, &trials->ledger.wait.problem);
    }
    if (trials->given.outcome == SOWER_TRIALS_KEY_TAKEN) {
        return refuse_key(exchange);
    }
    if (trials->given.outcome == SOWER_TRIALS_EXHAUSTED) {
        return refuse_exhausted(exchange);
    }
    struct sower_seed seed = sower_seed_experiment(&exchange->server->root, experiment, strlen(experiment));
    seed = sower_seed_trial(&seed, trials->given.first);
    sower_hex_print(seed.bytes, hex);
    json_t *given = json_pack("{s:s, s:I, s:I, s:s, s:I}", "experiment", experiment, "trial",
                              (json_int_t)trials->given.first, "count", (json_int_t)trials->given.count,
                              "seed", hex, "ledger", (json_int_t)trials->given.ledger);
    if (trials->request.purposes != NULL) {
        sower_json_set(&given, "purposes", sower_purposes_json(trials->request.purposes, &seed));
    }
    return sower_reply_json(exchange, MHD_HTTP_OK, given);
}
