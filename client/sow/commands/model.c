/* sow model: fetches the tensors of a manifest as one safetensors file. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/sow/daemon/http.h"
#include "client/sow/daemon/report.h"
#include "client/sow/tensors/download.h"
#include "client/sow/tensors/drift.h"
#include "client/sow/tensors/expected.h"
#include "client/sow/tensors/manifest_options.h"
#include "client/sow/tensors/model_request.h"
#include "client/sow/tensors/root.h"
#include "client/sow/terminal/output.h"
#include "client/sow/terminal/progress.h"
#include "client/sow/terminal/terminal.h"
#include "proto/text.h"

static const struct option_rule OUTPUT[] = {
    {"output", 'o', "FILE", "write to FILE, completely or not at all ('-': standard output)"},
    {"jobs", 'j', "N", "number of connections (default 4; always 1 to standard output)"},
    {"verify", 0, NULL, "compute every byte on this machine too, and compare"},
    {"quiet", 'q', NULL, "no progress, no warnings and no summary"},
    {"progress", 'p', NULL, "show progress also when stderr is not a terminal"},
    {0},
};

static const struct option_group OUTPUT_OPTIONS = {"Output", OUTPUT};

static const struct option_group *const GROUPS[] = {
    &model_options, &manifest_options, &model_options_choice, &OUTPUT_OPTIONS,
    &root_options,  &http_options,     &options_common,       NULL,
};

enum { JOBS_DEFAULT = 4, SUMMARY_SHOWN = 4 };

/* A model that is being fetched. */
struct fetch {
    const struct options *options;
    struct model_request request;
    const char *path; /* NULL: standard output */
    struct expected expected;
    struct output output;
    struct progress progress;
    struct download download;
};

static bool is_quiet(const struct fetch *fetch)
{
    return options_value(fetch->options, "quiet") != NULL;
}

/* The layers that formulas used, for each list of blocks: "12 layers in h, 6 layers in decoder.layers". */
static void summarize_layers(const struct sower_manifest *manifest)
{
    const size_t count = json_array_size(manifest->towers);
    size_t i;
    json_t *tower;
    json_array_foreach(manifest->towers, i, tower)
    {
        if (i == SUMMARY_SHOWN) {
            break;
        }
        fprintf(stderr, "%s%" JSON_INTEGER_FORMAT " layers in ", i > 0 ? ", " : "",
                json_integer_value(json_object_get(tower, "layers")));
        terminal_print(stderr, json_string_value(json_object_get(tower, "blocks")));
    }
    if (count > SUMMARY_SHOWN) {
        fputs(", …", stderr);
    }
    fputs(count > 0 ? "\n" : "", stderr);
}

static void summarize_left_out(const struct sower_manifest *manifest)
{
    size_t i;
    json_t *name;
    if (manifest->left_out_count == 0) {
        return;
    }
    fprintf(stderr, "%zu tensor%s left out: ", manifest->left_out_count,
            manifest->left_out_count == 1 ? "" : "s");
    json_array_foreach(manifest->left_out, i, name)
    {
        if (i == SUMMARY_SHOWN) {
            break;
        }
        fputs(i > 0 ? ", " : "", stderr);
        terminal_print(stderr, json_string_value(name));
    }
    fputs(manifest->left_out_count > SUMMARY_SHOWN ? ", …\n" : "\n", stderr);
}

static void summarize(const struct fetch *fetch)
{
    const struct sower_model *model = &fetch->request.model;
    char bytes[TERMINAL_QUANTITY_SIZE], rate[TERMINAL_QUANTITY_SIZE], tied[32] = "";
    double seconds = progress_seconds(&fetch->progress), size = (double)fetch->expected.size;
    if (!isatty(STDERR_FILENO)) {
        return;
    }
    summarize_layers(&model->manifest);
    summarize_left_out(&model->manifest);
    if (model->tied_count > 0) {
        snprintf(tied, sizeof tied, "and %zu tied, ", model->tied_count);
    }
    fprintf(stderr, "%zu tensors, %s%s in %.2f s, %s/s  manifest %.12s…  ", model->count, tied,
            terminal_bytes(size, bytes), seconds, terminal_bytes(size / (seconds > 0 ? seconds : 1e-9), rate),
            fetch->request.hash);
    terminal_print(stderr, fetch->download.first.address);
    fputc('\n', stderr);
}

