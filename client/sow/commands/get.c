/* sow get: one tensor, to a file or a pipe. */
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
    {"output", 'o', "FILE", "write to FILE, whole or not at all ('-': standard output)"},
    {"verify", 0, NULL, "derive every byte here as well, and compare"},
    {"quiet", 'q', NULL, "no progress, no warning and no summary"},
    {"progress", 'p', NULL, "show progress even where stderr is no terminal"},
    {"verbose", 'v', NULL, "say seed, draw and ledger line in full, also where stderr is no terminal"},
    {0},
};

static const struct option_group GET_OPTIONS = {"Output", GET};

static const struct option_group *const GROUPS[] = {
    &tensor_options_draw, &tensor_options_fans, &tensor_options_answer, &GET_OPTIONS,
    &root_options,        &http_options,        &options_common,        NULL,
};

/* A tensor on its way. */
struct getting {
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

/* One line on a terminal; everything in full when it is asked for. */
static void summarize(const struct getting *getting)
{
    const struct http_response *answer = &getting->download.first;
    const uint64_t size = getting->expected.size;
    char bytes[TERMINAL_QUANTITY_SIZE], rate[TERMINAL_QUANTITY_SIZE];
    double seconds = progress_seconds(&getting->progress);
    terminal_bytes((double)size, bytes);
    terminal_bytes((double)size / (seconds > 0 ? seconds : 1e-9), rate);
    if (options_value(getting->options, "verbose") != NULL) {
        fprintf(stderr, "bytes   %" PRIu64 " (%s) in %.3f s, %s/s\n", size, bytes, seconds, rate);
        print_row("server", answer->address);
        print_row("root", getting->expected.root_private ? "private, so its seed was not judged"
                          : getting->expected.root_given ? "that of --root-key-file"
                                                         : "public");
        print_row("seed", answer->fields[HTTP_SEED]);
        print_row("draw", answer->fields[HTTP_DRAW]);
        print_row("ledger", answer->fields[HTTP_LEDGER]);
    } else if (isatty(STDERR_FILENO)) {
        fprintf(stderr, "%s in %.2f s, %s/s  seed ", bytes, seconds, rate);
        terminal_cell(stderr, answer->fields[HTTP_SEED], 13);
        fputs("  draw ", stderr);
        terminal_cell(stderr, answer->fields[HTTP_DRAW], 13);
        fputs("  ledger line ", stderr);
        terminal_print(stderr, answer->fields[HTTP_LEDGER]);
        fputs("  ", stderr);
        terminal_print(stderr, answer->address);
        fputc('\n', stderr);
    }
}

/* Brings the tensor into the output, which is open. */
static enum sow_exit transfer(struct getting *getting)
{
    const struct options *options = getting->options;
    expected_of_tensor(&getting->expected, &getting->request, root_is_given(options));
    getting->expected.derives = options_value(options, "verify") != NULL;
    getting->download = (struct download){.options = options,
                                          .path = "/v1/tensor",
                                          .pairs = getting->fields.pairs,
                                          .pair_count = getting->fields.count,
                                          .jobs = 1,
                                          .expected = &getting->expected,
                                          .output = &getting->output,
                                          .progress = &getting->progress};
    progress_begin(&getting->progress, is_quiet(options), options_value(options, "progress") != NULL);
    enum sow_exit result = download_run(&getting->download);
    if (result == SOW_DONE && !is_quiet(options)) {
        drift_report(options, &getting->download.first, &getting->request, NULL);
        summarize(getting);
    }
    expected_end(&getting->expected);
    return result;
}

static enum sow_exit get(struct getting *getting)
{
    const struct options *options = getting->options;
    enum sow_exit result = tensor_request(options, &getting->fields, &getting->request);
    if (result != SOW_DONE) {
        return result;
    }
    if (!output_open(&getting->output, getting->path)) {
        return options_error(options, "cannot write %s: %s.", getting->path, strerror(errno));
    }
    result = transfer(getting);
    output_discard(&getting->output);
    sodium_memzero(&getting->request.seed, sizeof getting->request.seed);
    return result;
}

static enum sow_exit run(const struct options *options)
{
    struct getting *getting = calloc(1, sizeof *getting);
    const char *path = options_value(options, "output");
    enum sow_exit result = SOW_USAGE;
    if (getting == NULL) {
        return report_memory(options);
    }
    getting->options = options;
    getting->path = path == NULL || strcmp(path, "-") == 0 ? NULL : path;
    if (!tensor_collect(options, &getting->fields)) {
        result = SOW_USAGE;
    } else if (is_quiet(options) &&
               (options_value(options, "progress") != NULL || options_value(options, "verbose") != NULL)) {
        options_error(options, "--quiet contradicts --progress and --verbose.");
    } else if (path == NULL && isatty(STDOUT_FILENO)) {
        options_error(options, "a terminal cannot show a tensor: name a file with -o FILE, or pipe it on.");
    } else {
        result = get(getting);
    }
    free(getting);
    return result;
}

const struct command command_get = {
    .name = "get",
    .summary = "fetch one tensor",
    .synopsis =
        "--experiment TEXT [--trial N] --name TEXT --shape SIZES --init EXPRESSION [-o FILE] [option …]",
    .description =
        "Fetches the starting weights of one tensor, the same bits every time and everywhere, and "
        "writes them to a file or to standard output. The answer is held against what is known of it "
        "here: size, shape, type, header, draw id and seed; with --verify every byte. The daemon records "
        "the draw in its ledger before it sends the first byte.",
    .examples = "  sow get -e exp-42 -n layers.0.weight -s 4096,4096 -i he_normal -o w.npy\n"
                "  sow get -e exp-42 -t 7 -n w -s 4096,1024 -i 'normal(std=0.02)' -d bf16 -f raw > w.bf16\n"
                "  # the rows of rank 3 of 8, the same bits as in the whole\n"
                "  sow get -e exp-42 -n w -s 4096,4096 -i he_normal --shard 0:3/8 -o w.3.npy\n",
    .groups = GROUPS,
    .run = run,
};
