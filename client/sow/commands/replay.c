/* sow replay: computes the tensors of ledger lines again. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>
#include <sodium.h>

#include "client/sow/daemon/http.h"
#include "client/sow/daemon/report.h"
#include "client/sow/ledger/records_read.h"
#include "client/sow/tensors/derive.h"
#include "client/sow/tensors/root.h"
#include "client/sow/terminal/terminal.h"
#include "proto/hex.h"
#include "proto/json.h"
#include "proto/record_read.h"
#include "proto/text.h"

static const struct option_rule REPLAY[] = {
    {"line", 'l', "N", "only line N"},
    {"output", 'o', "DIRECTORY", "write each tensor to DIRECTORY/LINE-NAME.npy"},
    {"online", 0, NULL, "request each tensor from the daemon too, and compare"},
    {0},
};

static const struct option_group REPLAY_OPTIONS = {"What to replay", REPLAY};

static const struct option_group *const GROUPS[] = {&REPLAY_OPTIONS, &root_options, &http_options,
                                                    &options_common, NULL};

enum { CONFLICT = 409, NAME_BYTES_MAX = 100, DIGEST_HEX_SIZE = 2 * DERIVE_DIGEST_SIZE + 1 };

/* A replay of ledger lines. */
struct replay {
    const struct options *options;
    struct derivation derivation;
    struct sower_seed root;
    uint64_t line;        /* the only line to replay; 0: all */
    bool differs;         /* a line differed */
    enum sow_exit result; /* the exit status that stopped it */
};

/* A response that is being received. */
struct comparison {
    char seed[HTTP_FIELD_SIZE], draw[HTTP_FIELD_SIZE];
    uint64_t size, left; /* expected bytes, and those still to be received */
    crypto_generichash_state state;
};

static bool begin(void *context, const struct http_response *response)
{
    struct comparison *comparison = context;
    memcpy(comparison->seed, response->fields[HTTP_SEED], sizeof comparison->seed);
    memcpy(comparison->draw, response->fields[HTTP_DRAW], sizeof comparison->draw);
    comparison->left = comparison->size;
    crypto_generichash_init(&comparison->state, NULL, 0, DERIVE_DIGEST_SIZE);
    return true;
}

static bool receive(void *context, const void *bytes, size_t size)
{
    struct comparison *comparison = context;
    bool fits = size <= comparison->left;
    comparison->left -= fits ? size : 0;
    /* Bytes beyond the expected ones change the digest too. */
    crypto_generichash_update(&comparison->state, bytes, size);
    return fits;
}

/* Whether the daemon refused this draw (409), for example because it drifts and its experiment was pinned
 * later. Then this line differs, and the next lines are still compared. When memory runs out, that is
 * reported and *result is the exit status. */
static bool is_refused(const struct replay *replay, const struct http_response *response,
                       struct sower_problem *differs, enum sow_exit *result)
{
    if (response->end != HTTP_REFUSED || response->status != CONFLICT) {
        return false;
    }
    json_error_t error;
    json_t *problem = sower_json_load(response->explanation, response->explanation_size, 0, &error);
    const char *detail = json_string_value(json_object_get(problem, "detail"));
    if (detail != NULL) {
        sower_problem_set(differs, SOWER_PROBLEM_INVALID, "", "the daemon refuses it: %s", detail);
    }
    bool memory = problem == NULL && json_error_code(&error) == json_error_out_of_memory;
    *result = memory ? report_memory(replay->options) : SOW_DONE;
    json_decref(problem);
    return detail != NULL || memory;
}

/* Describes how the response differs from the line and its tensor; NULL: no difference. */
static const char *find_difference(struct comparison *comparison, const struct sower_record *record,
                                   const uint8_t digest[DERIVE_DIGEST_SIZE])
{
    char seed[SOWER_HEX_SIZE], draw[SOWER_HEX_SIZE];
    uint8_t found[DERIVE_DIGEST_SIZE];
    sower_hex_print(record->seed.bytes, seed);
    sower_hex_print(record->draw.bytes, draw);
    crypto_generichash_final(&comparison->state, found, sizeof found);
    return strcmp(comparison->draw, draw) != 0              ? "the daemon's draw id differs"
           : strcmp(comparison->seed, seed) != 0            ? "the daemon's seed differs"
           : memcmp(found, digest, DERIVE_DIGEST_SIZE) != 0 ? "the daemon's bytes differ"
                                                            : NULL;
}

