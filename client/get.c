/* sow get: one tensor, to a file or a pipe. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "http.h"
#include "output.h"
#include "progress.h"
#include "report.h"
#include "tensor.h"
#include "terminal.h"

static const struct option_rule GET[] = {
    {"output", 'o', "FILE", "write to FILE, whole or not at all ('-': standard output)"},
    {"quiet", 'q', NULL, "no progress, no warning and no summary"},
    {"progress", 'p', NULL, "show progress even where stderr is no terminal"},
    {"verbose", 'v', NULL, "say seed, draw and ledger line in full, also where stderr is no terminal"},
    {0},
};

static const struct option_group GET_OPTIONS = {"Output", GET};

static const struct option_group *const GROUPS[] = {
    &tensor_options_draw,
    &tensor_options_fans,
    &tensor_options_answer,
    &GET_OPTIONS,
    &http_options,
    &options_common,
    NULL,
};

/* A tensor on its way. */
struct getting {
    const struct options *options;
    const char *path; /* NULL: standard output */
    struct output output;
    struct progress progress;
    uint64_t done;
    /* Why the receiver stopped: the answer lacks something (a clause for report_stranger), or a write failed.
     */
    const char *lacking;
    int write_errno;
};

static bool begin(void *context, const struct http_answer *answer)
{
    struct getting *getting = context;
    if (*answer->seed == '\0') {
        getting->lacking = "without a Sower-Seed";
        return false;
    }
    if (answer->length < 0) {
        getting->lacking = "without a Content-Length, so that its end could not be checked";
        return false;
    }
    progress_expect(&getting->progress, (uint64_t)answer->length);
    return true;
}

static bool receive(void *context, const void *bytes, size_t size)
{
    struct getting *getting = context;
    if (!output_write(&getting->output, bytes, size)) {
        getting->write_errno = errno;
        return false;
    }
    getting->done += size;
    progress_update(&getting->progress, getting->done);
    return true;
}

static void tick(void *context)
{
    struct getting *getting = context;
    progress_update(&getting->progress, getting->done);
}

/* One line on a terminal; everything in full when it is asked for. */
static void summarize(const struct getting *getting, const struct http_answer *answer)
{
    const struct options *options = getting->options;
    bool verbose = options_value(options, "verbose") != NULL;
    if (options_value(options, "quiet") != NULL || (!verbose && !isatty(STDERR_FILENO))) {
        return;
    }
    char bytes[TERMINAL_QUANTITY_SIZE], rate[TERMINAL_QUANTITY_SIZE];
    double seconds = progress_seconds(&getting->progress);
    terminal_bytes((double)getting->done, bytes);
    terminal_bytes((double)getting->done / (seconds > 0 ? seconds : 1e-9), rate);
    if (verbose) {
        fprintf(stderr, "bytes   %" PRIu64 " (%s) in %.3f s, %s/s\nseed    ", getting->done, bytes, seconds,
                rate);
        terminal_print(stderr, answer->seed);
        fputs("\ndraw    ", stderr);
        terminal_print(stderr, answer->draw);
        fputs("\nledger  ", stderr);
        terminal_print(stderr, answer->ledger);
    } else {
        fprintf(stderr, "%s in %.2f s, %s/s  seed ", bytes, seconds, rate);
        terminal_cell(stderr, answer->seed, 13);
        fputs("  draw ", stderr);
        terminal_cell(stderr, answer->draw, 13);
        fputs("  ledger line ", stderr);
        terminal_print(stderr, answer->ledger);
    }
    fputc('\n', stderr);
}

/* Asks, and brings the answer into the output, which is open. */
static enum sow_exit transfer(struct getting *getting, const struct tensor_fields *fields)
{
    const struct options *options = getting->options;
    struct http_receiver receiver = {begin, receive, tick, getting, false};
    struct http_answer answer;
    struct http_question question = {
        .path = "/v1/tensor", .pairs = fields->pairs, .pair_count = fields->count};
    progress_begin(&getting->progress, options_value(options, "quiet") != NULL,
                   options_value(options, "progress") != NULL);
    enum http_end end = http_ask(options, &question, &receiver, &answer);
    if (end == HTTP_DONE) {
        progress_store(&getting->progress);
        getting->write_errno = output_finish(&getting->output) ? 0 : errno;
    }
    progress_end(&getting->progress);
    if (getting->write_errno != 0) {
        output_discard(&getting->output); /* before a broken pipe ends the program */
        return report_unwritten(options, getting->path, getting->write_errno);
    }
    if (getting->lacking != NULL) {
        return report_stranger(options, &answer, getting->lacking);
    }
    if (end != HTTP_DONE) {
        return report_answer(options, &answer);
    }
    if (options_value(options, "quiet") == NULL) {
        report_drift(options, &answer, "this tensor");
    }
    summarize(getting, &answer);
    return SOW_DONE;
}

static enum sow_exit run(const struct options *options)
{
    struct getting getting = {.options = options, .path = options_value(options, "output")};
    struct tensor_fields fields;
    if (!tensor_collect(options, &fields)) {
        return SOW_USAGE;
    }
    if (options_value(options, "quiet") != NULL &&
        (options_value(options, "progress") != NULL || options_value(options, "verbose") != NULL)) {
        return options_error(options, "--quiet contradicts --progress and --verbose.");
    }
    if (getting.path == NULL && isatty(STDOUT_FILENO)) {
        return options_error(options,
                             "a terminal cannot show a tensor: name a file with -o FILE, or pipe it on.");
    }
    if (getting.path != NULL && strcmp(getting.path, "-") == 0) {
        getting.path = NULL;
    }
    struct sower_request request;
    enum sow_exit result = tensor_request(options, &fields, &request);
    if (result != SOW_DONE) {
        return result;
    }
    if (!output_open(&getting.output, getting.path)) {
        return options_error(options, "cannot write %s: %s.", getting.path, strerror(errno));
    }
    result = transfer(&getting, &fields);
    output_discard(&getting.output);
    return result;
}

const struct command command_get = {
    .name = "get",
    .summary = "fetch one tensor",
    .synopsis =
        "--experiment TEXT [--trial N] --name TEXT --shape SIZES --init EXPRESSION [-o FILE] [option …]",
    .description = "Fetches the starting weights of one tensor, the same bits every time and everywhere, and "
                   "writes them to a file or to standard output. The daemon records the draw in its ledger "
                   "before it sends the first byte.",
    .examples = "  sow get -e exp-42 -n layers.0.weight -s 4096,4096 -i he_normal -o w.npy\n"
                "  sow get -e exp-42 -t 7 -n w -s 4096,1024 -i 'normal(std=0.02)' -d bf16 -f raw > w.bf16\n"
                "  # the rows of rank 3 of 8, the same bits as in the whole\n"
                "  sow get -e exp-42 -n w -s 4096,4096 -i he_normal --shard 0:3/8 -o w.3.npy\n",
    .groups = GROUPS,
    .run = run,
};
