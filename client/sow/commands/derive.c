/* sow derive: computes a tensor or a model on this machine, without a daemon. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

#include "client/sow/daemon/report.h"
#include "client/sow/tensors/derive.h"
#include "client/sow/tensors/drawn.h"
#include "client/sow/tensors/manifest_options.h"
#include "client/sow/tensors/model_request.h"
#include "client/sow/tensors/root.h"
#include "client/sow/tensors/tensor.h"
#include "client/sow/terminal/output.h"
#include "client/sow/terminal/progress.h"
#include "client/sow/terminal/terminal.h"
#include "proto/format.h"
#include "proto/hex.h"

static const struct option_rule TENSOR[] = {
    {"name", 'n', "TEXT", "the tensor's name, 1 to 512 bytes; or one draw of a receipt or of lines"},
    {"seed", 0, "HEX", "the tensor's own seed, 64 hex digits, in place of root, experiment, trial and name"},
    {"shape", 's', "SIZES", "the sizes of its axes: 4096,1024; '' for a scalar"},
    {"dtype", 'd', "TYPE", "f64, f32 (default), f16, bf16, f8_e4m3 or f8_e5m2"},
    {"slice", 0, "SLICE", "a region of the tensor: '0:512,:'"},
    {"format", 'f', "FORMAT", "npy (NumPy, default), raw (only the numbers) or safetensors"},
    {0},
};

static const struct option_rule OUTPUT[] = {
    {"output", 'o', "FILE", "write to FILE, completely or not at all ('-': standard output)"},
    {"quiet", 'q', NULL, "no progress, no warnings and no summary"},
    {"progress", 'p', NULL, "show progress also when stderr is not a terminal"},
    {0},
};

static const struct option_group TENSOR_OPTIONS = {"One tensor", TENSOR};
static const struct option_group OUTPUT_OPTIONS = {"Output", OUTPUT};

static const struct option_group *const GROUPS[] = {
    &drawn_options,  &model_options,       &manifest_options,     &model_options_choice,
    &TENSOR_OPTIONS, &tensor_options_fans, &tensor_options_zeros, &OUTPUT_OPTIONS,
    &derive_options, &root_options,        &options_common,       NULL,
};

/* A tensor or model that is being computed. */
struct making {
    const struct options *options;
    const char *path;   /* NULL: standard output */
    struct drawn drawn; /* from --receipt or --line */
    struct model_request request;
    struct derivation derivation;
    struct output output;
    struct progress progress;
    int write_error; /* errno of a failed write; 0: none */
};

static bool is_quiet(const struct options *options)
{
    return options_value(options, "quiet") != NULL;
}

/* ---- Writing -------------------------------------------------------------------------------------------- */

static bool write_bytes(void *context, const void *bytes, size_t size, struct sower_problem *problem)
{
    struct making *making = context;
    if (!output_write(&making->output, bytes, size)) {
        making->write_error = errno;
        return sower_problem_set(problem, SOWER_PROBLEM_UNAVAILABLE, "", "The output cannot be written.");
    }
    return true;
}

static bool write_tensor(struct making *making, const struct sower_request *request,
                         struct sower_problem *problem)
{
    struct sower_body body;
    sower_format_body(request, &body);
    progress_expect(&making->progress, body.data_size);
    return write_bytes(making, body.prefix, body.prefix_size, problem) &&
           derive_elements(&making->derivation, request, write_bytes, making, problem);
}

/* Writes the file of a model. Its draws are known (`drawn`), or they follow from its root (NULL). */
static bool write_model(struct making *making, const struct sower_model *model, const struct drawn *drawn,
                        struct sower_problem *problem)
{
    struct sower_request request;
    progress_expect(&making->progress, model->size - model->header.length);
    bool written = write_bytes(making, model->header.text, model->header.length, problem);
    for (size_t n = 0; n < model->count && written; n++) {
        sower_model_request(model, n, &request);
        if (drawn != NULL) {
            drawn_set_seed(drawn, model, n, &request);
        }
        written = derive_elements(&making->derivation, &request, write_bytes, making, problem);
    }
    sodium_memzero(&request.seed, sizeof request.seed);
    return written;
}