/* Transfers the file to the output, which is open. */
static enum sow_exit transfer(struct fetch *fetch, size_t jobs)
{
    const struct options *options = fetch->options;
    enum sow_exit result = model_request_store(&fetch->request);
    if (result != SOW_DONE) {
        return result;
    }
    expected_of_model(&fetch->expected, &fetch->request.model, root_is_given(options));
    fetch->expected.derives = options_value(options, "verify") != NULL;
    fetch->download = (struct download){.options = options,
                                        .path = "/v1/model",
                                        .pairs = fetch->request.pairs,
                                        .pair_count = fetch->request.pair_count,
                                        .jobs = fetch->output.temporary[0] == '\0' ? 1 : jobs,
                                        .expected = &fetch->expected,
                                        .output = &fetch->output,
                                        .progress = &fetch->progress};
    progress_begin(&fetch->progress, is_quiet(fetch), options_value(options, "progress") != NULL);
    result = download_run(&fetch->download);
    if (result == SOW_DONE && !is_quiet(fetch)) {
        drift_report(options, &fetch->download.first, NULL, &fetch->request.model);
        summarize(fetch);
    }
    expected_end(&fetch->expected);
    return result;
}

static bool read_jobs(const struct options *options, size_t *jobs)
{
    const char *text = options_value(options, "jobs");
    int64_t number = JOBS_DEFAULT;
    if (text != NULL &&
        (!sower_text_integer(text, strlen(text), &number) || number < 1 || number > DOWNLOAD_JOBS_MAX)) {
        options_error(options, "--jobs takes a whole number from 1 to %d.", DOWNLOAD_JOBS_MAX);
        return false;
    }
    *jobs = (size_t)number;
    return true;
}

static enum sow_exit fetch_model(struct fetch *fetch)
{
    size_t jobs;
    enum sow_exit result = read_jobs(fetch->options, &jobs)
                               ? model_request_read(&fetch->request, fetch->options, is_quiet(fetch))
                               : SOW_USAGE;
    if (result != SOW_DONE) {
        return result;
    }
    if (!output_open(&fetch->output, fetch->path)) {
        return options_error(fetch->options, "cannot write %s: %s.", fetch->path, strerror(errno));
    }
    result = transfer(fetch, jobs);
    output_discard(&fetch->output);
    return result;
}

static enum sow_exit run(const struct options *options)
{
    struct fetch *fetch = calloc(1, sizeof *fetch);
    enum sow_exit result = SOW_USAGE;
    if (fetch == NULL) {
        return report_memory(options);
    }
    const char *path = options_value(options, "output");
    fetch->options = options;
    fetch->path = path == NULL || strcmp(path, "-") == 0 ? NULL : path;
    if (!model_request_given(options)) {
        options_error(options, "name the tensors: --manifest FILE or --like FILE.");
    } else if (is_quiet(fetch) && options_value(options, "progress") != NULL) {
        options_error(options, "--quiet contradicts --progress.");
    } else if (path == NULL && isatty(STDOUT_FILENO)) {
        options_error(options, "a terminal cannot show a model: name a file with -o FILE.");
    } else {
        result = fetch_model(fetch);
        model_request_free(&fetch->request);
    }
    free(fetch);
    return result;
}

const struct command command_model = {
    .name = "model",
    .summary = "fetch a whole model as one safetensors file",
    .synopsis =
        "--experiment TEXT [--trial N] --manifest FILE | --like FILE [--recipe NAME] [-o FILE] [option …]",
    .description =
        "Fetches the starting weights of all tensors of a model as a safetensors file, which every "
        "framework loads. A manifest lists the tensors and says how they are initialized; or --like "
        "takes the tensors of an existing file, and a recipe initializes them. After a lost "
        "connection the transfer resumes. The daemon records all draws before it sends the first byte.",
    .examples = "  sow model -e exp-42 --like model.safetensors --recipe hf_gpt2 -o start.safetensors\n"
                "  sow model -e exp-42 -t 7 --manifest model.json -o start.safetensors --verify\n"
                "  # the shards of rank 3 of 8, and part 1 of 4 of the model\n"
                "  sow model -e exp-42 -m model.json --shard 0:3/8 -o rank3.safetensors\n"
                "  sow model -e exp-42 -m model.json --part 1/4 -o model-00002-of-00004.safetensors\n",
    .groups = GROUPS,
    .run = run,
};
