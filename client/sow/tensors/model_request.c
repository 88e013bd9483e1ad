#include "client/sow/tensors/model_request.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

#include "client/sow/daemon/ask.h"
#include "client/sow/daemon/figures.h"
#include "client/sow/daemon/report.h"
#include "client/sow/tensors/like.h"
#include "client/sow/tensors/manifest_options.h"
#include "client/sow/tensors/root.h"
#include "client/sow/terminal/terminal.h"
#include "core/utf8.h"
#include "proto/hex.h"
#include "proto/json.h"
#include "proto/manifest_read.h"
#include "proto/text.h"

static const struct option_rule MODEL[] = {
    {"experiment", 'e', "TEXT", "the experiment, 1 to 256 bytes (default: the manifest's)"},
    {"trial", 't', "N", "the trial (default: the manifest's, else 0)"},
    {"manifest", 'm', "FILE", "the manifest: tensors, rules, defaults ('-': standard input)"},
    {"like", 0, "FILE",
     "names, shapes, dtypes and ties of a .safetensors file or a .safetensors.index.json; headers are "
     "enough"},
    {"spec", 0, "N", "require this version of the bit contract"},
    {0},
};

static const struct option_rule CHOICE[] = {
    {"tensors", 0, "GLOB", "only the tensors whose names match: 'layers.[0-3].*'"},
    {"part", 0, "N/COUNT", "one of COUNT parts, whole tensors split by bytes: 3/8"},
    {"shard", 0, "SHARD", "of every tensor the shard of one rank: 0:3/8 is axis 0, rank 3 of 8"},
    {0},
};

const struct option_group model_options = {"The model", MODEL};
const struct option_group model_options_choice = {"Which part of the model", CHOICE};

/* Enough for 256 warnings (one for each rule that matches nothing) of 400 characters, each escaped as six
 * bytes. */
enum { RESPONSE_SIZE_MAX = 1 << 20 };

/* Parses the text of the manifest file. */
static enum sow_exit parse_file(struct model_request *request, const char *path,
                                const struct sower_buffer *text)
{
    json_error_t error;
    request->manifest =
        text->failed ? NULL : sower_json_load(text->text, text->length, JSON_REJECT_DUPLICATES, &error);
    if (text->failed || (request->manifest == NULL && json_error_code(&error) == json_error_out_of_memory)) {
        return report_memory(request->options);
    }
    if (request->manifest == NULL) {
        return options_error(request->options, "%s is not a manifest: line %d, column %d: %s.", path,
                             error.line, error.column, error.text);
    }
    return json_is_object(request->manifest)
               ? SOW_DONE
               : options_error(request->options, "%s is not a manifest: it is not a JSON object.", path);
}

/* Reads the manifest file, unless there is a manifest already. Without a file the manifest is an empty object. */
static enum sow_exit read_file(struct model_request *request)
{
    const char *path = options_value(request->options, "manifest");
    struct sower_buffer text = {0};
    if (request->manifest != NULL) {
        return SOW_DONE;
    }
    if (path == NULL) {
        request->manifest = json_object();
        return request->manifest != NULL ? SOW_DONE : report_memory(request->options);
    }
    bool from_stdin = strcmp(path, "-") == 0;
    int file = from_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    enum sow_exit result =
        file >= 0 && sower_buffer_read(&text, file, SIZE_MAX)
            ? parse_file(request, path, &text)
            : options_error(request->options, "%s cannot be read: %s.", path, strerror(errno));
    if (!from_stdin && file >= 0) {
        close(file);
    }
    sower_buffer_free(&text);
    return result;
}

static void warn_left_out(const struct model_request *request, const json_t *left_out)
{
    if (json_array_size(left_out) > 0 && !request->quiet) {
        fprintf(stderr, "sow %s: %zu tensors of dtypes that Sower does not make are left out; the first is ",
                request->options->command->name, json_array_size(left_out));
        terminal_print(stderr, json_string_value(json_array_get(left_out, 0)));
        fputs(".\n", stderr);
    }
}