static enum sow_exit report_end(struct making *making, bool written, const struct sower_problem *problem)
{
    const struct options *options = making->options;
    progress_end(&making->progress);
    if (!written && making->write_error == 0) {
        return report_problem(options, problem);
    }
    if (!written || !output_finish(&making->output)) {
        return report_write_failure(options, making->path, written ? errno : making->write_error);
    }
    if (isatty(STDERR_FILENO) && !is_quiet(options)) {
        char bytes[TERMINAL_QUANTITY_SIZE], rate[TERMINAL_QUANTITY_SIZE];
        const double seconds = progress_seconds(&making->progress), size = (double)making->derivation.done;
        fprintf(stderr, "%s in %.2f s, %s/s\n", terminal_bytes(size, bytes), seconds,
                terminal_bytes(size / (seconds > 0 ? seconds : 1e-9), rate));
    }
    return SOW_DONE;
}

/* Computes either the tensor of `request` or the model, and gives the output its final name. */
static enum sow_exit make(struct making *making, const struct sower_request *request,
                          const struct sower_model *model, const struct drawn *drawn)
{
    const struct options *options = making->options;
    struct sower_problem problem;
    unsigned threads;
    if (!derive_threads(options, &threads)) {
        return SOW_USAGE;
    }
    if (!output_open(&making->output, making->path)) {
        return options_error(options, "cannot write %s: %s.", making->path, strerror(errno));
    }
    progress_begin(&making->progress, is_quiet(options), options_value(options, "progress") != NULL);
    bool written = derive_begin(&making->derivation, threads, &making->progress, &problem);
    written = written && (model != NULL ? write_model(making, model, drawn, &problem)
                                        : write_tensor(making, request, &problem));
    enum sow_exit result = report_end(making, written, &problem);
    derive_end(&making->derivation);
    output_discard(&making->output);
    return result;
}

/* ---- What is computed ----------------------------------------------------------------------------------- */

static void say_unrecorded(const struct options *options)
{
    if (!is_quiet(options)) {
        fprintf(stderr,
                "sow %s: not recorded: a daemon's ledger has this draw only if it was requested there too.\n",
                options->command->name);
    }
}

static enum sow_exit make_drawn_model(struct making *making)
{
    struct sower_model_choice choice;
    struct sower_problem problem;
    struct sower_model model;
    if (!model_choice_read(making->options, NULL, &choice, &problem)) {
        return report_problem(making->options, &problem);
    }
    enum sow_exit result = drawn_model(&making->drawn, &choice, &model);
    json_decref(choice.slices);
    result = result == SOW_DONE ? make(making, NULL, &model, &making->drawn) : result;
    sower_model_free(&model);
    return result;
}

/* Whether the draws of a receipt become a model's file: without a name, if they were drawn as a model. */
static bool is_model(const struct drawn *drawn)
{
    return drawn->of_receipt && drawn->receipt.has_manifest && drawn->name == NULL;
}

/* From a receipt or lines. The name of a tied tensor stands for that of its draw. */
static enum sow_exit make_drawn(struct making *making)
{
    struct drawn *drawn = &making->drawn;
    struct sower_request request;
    enum sow_exit result = drawn_read(drawn, making->options, options_value(making->options, "name"));
    if (result == SOW_DONE && drawn->of_receipt && drawn->receipt.ledger == 0) {
        say_unrecorded(making->options);
    }
    if (result == SOW_DONE && is_model(drawn)) {
        result = make_drawn_model(making);
    } else if (result == SOW_DONE) {
        result = drawn_request(drawn, &request);
        result = result == SOW_DONE ? make(making, &request, NULL, NULL) : result;
        sodium_memzero(&request.seed, sizeof request.seed);
    }
    drawn_end(drawn);
    return result;
}

static enum sow_exit make_model(struct making *making)
{
    enum sow_exit result = model_request_read(&making->request, making->options, is_quiet(making->options));
    if (result == SOW_DONE) {
        say_unrecorded(making->options);
        result = make(making, NULL, &making->request.model, NULL);
    }
    model_request_free(&making->request);
    return result;
}

/* The seed of --seed, if it is given, replaces that of the request. */
static enum sow_exit set_seed(const struct options *options, struct sower_request *request)
{
    const char *seed = options_value(options, "seed");
    if (seed != NULL && (strlen(seed) != 2 * SOWER_SEED_SIZE ||
                         !sower_hex_read(seed, request->seed.bytes, SOWER_SEED_SIZE))) {
        return options_error(options, "--seed has 64 hexadecimal digits, in lower case.");
    }
    return SOW_DONE;
}

