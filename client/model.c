/* sow model: the tensors of a manifest as one safetensors file.
 *
 * The manifest is read here first, by the daemon's own rules: what is wrong with it is told before anything
 * is asked, and where each tensor lies in the file is known. Then it is stored with the daemon, and the file
 * is fetched. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

#include "../proto/manifest_read.h"
#include "../proto/model.h"
#include "../proto/record.h"
#include "../proto/text.h"
#include "download.h"
#include "http.h"
#include "like.h"
#include "output.h"
#include "progress.h"
#include "recheck.h"
#include "report.h"
#include "root.h"
#include "terminal.h"

static const struct option_rule MODEL[] = {
    {"experiment", 'e', "TEXT", "the experiment, 1 to 256 bytes (default: the manifest's)"},
    {"trial", 't', "N", "the trial (default: the manifest's, else 0)"},
    {"manifest", 'm', "FILE", "the manifest: tensors, rules, defaults ('-': standard input)"},
    {"like", 0, "FILE", "names, shapes and dtypes of a .safetensors file or a .safetensors.index.json"},
    {"recipe", 'r', "NAME", "how to initialize: see sow recipes"},
    {"layers", 0, "N", "how many blocks the model has (default: as the names tell)"},
    {"init", 'i', "EXPRESSION", "for tensors that nothing else covers"},
    {"spec", 0, "N", "insist on this version of the bit contract"},
    {0},
};

static const struct option_rule CHOICE[] = {
    {"tensors", 0, "GLOB", "only the tensors whose names match: 'layers.[0-3].*'"},
    {"part", 0, "N/COUNT", "one of COUNT parts, whole tensors split by bytes: 3/8"},
    {"shard", 0, "SHARD", "of every tensor the part of one rank: 0:3/8 is axis 0, rank 3 of 8"},
    {0},
};

static const struct option_rule OUTPUT[] = {
    {"output", 'o', "FILE", "write to FILE, whole or not at all ('-': standard output)"},
    {"jobs", 'j', "N", "connections at once (default 4; 1 to standard output)"},
    {"verify", 0, NULL, "derive every byte here as well, and compare"},
    {"quiet", 'q', NULL, "no progress, no warnings and no summary"},
    {"progress", 'p', NULL, "show progress even where stderr is no terminal"},
    {0},
};

static const struct option_group MODEL_OPTIONS = {"The model", MODEL};
static const struct option_group CHOICE_OPTIONS = {"The part of it", CHOICE};
static const struct option_group OUTPUT_OPTIONS = {"Output", OUTPUT};

static const struct option_group *const GROUPS[] = {
    &MODEL_OPTIONS, &CHOICE_OPTIONS, &OUTPUT_OPTIONS, &root_options, &http_options, &options_common, NULL,
};

enum { PAIRS_MAX = 8, JOBS_DEFAULT = 4 };

/* A model on its way. */
struct fetch {
    const struct options *options;
    json_t *manifest;         /* as it is sent */
    char *text;               /* the same, printed */
    json_t *asked;            /* experiment, trial and spec, as texts */
    struct sower_model model; /* as derived here */
    char hash[SOWER_HEX_SIZE];
    struct sower_pair pairs[PAIRS_MAX];
    size_t pair_count;
    const char *path; /* NULL: standard output */
    struct output output;
    struct progress progress;
};

static bool is_quiet(const struct fetch *fetch)
{
    return options_value(fetch->options, "quiet") != NULL;
}

static enum sow_exit report_memory(const struct fetch *fetch)
{
    return report_failure(fetch->options, "out of memory.");
}

/* The manifest's file as JSON, or an empty object where there is none. */
static enum sow_exit read_file(struct fetch *fetch)
{
    const char *path = options_value(fetch->options, "manifest");
    json_error_t error;
    bool from_stdin = path != NULL && strcmp(path, "-") == 0;
    fetch->manifest = path == NULL ? json_object()
                      : from_stdin ? json_loadf(stdin, JSON_REJECT_DUPLICATES, &error)
                                   : json_load_file(path, JSON_REJECT_DUPLICATES, &error);
    if (fetch->manifest == NULL && path != NULL) {
        return options_error(fetch->options, "%s is no manifest: line %d, column %d: %s.", path, error.line,
                             error.column, error.text);
    }
    return json_is_object(fetch->manifest)
               ? SOW_DONE
               : options_error(fetch->options, "%s is no manifest: it holds no JSON object.",
                               path != NULL ? path : "");
}

static void tell_left_out(const struct fetch *fetch, const json_t *left_out)
{
    if (json_array_size(left_out) > 0 && !is_quiet(fetch)) {
        fprintf(stderr, "sow model: %zu tensors of integers are left out, the first is ",
                json_array_size(left_out));
        terminal_print(stderr, json_string_value(json_array_get(left_out, 0)));
        fputs(".\n", stderr);
    }
}