/* Adds the tensors of --like to the manifest. */
static enum sow_exit read_like(struct model_request *request)
{
    const char *path = options_value(request->options, "like");
    struct sower_buffer text = {0};
    struct sower_problem problem;
    if (path == NULL) {
        return SOW_DONE;
    }
    if (json_object_get(request->manifest, "tensors") != NULL) {
        return options_error(request->options,
                             "both --like and the manifest list tensors; leave one of them out.");
    }
    json_t *left_out = json_array();
    enum sow_exit result = SOW_DONE;
    if (!like_read(path, &text, left_out, &problem)) {
        result = report_problem(request->options, &problem);
        goto out;
    }
    warn_left_out(request, left_out);
    struct sower_buffer array = {0};
    sower_buffer_text(&array, "[");
    sower_buffer_bytes(&array, text.text, text.length);
    sower_buffer_text(&array, "]");
    json_error_t error; /* sow wrote this text, so only memory can run out */
    json_t *tensors = array.failed ? NULL : sower_json_load(array.text, array.length, 0, &error);
    sower_buffer_free(&array);
    if (json_object_set_new(request->manifest, "tensors", tensors) != 0) {
        result = report_memory(request->options);
    }
out:
    sower_buffer_free(&text);
    json_decref(left_out);
    return result;
}

/* The texts become JSON, which must be UTF-8. */
static enum sow_exit check_texts(const struct model_request *request)
{
    static const char *const names[] = {"experiment", "trial", "spec"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *text = options_value(request->options, names[i]);
        if (text != NULL && !sower_utf8_check(text, strlen(text))) {
            return options_error(request->options, "--%s must be valid UTF-8.", names[i]);
        }
    }
    return SOW_DONE;
}

/* Applies the options to the manifest, and prints it as the text that is sent. */
static enum sow_exit add_options(struct model_request *request)
{
    enum sow_exit result = manifest_options_apply(request->options, &request->manifest);
    if (result != SOW_DONE) {
        return result;
    }
    request->text = sower_json_text(request->manifest, JSON_COMPACT);
    return request->text != NULL ? SOW_DONE : report_memory(request->options);
}

/* A value of the metadata of a file that Sower has written: "sower.trial" for "trial". NULL: there is none. */
static const char *metadata_text(const json_t *metadata, const char *name)
{
    char key[32];
    snprintf(key, sizeof key, "sower.%s", name);
    return json_string_value(json_object_get(metadata, key));
}

static bool read_slices(const char *text, json_t **slices, struct sower_problem *problem)
{
    json_error_t error;
    if (text == NULL) {
        return true;
    }
    *slices = sower_json_load(text, strlen(text), JSON_REJECT_DUPLICATES, &error);
    if (*slices == NULL && json_error_code(&error) == json_error_out_of_memory) {
        return sower_problem_memory(problem);
    }
    return *slices != NULL || sower_problem_set(problem, SOWER_PROBLEM_INVALID, "slices",
                                                "The slices in the metadata are not JSON: %s.", error.text);
}

bool model_choice_read(const struct options *options, const json_t *metadata,
                       struct sower_model_choice *choice, struct sower_problem *problem)
{
    static const char *const names[] = {"tensors", "part", "shard"};
    const char *texts[3];
    for (size_t i = 0; i < 3; i++) {
        texts[i] = options_value(options, names[i]);
        texts[i] = texts[i] != NULL ? texts[i] : metadata_text(metadata, names[i]);
    }
    *choice = (struct sower_model_choice){.tensors = texts[0], .shard = texts[2]};
    if (texts[2] == NULL && !read_slices(metadata_text(metadata, "slices"), &choice->slices, problem)) {
        return false;
    }
    return texts[1] == NULL || sower_model_part_parse(texts[1], &choice->part, &choice->parts, problem);
}

/* Collects experiment, trial and spec from the command line, else from the manifest, as texts for a query. */
static enum sow_exit collect_asked(struct model_request *request, const struct sower_manifest *manifest)
{
    static const char *const names[] = {"experiment", "trial", "spec"};
    request->asked = json_object();
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *given = options_value(request->options, names[i]);
        const json_t *own = json_object_get(manifest->asked, names[i]);
        given = given != NULL ? given : metadata_text(request->metadata, names[i]);
        if (given == NULL && own == NULL) {
            continue;
        }
        sower_json_set(&request->asked, names[i],
                       given != NULL          ? json_string(given)
                       : json_is_integer(own) ? json_sprintf("%" JSON_INTEGER_FORMAT, json_integer_value(own))
                                              : json_incref((json_t *)own));
    }
    if (request->asked == NULL) {
        return report_memory(request->options);
    }
    return json_object_get(request->asked, "experiment") != NULL
               ? SOW_DONE
               : options_error(request->options, "--experiment is missing.");
}

