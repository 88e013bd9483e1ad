/* GET /v1/seed: the seed of a trial, and the numbers of its purposes. Records nothing.
 *
 * A program whose trial was not given out by the daemon gets its numbers here. Under the public root it can derive them
 * itself, under a private root it cannot. */
#include "server/handlers/handlers.h"

#include <string.h>

#include "core/seed.h"
#include "proto/experiment.h"
#include "proto/hex.h"
#include "proto/json.h"
#include "proto/purposes.h"
#include "server/http/authorize.h"
#include "server/http/query.h"
#include "server/http/work.h"
#include "server/server.h"

struct question {
    char experiment[SOWER_EXPERIMENT_MAX + 1];
    uint64_t trial;
    json_t *purposes; /* NULL: none */
};

static bool read_experiment(const json_t *fields, struct question *question, struct sower_problem *problem)
{
    const json_t *experiment = json_object_get(fields, "experiment");
    return json_is_string(experiment)
               ? sower_experiment_read(json_string_value(experiment), json_string_length(experiment),
                                       question->experiment, problem)
               : sower_problem_set(problem, SOWER_PROBLEM_INVALID, "experiment",
                                   "experiment is missing: whose seed? For example experiment=exp-42.");
}

static bool read_question(struct sower_exchange *exchange, struct question *question,
                          struct sower_problem *problem)
{
    static const char *const known[] = {"experiment", "trial", "purposes", NULL};
    json_t *fields;
    bool given;
    if (!sower_exchange_fields(exchange, &fields, problem)) {
        return false;
    }
    const json_t *purposes = json_object_get(fields, "purposes");
    bool read = sower_work_check_fields(fields, known, problem) &&
                read_experiment(fields, question, problem) &&
                sower_may_use(exchange, question->experiment, problem) &&
                sower_query_number(fields, "trial", 0, SOWER_TRIAL_MAX, &given, &question->trial, problem) &&
                (purposes == NULL || sower_purposes_read(purposes, true, &question->purposes, problem));
    json_decref(fields);
    return read;
}

enum MHD_Result sower_handle_seed(struct sower_exchange *exchange)
{
    const struct sower_seed *root = &exchange->server->root;
    struct question question = {.trial = 0};
    struct sower_problem problem;
    char hex[2][SOWER_HEX_SIZE];
    if (!read_question(exchange, &question, &problem)) {
        return sower_refuse(exchange, &problem);
    }
    struct sower_seed id = sower_seed_root_id(root);
    struct sower_seed seed = sower_seed_experiment(root, question.experiment, strlen(question.experiment));
    seed = sower_seed_trial(&seed, question.trial);
    sower_hex_print(id.bytes, hex[0]);
    sower_hex_print(seed.bytes, hex[1]);
    json_t *answer = json_pack("{s:s, s:I, s:s, s:s}", "experiment", question.experiment, "trial",
                               (json_int_t)question.trial, "root", hex[0], "seed", hex[1]);
    if (question.purposes != NULL) {
        sower_json_set(&answer, "purposes", sower_purposes_json(question.purposes, &seed));
    }
    json_decref(question.purposes);
    return sower_reply_json(exchange, MHD_HTTP_OK, answer);
}
