#include "client/library/call.h"

#include <inttypes.h>
#include <string.h>

#include "proto/experiment.h"

locale_t sower_locale_enter(void)
{
    return uselocale(
        newlocale(LC_ALL_MASK, "C", (locale_t)0)); /* a constant of the C library: takes no memory */
}

void sower_locale_leave(locale_t found)
{
    uselocale(found);
}

static int code_of(enum sower_problem_code code)
{
    switch (code) {
    case SOWER_PROBLEM_INVALID:
        return SOWER_INVALID;
    case SOWER_PROBLEM_TOO_LARGE:
        return SOWER_TOO_LARGE;
    case SOWER_PROBLEM_UNPROCESSABLE:
        return SOWER_UNPROCESSABLE;
    case SOWER_PROBLEM_UNAVAILABLE:
    case SOWER_PROBLEM_MEMORY:
    case SOWER_PROBLEM_UNKNOWN: /* this and the following ones only come from a daemon */
    case SOWER_PROBLEM_FORBIDDEN:
    case SOWER_PROBLEM_LIMITED:
        break;
    }
    return SOWER_NO_MEMORY;
}

int sower_call_fail(int code, const struct sower_problem *problem, struct sower_error *error)
{
    if (error != NULL) {
        _Static_assert(sizeof error->field == sizeof problem->field, "a problem fits");
        _Static_assert(sizeof error->sentence == sizeof problem->sentence, "a problem fits");
        error->code = code;
        memcpy(error->field, problem->field, sizeof error->field);
        memcpy(error->sentence, problem->sentence, sizeof error->sentence);
    }
    return code;
}

int sower_call_result(bool done, const struct sower_problem *problem, struct sower_error *error)
{
    if (!done) {
        return sower_call_fail(code_of(problem->code), problem, error);
    }
    if (error != NULL) {
        error->code = SOWER_OK;
        error->field[0] = error->sentence[0] = '\0';
    }
    return SOWER_OK;
}

struct sower_seed sower_call_root(const uint8_t *root)
{
    struct sower_seed seed;
    if (root == NULL) {
        return sower_seed_public_root();
    }
    memcpy(seed.bytes, root, sizeof seed.bytes);
    return seed;
}

static bool check_trial(uint64_t trial, struct sower_problem *problem)
{
    return trial <= SOWER_TRIAL_MAX ||
           sower_problem_set(problem, SOWER_PROBLEM_INVALID, "trial",
                             "trial is %" PRIu64 "; it must be a whole number from 0 to %" PRIu64 ".", trial,
                             SOWER_TRIAL_MAX);
}

bool sower_call_trial(const char *experiment, uint64_t trial, char name[SOWER_EXPERIMENT_MAX + 1],
                      struct sower_problem *problem)
{
    return sower_experiment_read(experiment, strlen(experiment), name, problem) &&
           check_trial(trial, problem);
}