static void print_warnings(const struct model_request *request)
{
    size_t i;
    json_t *warning;
    json_array_foreach(request->model.manifest.warnings, i, warning)
    {
        if (!request->quiet) {
            fprintf(stderr, "sow %s: warning: ", request->options->command->name);
            terminal_print(stderr, json_string_value(warning));
            fputc('\n', stderr);
        }
    }
}

/* Derives the model from the manifest. */
static enum sow_exit derive(struct model_request *request)
{
    struct sower_model_choice choice = {.slices = NULL};
    struct sower_manifest manifest;
    struct sower_problem problem;
    struct sower_seed root;
    enum sow_exit result = SOW_DONE;
    if (!sower_manifest_read(request->text, strlen(request->text), &manifest, &problem)) {
        if (strcmp(problem.field, "tensors") == 0) {
            problem.field[0] = '\0'; /* those of the manifest; the option --tensors is another field */
        }
        result = report_problem(request->options, &problem);
    } else {
        result = collect_asked(request, &manifest);
    }
    if (result == SOW_DONE &&
        (!model_choice_read(request->options, request->metadata, &choice, &problem) ||
         !root_read(request->options, &root, &problem) ||
         !sower_model_make(&request->model, &manifest, request->asked, true, &root, &choice, &problem))) {
        result = report_problem(request->options, &problem);
    }
    sodium_memzero(&root, sizeof root);
    json_decref(choice.slices);
    sower_manifest_free(&manifest);
    if (result == SOW_DONE) {
        sower_hex_print(request->model.manifest.hash, request->hash);
        print_warnings(request);
    }
    return result;
}

static void add_pair(struct model_request *request, const char *key, const char *value)
{
    if (value != NULL) {
        request->pairs[request->pair_count++] = (struct sower_pair){key, strlen(key), value, strlen(value)};
    }
}

static void collect_pairs(struct model_request *request)
{
    static const char *const asked[] = {"experiment", "trial", "spec"}, *const chosen[] = {"tensors", "part",
                                                                                           "shard"};
    add_pair(request, "manifest", request->hash);
    for (size_t i = 0; i < 3; i++) {
        add_pair(request, asked[i], json_string_value(json_object_get(request->asked, asked[i])));
        add_pair(request, chosen[i], options_value(request->options, chosen[i]));
    }
}

enum sow_exit model_request_store(const struct model_request *request)
{
    const struct http_request http_request = {
        .path = "/v1/manifests", .text = request->text, .text_size = strlen(request->text)};
    struct http_response response;
    enum sow_exit result;
    json_t *json = ask_json(request->options, &http_request, RESPONSE_SIZE_MAX, &response, &result);
    const struct sower_manifest *manifest = &request->model.manifest;
    char reason[FIGURES_REASON_SIZE];
    json_t *expected = json_pack("{s:s, s:I, s:I}", "manifest", request->hash, "tensors",
                                 (json_int_t)manifest->count, "bytes", (json_int_t)manifest->size);
    if (expected == NULL) {
        result = report_memory(request->options);
    } else if (json != NULL && !figures_match(json, expected, reason)) {
        result = report_mismatch(request->options, &response, reason);
    }
    json_decref(expected);
    json_decref(json);
    return result;
}

bool model_request_given(const struct options *options)
{
    return options_value(options, "manifest") != NULL || options_value(options, "like") != NULL;
}

static enum sow_exit read_request(struct model_request *request)
{
    enum sow_exit result = check_texts(request);
    result = result == SOW_DONE ? read_file(request) : result;
    result = result == SOW_DONE ? read_like(request) : result;
    result = result == SOW_DONE ? add_options(request) : result;
    result = result == SOW_DONE ? derive(request) : result;
    if (result == SOW_DONE) {
        collect_pairs(request);
    }
    return result;
}

enum sow_exit model_request_read(struct model_request *request, const struct options *options, bool quiet)
{
    *request = (struct model_request){.options = options, .quiet = quiet};
    return read_request(request);
}

enum sow_exit model_request_read_file(struct model_request *request, const struct options *options,
                                      const json_t *metadata, json_t *manifest)
{
    *request =
        (struct model_request){.options = options, .quiet = true, .metadata = metadata, .manifest = manifest};
    return read_request(request);
}

void model_request_free(struct model_request *request)
{
    sower_model_free(&request->model);
    json_decref(request->asked);
    json_decref(request->manifest);
    free(request->text);
}