/* Requests the draw from the daemon and compares it. `differs` gets a sentence when something differs;
 * otherwise it stays empty. */
static enum sow_exit ask(const struct replay *replay, const struct sower_record *record, uint64_t size,
                         const uint8_t digest[DERIVE_DIGEST_SIZE], struct sower_problem *differs)
{
    struct sower_record_fields fields;
    struct comparison comparison = {.size = size};
    struct http_receiver receiver = {begin, receive, &comparison, false};
    struct http_response response;
    sower_record_fields(record, &fields);
    fields.pairs[fields.count++] = (struct sower_pair){"format", strlen("format"), "raw", strlen("raw")};
    struct http_request request = {.path = "/v1/tensor", .pairs = fields.pairs, .pair_count = fields.count};
    enum http_end end = http_ask(replay->options, &request, &receiver, &response);
    enum sow_exit result;
    if (is_refused(replay, &response, differs, &result)) {
        return result;
    }
    if (end != HTTP_DONE && end != HTTP_STOPPED) {
        report_failure(replay->options, "line %" PRIu64 " could not be compared.", record->ledger);
        return report_response(replay->options, &response);
    }
    const char *difference = find_difference(&comparison, record, digest);
    if (difference != NULL) {
        sower_problem_set(differs, SOWER_PROBLEM_INVALID, "", "%s", difference);
    }
    return SOW_DONE;
}

static void print(struct replay *replay, const struct sower_record *record,
                  const uint8_t digest[DERIVE_DIGEST_SIZE], const char *differs)
{
    char hex[DIGEST_HEX_SIZE] = "-";
    if (digest != NULL) {
        sower_hex_print(digest, hex);
    }
    printf("%" PRIu64 "\t", record->ledger);
    terminal_print(stdout, record->name);
    printf("\t%s\t", hex);
    terminal_print(stdout, differs != NULL ? differs : "ok");
    fputc('\n', stdout);
    fflush(stdout); /* show this line now: the next one may take long */
    replay->differs = replay->differs || differs != NULL;
}

/* The path of the output file: DIRECTORY/12-layers.0.weight.npy. Characters of the name that are unsafe in
 * a path become "_". NULL when no file is wanted or memory runs out. */
static char *print_path(const struct replay *replay, const struct sower_record *record)
{
    const char *directory = options_value(replay->options, "output");
    char *path = NULL;
    if (directory == NULL) {
        return NULL;
    }
    if (asprintf(&path, "%s/%" PRIu64 "-%.*s.npy", directory, record->ledger, NAME_BYTES_MAX, record->name) <
        0) {
        return NULL;
    }
    for (char *c = path + strlen(directory) + 1; *c != '\0'; c++) {
        bool plain = (*c >= '0' && *c <= '9') || (*c >= 'A' && *c <= 'Z') || (*c >= 'a' && *c <= 'z') ||
                     strchr("._-", *c) != NULL;
        *c = plain ? *c : '_';
    }
    return path;
}

/* Computes the tensor of a line whose fields agree with each other. */
static enum sow_exit make(struct replay *replay, const struct sower_record *record,
                          const struct sower_request *request)
{
    struct sower_problem problem, differs = {.sentence = ""};
    uint8_t digest[DERIVE_DIGEST_SIZE];
    char *path = print_path(replay, record);
    if (path == NULL && options_value(replay->options, "output") != NULL) {
        return report_memory(replay->options);
    }
    bool made = derive_tensor(&replay->derivation, request, path, digest, &problem);
    free(path);
    if (!made) {
        return report_failure(replay->options, "line %" PRIu64 ": %s", record->ledger, problem.sentence);
    }
    uint64_t size = sower_shape_count(&request->draw.shape) * sower_dtype_size(request->draw.dtype);
    enum sow_exit result = options_value(replay->options, "online") != NULL
                               ? ask(replay, record, size, digest, &differs)
                               : SOW_DONE;
    if (result == SOW_DONE) {
        print(replay, record, digest, differs.sentence[0] != '\0' ? differs.sentence : NULL);
    }
    return result;
}

