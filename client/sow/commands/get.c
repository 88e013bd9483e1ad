/* sow get: fetches one tensor to a file or a pipe. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

#include "client/sow/daemon/http.h"
#include "client/sow/daemon/report.h"
#include "client/sow/tensors/download.h"
#include "client/sow/tensors/drift.h"
#include "client/sow/tensors/expected.h"
#include "client/sow/tensors/root.h"
#include "client/sow/tensors/tensor.h"
#include "client/sow/terminal/output.h"
#include "client/sow/terminal/progress.h"
#include "client/sow/terminal/terminal.h"

static const struct option_rule GET[] = {
    {"output", 'o', "FILE", "write to FILE, completely or not at all ('-': standard output)"},
    {"verify", 0, NULL, "compute every byte on this machine too, and compare"},
    {"quiet", 'q', NULL, "no progress, no warning and no summary"},
    {"progress", 'p', NULL, "show progress also when stderr is not a terminal"},
    {"verbose", 'v', NULL, "print size, time, seed, draw id and ledger line in full"},
    {0},
};

static const struct option_group GET_OPTIONS = {"Output", GET};

static const struct option_group *const GROUPS[] = {
    &tensor_options_draw,
    &tensor_options_fans,
    &tensor_options_zeros,
    &tensor_options_response,
    &GET_OPTIONS,
    &root_options,
    &http_options,
    &options_common,
    NULL,
};

/* A tensor that is being fetched. */
struct fetch {
    const struct options *options;
    const char *path; /* NULL: standard output */
    struct tensor_fields fields;
    struct sower_request request;
    struct expected expected;
    struct output output;
    struct progress progress;
    struct download download;
};

static bool is_quiet(const struct options *options)
{
    return options_value(options, "quiet") != NULL;
}

static void print_row(const char *label, const char *text)
{
    fprintf(stderr, "%-6s  ", label);
    terminal_print(stderr, text);
    fputc('\n', stderr);
}

/* Prints a summary: one line on a terminal, or all details with --verbose. */
static void summarize(const struct fetch *fetch)
{
    const struct http_response *response = &fetch->download.first;
    const uint64_t size = fetch->expected.size;
    char bytes[TERMINAL_QUANTITY_SIZE], rate[TERMINAL_QUANTITY_SIZE];
    double seconds = progress_seconds(&fetch->progress);
    terminal_bytes((double)size, bytes);
    terminal_bytes((double)size / (seconds > 0 ? seconds : 1e-9), rate);
    if (options_value(fetch->options, "verbose") != NULL) {
        fprintf(stderr, "bytes   %" PRIu64 " (%s) in %.3f s, %s/s\n", size, bytes, seconds, rate);
        print_row("server", response->address);
        print_row("root", fetch->expected.root_private ? "private, so the seed was not checked"
                          : fetch->expected.root_given ? "that of --root-key-file"
                                                       : "public");
        print_row("seed", response->fields[HTTP_SEED]);
        print_row("draw", response->fields[HTTP_DRAW]);
        print_row("ledger", response->fields[HTTP_LEDGER]);
    } else if (isatty(STDERR_FILENO)) {
        fprintf(stderr, "%s in %.2f s, %s/s  seed ", bytes, seconds, rate);
        terminal_cell(stderr, response->fields[HTTP_SEED], 13);
        fputs("  draw ", stderr);
        terminal_cell(stderr, response->fields[HTTP_DRAW], 13);
        fputs("  ledger line ", stderr);
        terminal_print(stderr, response->fields[HTTP_LEDGER]);
        fputs("  ", stderr);
        terminal_print(stderr, response->address);
        fputc('\n', stderr);
    }
}

/* Transfers the tensor to the output, which is open. */
static enum sow_exit transfer(struct fetch *fetch)
{
    const struct options *options = fetch->options;
    expected_of_tensor(&fetch->expected, &fetch->request, root_is_given(options));
    fetch->expected.derives = options_value(options, "verify") != NULL;
    fetch->download = (struct download){.options = options,
                                        .path = "/v1/tensor",
                                        .pairs = fetch->fields.pairs,
                                        .pair_count = fetch->fields.count,
                                        .jobs = 1,
                                        .expected = &fetch->expected,
                                        .output = &fetch->output,
                                        .progress = &fetch->progress};
    progress_begin(&fetch->progress, is_quiet(options), options_value(options, "progress") != NULL);
    enum sow_exit result = download_run(&fetch->download);
    if (result == SOW_DONE && !is_quiet(options)) {
        drift_report(options, &fetch->download.first, &fetch->request, NULL);
        summarize(fetch);
    }
    expected_end(&fetch->expected);
    return result;
}

static enum sow_exit get(struct fetch *fetch)
{
    const struct options *options = fetch->options;
    enum sow_exit result = tensor_request(options, &fetch->fields, &fetch->request);
    if (result != SOW_DONE) {
        return result;
    }
    if (!output_open(&fetch->output, fetch->path)) {
        return options_error(options, "cannot write %s: %s.", fetch->path, strerror(errno));
    }
    result = transfer(fetch);
    output_discard(&fetch->output);
    sodium_memzero(&fetch->request.seed, sizeof fetch->request.seed);
    return result;
}

static enum sow_exit run(const struct options *options)
{
    struct fetch *fetch = calloc(1, sizeof *fetch);
    const char *path = options_value(options, "output");
    enum sow_exit result = SOW_USAGE;
    if (fetch == NULL) {
        return report_memory(options);
    }
    fetch->options = options;
    fetch->path = path == NULL || strcmp(path, "-") == 0 ? NULL : path;
    if (!tensor_collect(options, &fetch->fields)) {
        result = SOW_USAGE;
    } else if (is_quiet(options) &&
               (options_value(options, "progress") != NULL || options_value(options, "verbose") != NULL)) {
        options_error(options, "--quiet contradicts --progress and --verbose.");
    } else if (path == NULL && isatty(STDOUT_FILENO)) {
        options_error(options, "a terminal cannot show a tensor: name a file with -o FILE, or use a pipe.");
    } else {
        result = get(fetch);
    }
    free(fetch);
    return result;
}

const struct command command_get = {
    .name = "get",
    .summary = "fetch one tensor",
    .synopsis =
        "--experiment TEXT [--trial N] --name TEXT --shape SIZES --init EXPRESSION [-o FILE] [option …]",
    .description =
        "Fetches the starting weights of one tensor and writes them to a file or to standard output. "
        "The bits are the same every time and on every machine. The response must match what sow "
        "knows about it: size, shape, type, header, draw id and seed; with --verify every byte. The "
        "daemon records the draw in its ledger before it sends the first byte.",
    .examples = "  sow get -e exp-42 -n layers.0.weight -s 4096,4096 -i he_normal -o w.npy\n"
                "  sow get -e exp-42 -t 7 -n w -s 4096,1024 -i 'normal(std=0.02)' -d bf16 -f raw > w.bf16\n"
                "  # the rows of rank 3 of 8, with the same bits as in the whole tensor\n"
                "  sow get -e exp-42 -n w -s 4096,4096 -i he_normal --shard 0:3/8 -o w.3.npy\n",
    .groups = GROUPS,
    .run = run,
};
