/* sow seed: derives the seed of an experiment, a trial or a tensor, or the number of a purpose. */
#include <inttypes.h>
#include <string.h>

#include <jansson.h>
#include <sodium.h>

#include "client/sow/daemon/report.h"
#include "client/sow/tensors/root.h"
#include "proto/hex.h"
#include "proto/purposes.h"
#include "proto/record.h"
#include "proto/request.h"
#include "proto/rootkey.h"

static const struct option_rule SEED[] = {
    {"experiment", 'e', "TEXT", "the experiment, 1 to 256 bytes"},
    {"trial", 't', "N", "the trial (default 0 if a name or a purpose is given)"},
    {"name", 'n', "TEXT", "the tensor's name, 1 to 512 bytes"},
    {"purpose", 'p', "TEXT", "print the number of a purpose, such as data, in place of a seed"},
    {0},
};

static const struct option_group SEED_OPTIONS = {"Whose seed", SEED};

static const struct option_group *const GROUPS[] = {&SEED_OPTIONS, &root_options, &options_common, NULL};

/* Checks the names with the request parser. A seed does not depend on shape and initializer, but a request
 * needs them: any valid value will do. */
static bool read_names(const struct options *options, const struct sower_seed *root,
                       struct sower_request *request, struct sower_problem *problem)
{
    const char *const fields[][2] = {
        {"experiment", options_value(options, "experiment")},
        {"name", options_value(options, "name") != NULL ? options_value(options, "name") : "unnamed"},
        {"shape", ""},
        {"init", "zeros"},
        {"trial", options_value(options, "trial")},
    };
    struct sower_pair pairs[sizeof fields / sizeof fields[0]];
    size_t count = 0;
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        if (fields[i][1] != NULL) {
            pairs[count++] =
                (struct sower_pair){fields[i][0], strlen(fields[i][0]), fields[i][1], strlen(fields[i][1])};
        }
    }
    json_t *object;
    bool good = sower_request_fields_from_pairs(pairs, count, &object, problem) &&
                sower_request_parse(object, true, root, request, problem);
    json_decref(object);
    return good;
}

/* The seed of the most specific name that was given. */
static struct sower_seed derive(const struct options *options, const struct sower_seed *root,
                                const struct sower_request *request)
{
    if (options_value(options, "name") != NULL) {
        return request->seed;
    }
    const char *experiment = request->draw.experiment;
    struct sower_seed seed = sower_seed_experiment(root, experiment, strlen(experiment));
    if (options_value(options, "trial") != NULL) {
        seed = sower_seed_trial(&seed, request->draw.trial);
    }
    return seed;
}

/* Reads --purpose by the rules of the daemon's field. */
static bool read_purposes(const char *text, json_t **purposes, struct sower_problem *problem)
{
    const struct sower_pair pair = {"purposes", strlen("purposes"), text, strlen(text)};
    json_t *fields;
    bool read = sower_request_fields_from_pairs(&pair, 1, &fields, problem) &&
                sower_purposes_read(json_object_get(fields, "purposes"), true, purposes, problem);
    json_decref(fields);
    return read;
}

/* Prints the numbers of --purpose, one in a line. */
static bool print_purposes(const struct options *options, const struct sower_seed *root,
                           const struct sower_request *request, struct sower_problem *problem)
{
    const char *experiment = request->draw.experiment;
    size_t i;
    const json_t *name;
    json_t *purposes;
    if (!read_purposes(options_value(options, "purpose"), &purposes, problem)) {
        return false;
    }
    struct sower_seed seed = sower_seed_experiment(root, experiment, strlen(experiment));
    seed = sower_seed_trial(&seed, request->draw.trial);
    json_array_foreach(purposes, i, name)
    {
        printf("%" PRIu64 "\n", sower_seed_purpose(&seed, json_string_value(name), json_string_length(name)));
    }
    sodium_memzero(&seed, sizeof seed);
    json_decref(purposes);
    return true;
}

static void print_seed(const struct options *options, const struct sower_seed *root,
                       const struct sower_request *request)
{
    char hex[SOWER_HEX_SIZE];
    struct sower_seed seed = derive(options, root, request);
    sower_hex_print(seed.bytes, hex);
    puts(hex);
}

static enum sow_exit run(const struct options *options)
{
    struct sower_seed root;
    struct sower_request request;
    struct sower_problem problem;
    const bool of_purpose = options_value(options, "purpose") != NULL;
    if (options_value(options, "experiment") == NULL) {
        return options_error(options, "--experiment is missing.");
    }
    if (of_purpose && options_value(options, "name") != NULL) {
        return options_error(options,
                             "A purpose belongs to a trial, not to a tensor: give --purpose or --name.");
    }
    if (!root_read(options, &root, &problem)) {
        return options_error(options, "%s", problem.sentence);
    }
    bool good = read_names(options, &root, &request, &problem) &&
                (!of_purpose || print_purposes(options, &root, &request, &problem));
    if (good && !of_purpose) {
        print_seed(options, &root, &request);
    }
    sodium_memzero(&root, sizeof root);
    return good ? SOW_DONE : report_problem(options, &problem);
}

const struct command command_seed = {
    .name = "seed",
    .summary = "derive a seed, without a daemon",
    .synopsis = "--experiment TEXT [--trial N] [--name TEXT | --purpose TEXT] [--root-key-file FILE]",
    .description =
        "Prints a seed as 64 hex digits: that of the tensor, without a name that of the trial, "
        "without a trial that of the experiment. A seed is enough to derive all seeds below it, and "
        "no others. With --purpose, prints a decimal number below 2^64 for other randomness of the trial, "
        "such as the order of the data; several purposes are separated by commas. No daemon is needed.",
    .examples = "  sow seed -e exp-42 -n w\n"
                "  sow seed -e exp-42 -t 7\n"
                "  sow seed -e exp-42 -t 7 --purpose data\n"
                "  sow seed -e exp-42 --root-key-file ~/root.key\n",
    .groups = GROUPS,
    .run = run,
};