/* Puts the tensors of --like into the manifest. */
static enum sow_exit read_like(struct fetch *fetch)
{
    const char *path = options_value(fetch->options, "like");
    struct sower_buffer text = {0};
    struct sower_problem problem;
    if (path == NULL) {
        return SOW_DONE;
    }
    if (json_object_get(fetch->manifest, "tensors") != NULL) {
        return options_error(fetch->options, "--like and the manifest both give tensors; leave one out.");
    }
    json_t *left_out = json_array();
    enum sow_exit result = SOW_DONE;
    if (!like_read(path, &text, left_out, &problem)) {
        result = report_problem(fetch->options, &problem);
        goto out;
    }
    tell_left_out(fetch, left_out);
    struct sower_buffer array = {0};
    sower_buffer_text(&array, "[");
    sower_buffer_bytes(&array, text.text, text.length);
    sower_buffer_text(&array, "]");
    json_t *tensors = array.failed ? NULL : json_loadb(array.text, array.length, 0, NULL);
    sower_buffer_free(&array);
    if (json_object_set_new(fetch->manifest, "tensors", tensors) != 0) {
        result = report_memory(fetch);
    }
out:
    sower_buffer_free(&text);
    json_decref(left_out);
    return result;
}

/* What the command line says wins over the manifest's file. */
static enum sow_exit add_options(struct fetch *fetch)
{
    const struct options *options = fetch->options;
    const char *recipe = options_value(options, "recipe"), *init = options_value(options, "init"),
               *layers = options_value(options, "layers");
    int64_t number;
    bool added = true;
    if (layers != NULL && !sower_text_integer(layers, strlen(layers), &number)) {
        return options_error(options, "--layers takes a whole number, for example 12.");
    }
    if (recipe != NULL) {
        added = json_object_set_new(fetch->manifest, "recipe", json_string(recipe)) == 0;
    }
    if (layers != NULL && added) {
        added = json_object_set_new(fetch->manifest, "layers", json_integer(number)) == 0;
    }
    if (init != NULL && added) {
        json_t *defaults = json_object_get(fetch->manifest, "defaults");
        defaults = json_is_object(defaults) ? json_copy(defaults) : json_object();
        added = json_object_set_new(defaults, "init", json_string(init)) == 0 &&
                json_object_set(fetch->manifest, "defaults", defaults) == 0;
        json_decref(defaults);
    }
    fetch->text = added ? json_dumps(fetch->manifest, JSON_COMPACT) : NULL;
    return fetch->text != NULL ? SOW_DONE : report_memory(fetch);
}

/* Experiment, trial and spec: of the command line, else of the manifest; as texts, as a query has them. */
static enum sow_exit collect_asked(struct fetch *fetch, const struct sower_manifest *manifest)
{
    static const char *const names[] = {"experiment", "trial", "spec"};
    fetch->asked = json_object();
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *given = options_value(fetch->options, names[i]);
        const json_t *own = json_object_get(manifest->asked, names[i]);
        json_t *text = given != NULL          ? json_string(given)
                       : json_is_integer(own) ? json_sprintf("%" JSON_INTEGER_FORMAT, json_integer_value(own))
                                              : json_incref((json_t *)own);
        if (text != NULL && json_object_set_new(fetch->asked, names[i], text) != 0) {
            return report_memory(fetch);
        }
    }
    return json_object_get(fetch->asked, "experiment") != NULL
               ? SOW_DONE
               : options_error(fetch->options, "--experiment is missing.");
}

static void tell_warnings(const struct fetch *fetch)
{
    size_t i;
    json_t *warning;
    json_array_foreach(fetch->model.manifest.warnings, i, warning)
    {
        if (!is_quiet(fetch)) {
            fputs("sow model: warning: ", stderr);
            terminal_print(stderr, json_string_value(warning));
            fputc('\n', stderr);
        }
    }
}

/* Derives the model here. */
static enum sow_exit derive(struct fetch *fetch)
{
    struct sower_model_choice choice = {.tensors = options_value(fetch->options, "tensors"),
                                        .shard = options_value(fetch->options, "shard")};
    const char *part = options_value(fetch->options, "part");
    struct sower_manifest manifest;
    struct sower_problem problem;
    struct sower_seed root;
    enum sow_exit result = SOW_DONE;
    if (!sower_manifest_read(fetch->text, strlen(fetch->text), &manifest, &problem)) {
        result = report_problem(fetch->options, &problem);
    } else {
        result = collect_asked(fetch, &manifest);
    }
    if (result == SOW_DONE &&
        ((part != NULL && !sower_model_part_parse(part, &choice.part, &choice.parts, &problem)) ||
         !root_read(fetch->options, &root, &problem) ||
         !sower_model_make(&fetch->model, &manifest, fetch->asked, true, &root, &choice, &problem))) {
        result = report_problem(fetch->options, &problem);
    }
    sodium_memzero(&root, sizeof root);
    sower_manifest_free(&manifest);
    if (result == SOW_DONE) {
        sower_hex(fetch->model.manifest.hash, fetch->hash);
        tell_warnings(fetch);
    }
    return result;
}