/* With a seed, the names stand for nothing: the elements do not depend on them then. */
static enum sow_exit make_tensor(struct making *making)
{
    static const struct tensor_default names[] = {{"experiment", "seed"}, {"name", "seed"}};
    const struct options *options = making->options;
    const bool seeded = options_value(options, "seed") != NULL;
    struct tensor_fields fields;
    struct sower_request request;
    enum sow_exit result = tensor_collect_with(options, names, seeded ? 2 : 0, &fields)
                               ? tensor_request(options, &fields, &request)
                               : SOW_USAGE;
    result = result == SOW_DONE ? set_seed(options, &request) : result;
    if (result == SOW_DONE && seeded && request.format == SOWER_FORMAT_SAFETENSORS) {
        result = options_error(options,
                               "a safetensors file has the names of its tensors, and a seed has none: use "
                               "--format npy or raw.");
    }
    if (result == SOW_DONE) {
        say_unrecorded(options);
        result = make(making, &request, NULL, NULL);
    }
    sodium_memzero(&request.seed, sizeof request.seed);
    return result;
}

/* Whether an option is given that does not apply; it is reported. */
static bool is_mixed(const struct options *options)
{
    static const char *const of_draws[] = {"experiment",   "trial",      "spec",   "manifest", "like",
                                           "init",         "shape",      "dtype",  "layout",   "in-axis",
                                           "out-axis",     "batch-axis", "fan-in", "fan-out",  "zero-rows",
                                           "zero-columns", "seed",       NULL};
    static const char *const of_tensors[] = {"name", "shape", "dtype", "slice", "format", "seed", NULL};
    static const char *const of_models[] = {"tensors", "part", NULL};
    static const char *const of_names[] = {"experiment", "trial", "name", "root-key-file",
                                           "tensors",    "part",  NULL};
    const bool drawn = drawn_is_given(options), model = model_request_given(options);
    const bool seeded = options_value(options, "seed") != NULL;
    const char *const *names = drawn ? of_draws : model ? of_tensors : seeded ? of_names : of_models;
    while (*names != NULL && options_value(options, *names) == NULL) {
        names++;
    }
    const char *wrong = *names == NULL && !model ? manifest_options_given(options) : *names;
    if (wrong != NULL) {
        options_error(options, "--%s %s.", wrong,
                      drawn    ? "does not apply: the receipt or the line says it"
                      : model  ? "applies only to one tensor, not to a model"
                      : seeded ? "does not apply: the seed of one tensor stands for all names"
                               : "applies only to a model (--manifest FILE, --like FILE or --receipt FILE)");
    }
    return wrong != NULL;
}

static enum sow_exit run(const struct options *options)
{
    struct making *making = calloc(1, sizeof *making);
    const char *path = options_value(options, "output");
    enum sow_exit result = SOW_USAGE;
    if (making == NULL) {
        return report_memory(options);
    }
    making->options = options;
    making->path = path == NULL || strcmp(path, "-") == 0 ? NULL : path;
    if (is_mixed(options)) {
        result = SOW_USAGE;
    } else if (is_quiet(options) && options_value(options, "progress") != NULL) {
        options_error(options, "--quiet contradicts --progress.");
    } else if (path == NULL && isatty(STDOUT_FILENO)) {
        options_error(options, "a terminal cannot show a tensor: name a file with -o FILE, or use a pipe.");
    } else {
        result = drawn_is_given(options)        ? make_drawn(making)
                 : model_request_given(options) ? make_model(making)
                                                : make_tensor(making);
    }
    free(making);
    return result;
}

const struct command command_derive = {
    .name = "derive",
    .summary = "compute a tensor or a model on this machine, without a daemon",
    .synopsis =
        "(--receipt FILE | --line FILE | --experiment TEXT [--trial N] (--name TEXT --shape SIZES --init "
        "EXPRESSION | --manifest FILE | --like FILE) | --seed HEX --shape SIZES --init EXPRESSION) [-o FILE] "
        "[option …]",
    .description =
        "Computes the same bytes as sow get or sow model, on all cores, without a daemon: from the receipt "
        "of "
        "POST /v1/draws or a line of the ledger, which have the seeds, from the seed of one tensor, or from "
        "the "
        "fields of a tensor or a manifest, under the public root or that of --root-key-file. Nothing is "
        "recorded. A receipt and a "
        "line are of draws that are recorded already; otherwise sow says on stderr that the draw is not.",
    .examples = "  curl -sSf http://127.0.0.1:7697/v1/draws --data @model.json >receipt.json\n"
                "  sow derive --receipt receipt.json -o model.safetensors\n"
                "  sow derive --receipt receipt.json -n wte.weight --shard 0:3/8 -o wte.3.npy\n"
                "  sow derive -e exp-42 -n w -s 4096,4096 -i he_normal -o w.npy\n",
    .groups = GROUPS,
    .run = run,
};
