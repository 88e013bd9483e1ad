/* sow model: the tensors of a manifest as one safetensors file. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../proto/text.h"
#include "download.h"
#include "http.h"
#include "model_request.h"
#include "output.h"
#include "progress.h"
#include "recheck.h"
#include "report.h"
#include "root.h"
#include "terminal.h"

static const struct option_rule OUTPUT[] = {
    {"output", 'o', "FILE", "write to FILE, whole or not at all ('-': standard output)"},
    {"jobs", 'j', "N", "connections at once (default 4; 1 to standard output)"},
    {"verify", 0, NULL, "derive every byte here as well, and compare"},
    {"quiet", 'q', NULL, "no progress, no warnings and no summary"},
    {"progress", 'p', NULL, "show progress even where stderr is no terminal"},
    {0},
};

static const struct option_group OUTPUT_OPTIONS = {"Output", OUTPUT};

static const struct option_group *const GROUPS[] = {
    &model_options, &model_options_choice, &OUTPUT_OPTIONS, &root_options, &http_options, &options_common,
    NULL,
};

enum { JOBS_DEFAULT = 4 };

/* A model on its way. */
struct fetch {
    const struct options *options;
    struct model_request request;
    const char *path; /* NULL: standard output */
    struct output output;
    struct progress progress;
};

static bool is_quiet(const struct fetch *fetch)
{
    return options_value(fetch->options, "quiet") != NULL;
}

static bool begin(void *context, const struct http_answer *answer)
{
    (void)context, (void)answer;
    return true;
}

static bool receive(void *context, const void *bytes, size_t size)
{
    (void)context, (void)bytes, (void)size;
    return true;
}

/* Asks for the header alone: size and entity tag, and whether a tensor drifts. Nothing is recorded yet. */
static enum sow_exit ask_head(const struct fetch *fetch, struct http_answer *answer)
{
    struct http_receiver receiver = {begin, receive, NULL, NULL, false};
    struct http_question question = {.path = "/v1/model",
                                     .pairs = fetch->request.pairs,
                                     .pair_count = fetch->request.pair_count,
                                     .head = true};
    if (http_ask(fetch->options, &question, &receiver, answer) == HTTP_DONE && answer->length > 0 &&
        *answer->etag != '\0') {
        return SOW_DONE;
    }
    if (answer->end == HTTP_DONE) {
        return report_stranger(fetch->options, answer, "without a Content-Length or an ETag");
    }
    if (answer->end == HTTP_REFUSED && answer->explanation_size == 0) {
        /* A HEAD has no body to explain itself; the same question as a GET has. */
        question.head = false;
        http_ask(fetch->options, &question, &receiver, answer);
    }
    return report_answer(fetch->options, answer);
}

static void summarize(const struct fetch *fetch, uint64_t size)
{
    char bytes[TERMINAL_QUANTITY_SIZE], rate[TERMINAL_QUANTITY_SIZE];
    double seconds = progress_seconds(&fetch->progress);
    if (is_quiet(fetch) || !isatty(STDERR_FILENO)) {
        return;
    }
    fprintf(stderr, "%zu tensors, %s in %.2f s, %s/s  manifest %.12s…\n", fetch->request.model.count,
            terminal_bytes((double)size, bytes), seconds,
            terminal_bytes((double)size / (seconds > 0 ? seconds : 1e-9), rate), fetch->request.hash);
}

static enum sow_exit verify(struct fetch *fetch)
{
    struct sower_problem problem;
    if (options_value(fetch->options, "verify") == NULL) {
        return SOW_DONE;
    }
    progress_begin(&fetch->progress, is_quiet(fetch), options_value(fetch->options, "progress") != NULL);
    return recheck_file(fetch->output.temporary[0] != '\0' ? fetch->output.temporary : fetch->path,
                        &fetch->request.model, &fetch->progress, &problem)
               ? SOW_DONE
               : report_failure(fetch->options, "%s", problem.sentence);
}