static void add_pair(struct fetch *fetch, const char *key, const char *value)
{
    if (value != NULL) {
        fetch->pairs[fetch->pair_count++] = (struct sower_pair){key, strlen(key), value, strlen(value)};
    }
}

static void collect_pairs(struct fetch *fetch)
{
    static const char *const asked[] = {"experiment", "trial", "spec"}, *const chosen[] = {"tensors", "part",
                                                                                           "shard"};
    add_pair(fetch, "manifest", fetch->hash);
    for (size_t i = 0; i < 3; i++) {
        add_pair(fetch, asked[i], json_string_value(json_object_get(fetch->asked, asked[i])));
        add_pair(fetch, chosen[i], options_value(fetch->options, chosen[i]));
    }
}

static bool begin(void *context, const struct http_answer *answer)
{
    (void)context, (void)answer;
    return true;
}

static bool receive(void *context, const void *bytes, size_t size)
{
    sower_buffer_bytes(context, bytes, size);
    return true;
}

/* Stores the manifest with the daemon, which must find the same hash. */
static enum sow_exit store(const struct fetch *fetch)
{
    struct sower_buffer body = {0};
    struct http_receiver receiver = {begin, receive, NULL, &body};
    struct http_question question = {
        .path = "/v1/manifests", .text = fetch->text, .text_size = strlen(fetch->text)};
    struct http_answer answer;
    enum sow_exit result = SOW_DONE;
    if (http_ask(fetch->options, &question, &receiver, &answer) != HTTP_DONE) {
        result = report_answer(fetch->options, &answer);
    } else {
        json_t *json = body.failed ? NULL : json_loadb(body.text, body.length, 0, NULL);
        const char *hash = json_string_value(json_object_get(json, "manifest"));
        if (hash == NULL || strcmp(hash, fetch->hash) != 0) {
            result = report_stranger(fetch->options, &answer, "with another hash of the manifest");
        }
        json_decref(json);
    }
    sower_buffer_free(&body);
    return result;
}

/* Asks for the header alone: size and entity tag. All draws are recorded then. */
static enum sow_exit ask_head(const struct fetch *fetch, struct http_answer *answer)
{
    struct http_receiver receiver = {begin, receive, NULL, NULL};
    struct http_question question = {
        .path = "/v1/model", .pairs = fetch->pairs, .pair_count = fetch->pair_count, .head = true};
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
    fprintf(stderr, "%zu tensors, %s in %.2f s, %s/s  manifest %.12s…\n", fetch->model.count,
            terminal_bytes((double)size, bytes), seconds,
            terminal_bytes((double)size / (seconds > 0 ? seconds : 1e-9), rate), fetch->hash);
}

static enum sow_exit verify(struct fetch *fetch)
{
    struct sower_problem problem;
    if (options_value(fetch->options, "verify") == NULL) {
        return SOW_DONE;
    }
    progress_begin(&fetch->progress, is_quiet(fetch), options_value(fetch->options, "progress") != NULL);
    return recheck_file(fetch->output.temporary[0] != '\0' ? fetch->output.temporary : fetch->path,
                        &fetch->model, &fetch->progress, &problem)
               ? SOW_DONE
               : report_failure(fetch->options, "%s", problem.sentence);
}

/* Fetches the file into the output, which is open. */
static enum sow_exit transfer(struct fetch *fetch, size_t jobs)
{
    struct http_answer head;
    int write_errno = 0;
    enum sow_exit result = store(fetch);
    progress_begin(&fetch->progress, is_quiet(fetch), options_value(fetch->options, "progress") != NULL);
    if (result != SOW_DONE || (result = ask_head(fetch, &head)) != SOW_DONE) {
        return result;
    }
    bool known = (uint64_t)head.length == fetch->model.size;
    const struct download download = {
        .options = fetch->options,
        .path = "/v1/model",
        .pairs = fetch->pairs,
        .pair_count = fetch->pair_count,
        .etag = head.etag,
        .size = (uint64_t)head.length,
        .jobs = fetch->output.temporary[0] == '\0' ? 1 : jobs,
        .model = known ? &fetch->model : NULL,
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
    enum sow_exit result = read_jobs(fetch->options, &jobs) ? read_file(fetch) : SOW_USAGE;
    result = result == SOW_DONE ? read_like(fetch) : result;
    result = result == SOW_DONE ? add_options(fetch) : result;
    result = result == SOW_DONE ? derive(fetch) : result;
    if (result != SOW_DONE) {
        return result;
    }
    collect_pairs(fetch);
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
    if (options_value(options, "manifest") == NULL && options_value(options, "like") == NULL) {
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
    sower_model_free(&fetch.model);
    json_decref(fetch.asked);
    json_decref(fetch.manifest);
    free(fetch.text);
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