static enum sow_exit replay_draw(struct replay *replay, const struct sower_record *record)
{
    struct sower_request request;
    struct sower_problem problem;
    bool known;
    if (!sower_record_request(record, &replay->root, &request, &known, &problem)) {
        if (problem.code == SOWER_PROBLEM_MEMORY) {
            return report_failure(replay->options, "line %" PRIu64 ": %s", record->ledger, problem.sentence);
        }
        print(replay, record, NULL, problem.sentence);
        return SOW_DONE;
    }
    /* A private root without its key: the seed cannot be derived, but the tensor can be computed from the
     * seed in the line. With --online the daemon confirms that seed. */
    if (!known && options_value(replay->options, "online") == NULL) {
        print(replay, record, NULL, "root is private, so its key is needed (--root-key-file)");
        return SOW_DONE;
    }
    return make(replay, record, &request);
}

static bool take(void *context, const struct sower_record *record)
{
    struct replay *replay = context;
    if (replay->line != 0 && record->ledger != replay->line) {
        return true;
    }
    if (record->kind != SOWER_RECORD_DRAW) {
        fprintf(stderr, "line %" PRIu64 " is of kind %s: it has no tensor.\n", record->ledger,
                sower_record_kind_name(record->kind));
    } else {
        replay->result = replay_draw(replay, record);
    }
    return replay->result == SOW_DONE && replay->line == 0;
}

static enum sow_exit replay_all(struct replay *replay, const char *path)
{
    struct records records = {.options = replay->options, .take = take, .context = replay};
    enum records_end end = records_read(&records, path);
    if (end == RECORDS_FAILED || replay->result != SOW_DONE) {
        return end == RECORDS_FAILED ? records.result : replay->result;
    }
    if (end == RECORDS_MALFORMED) {
        report_failure(replay->options, "%s: line %" PRIu64 " is not a ledger line. %s", records_name(path),
                       records.count + 1, records.problem.sentence);
        return records.problem.code == SOWER_PROBLEM_MEMORY ? SOW_TRANSPORT : SOW_REFUSED;
    }
    if (replay->line != 0 && end == RECORDS_DONE) {
        report_failure(replay->options, "%s has no line %" PRIu64 ".", records_name(path), replay->line);
        return SOW_REFUSED;
    }
    return replay->differs ? SOW_REFUSED : SOW_DONE;
}

static bool read_line_number(const struct options *options, uint64_t *line)
{
    const char *text = options_value(options, "line");
    int64_t number = 0;
    if (text != NULL && (!sower_text_integer(text, strlen(text), &number) || number < 1)) {
        options_error(options, "--line must be the number of a line, at least 1, not '%s'.", text);
        return false;
    }
    *line = (uint64_t)number;
    return true;
}

static enum sow_exit run(const struct options *options)
{
    struct replay replay = {.options = options};
    struct sower_problem problem;
    const char *path = options->operand != NULL ? options->operand : "-";
    const char *directory = options_value(options, "output");
    if (options->operand == NULL && isatty(STDIN_FILENO)) {
        return options_error(
            options, "FILE is missing: name a file with ledger lines, or pipe lines to standard input.");
    }
    if (directory != NULL && access(directory, W_OK | X_OK) != 0) {
        return options_error(options, "cannot write to the directory %s: %s.", directory, strerror(errno));
    }
    if (!read_line_number(options, &replay.line)) {
        return SOW_USAGE;
    }
    if (!root_read(options, &replay.root, &problem)) {
        return options_error(options, "%s", problem.sentence);
    }
    enum sow_exit result = derive_begin(&replay.derivation, 0, NULL, &problem)
                               ? replay_all(&replay, path)
                               : report_problem(options, &problem);
    derive_end(&replay.derivation);
    sodium_memzero(&replay.root, sizeof replay.root);
    return result;
}

const struct command command_replay = {
    .name = "replay",
    .summary = "compute the tensors of ledger lines again",
    .synopsis = "[FILE] [--line N] [-o DIRECTORY] [--online] [--root-key-file FILE]",
    .description =
        "Reads ledger lines from FILE (an export, or the SQLite database of the daemon) or from "
        "standard input, and computes each tensor again on this machine. The seed and the draw id "
        "must be those of the line. Prints the line number, the name, the BLAKE2b-256 digest of the "
        "elements, and 'ok' or what differs. With --online sow requests the same tensors from the "
        "daemon and compares everything; a line that the daemon refuses, such as a draw that drifts "
        "in an experiment that was pinned later, differs.",
    .examples = "  sow ledger -e exp-42 | sow replay\n"
                "  sow replay ledger.ndjson --line 17 -o .\n"
                "  sow replay ledger.ndjson --online\n",
    .operand = "FILE",
    .groups = GROUPS,
    .run = run,
};