/* Fetches the file into the output, which is open. */
static enum sow_exit transfer(struct fetch *fetch, size_t jobs)
{
    struct http_answer head;
    int write_errno = 0;
    enum sow_exit result = model_request_store(&fetch->request);
    progress_begin(&fetch->progress, is_quiet(fetch), options_value(fetch->options, "progress") != NULL);
    if (result != SOW_DONE || (result = ask_head(fetch, &head)) != SOW_DONE) {
        return result;
    }
    bool known = (uint64_t)head.length == fetch->request.model.size;
    const struct download download = {
        .options = fetch->options,
        .path = "/v1/model",
        .pairs = fetch->request.pairs,
        .pair_count = fetch->request.pair_count,
        .etag = head.etag,
        .size = (uint64_t)head.length,
        .jobs = fetch->output.temporary[0] == '\0' ? 1 : jobs,
        .model = known ? &fetch->request.model : NULL,
        .output = &fetch->output,
        .progress = &fetch->progress,
    };
    progress_expect(&fetch->progress, download.size);
    result = download_run(&download, &write_errno);
    progress_end(&fetch->progress);
    if (result == SOW_DONE) {
        result = verify(fetch);
    }
    if (result == SOW_DONE && !output_finish(&fetch->output)) {
        write_errno = errno;
    }
    if (write_errno != 0) {
        output_discard(&fetch->output);
        return report_unwritten(fetch->options, fetch->path, write_errno);
    }
    if (result == SOW_DONE) {
        if (!is_quiet(fetch)) {
            report_drift(fetch->options, &head, "a tensor of this model");
        }
        summarize(fetch, download.size);
    }
    return result;
}

static bool read_jobs(const struct options *options, size_t *jobs)
{
    const char *text = options_value(options, "jobs");
    int64_t number = JOBS_DEFAULT;
    if (text != NULL &&
        (!sower_text_integer(text, strlen(text), &number) || number < 1 || number > DOWNLOAD_JOBS_MAX)) {
        options_error(options, "--jobs takes a number from 1 to %d.", DOWNLOAD_JOBS_MAX);
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
    struct fetch fetch = {.options = options, .path = options_value(options, "output")};
    bool to_stdout = fetch.path == NULL || strcmp(fetch.path, "-") == 0;
    if (!model_request_given(options)) {
        return options_error(options, "name the tensors: --manifest FILE or --like FILE.");
    }
    if (is_quiet(&fetch) && options_value(options, "progress") != NULL) {
        return options_error(options, "--quiet contradicts --progress.");
    }
    if (fetch.path == NULL && isatty(STDOUT_FILENO)) {
        return options_error(options, "a terminal cannot show a model: name a file with -o FILE.");
    }
    if (to_stdout && options_value(options, "verify") != NULL) {
        return options_error(options, "--verify needs a file to look at: -o FILE.");
    }
    fetch.path = to_stdout ? NULL : fetch.path;
    enum sow_exit result = fetch_model(&fetch);
    model_request_free(&fetch.request);
    return result;
}

const struct command command_model = {
    .name = "model",
    .summary = "fetch a whole model as one safetensors file",
    .synopsis =
        "--experiment TEXT [--trial N] --manifest FILE | --like FILE [--recipe NAME] [-o FILE] [option …]",
    .description =
        "Fetches the starting weights of all tensors of a model as a safetensors file that every framework "
        "loads. A manifest says which tensors there are and how they are initialized; or they are those of a "
        "file that exists, initialized anew by a recipe. A connection that breaks is taken up again. The "
        "daemon "
        "records all draws, in one piece, before it sends the first byte.",
    .examples = "  sow model -e exp-42 --like model.safetensors --recipe gpt2 -o start.safetensors\n"
                "  sow model -e exp-42 -t 7 --manifest model.json -o start.safetensors --verify\n"
                "  # what rank 3 of 8 keeps of every matrix, and stage 1 of 4 of a pipeline\n"
                "  sow model -e exp-42 -m model.json --shard 0:3/8 -o rank3.safetensors\n"
                "  sow model -e exp-42 -m model.json --part 1/4 -o model-00002-of-00004.safetensors\n",
    .groups = GROUPS,
    .run = run,
};
