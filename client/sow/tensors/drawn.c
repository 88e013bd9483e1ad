#include "client/sow/tensors/drawn.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>
#include <sodium.h>

#include "client/sow/daemon/lines.h"
#include "client/sow/daemon/report.h"
#include "client/sow/tensors/root.h"
#include "proto/hex.h"
#include "proto/json.h"
#include "proto/manifest_read.h"
#include "proto/record_read.h"
#include "proto/text.h"

static const struct option_rule DRAWN[] = {
    {"receipt", 0, "FILE", "the receipt of POST /v1/draws ('-': standard input)"},
    {"line", 'l', "FILE", "lines of a ledger, as /v1/ledger and sow ledger give them ('-': standard input)"},
    {0},
};

const struct option_group drawn_options = {"Draws that are recorded", DRAWN};

bool drawn_is_given(const struct options *options)
{
    return options_value(options, "receipt") != NULL || options_value(options, "line") != NULL;
}

/* ---- Reading -------------------------------------------------------------------------------------------- */

static void add_member(struct sower_buffer *buffer, const char *key, const char *text)
{
    sower_buffer_text(buffer, key);
    sower_buffer_string(buffer, text);
}

/* A field of a layout as in a manifest: layout is a text, the fans are numbers, all others are arrays of numbers. Their
 * characters are checked, because they become JSON. */
static bool add_layout_field(struct sower_buffer *buffer, const struct sower_pair *field)
{
    const bool is_text = field->key_length == 6 && memcmp(field->key, "layout", 6) == 0;
    const bool is_number = field->key_length > 4 && memcmp(field->key, "fan_", 4) == 0;
    for (size_t i = 0; i < field->key_length; i++) {
        if ((field->key[i] < 'a' || field->key[i] > 'z') && field->key[i] != '_') {
            return false;
        }
    }
    for (size_t i = 0; i < field->value_length; i++) {
        if (strchr(is_text ? "oi" : "0123456789-,", field->value[i]) == NULL) {
            return false;
        }
    }
    sower_buffer_text(buffer, ",\"");
    sower_buffer_bytes(buffer, field->key, field->key_length);
    sower_buffer_text(buffer, is_text ? "\":\"" : is_number ? "\":" : "\":[");
    sower_buffer_bytes(buffer, field->value != NULL ? field->value : "", field->value_length);
    sower_buffer_text(buffer, is_text ? "\"" : is_number ? "" : "]");
    return true;
}

/* Adds a draw to the tensors, as an element of a manifest. */
static bool add_tensor(struct drawn *drawn, const struct sower_record *record, struct sower_problem *problem)
{
    struct sower_buffer *tensors = &drawn->tensors;
    struct sower_record_fields fields;
    add_member(tensors, tensors->length > 0 ? ",{\"name\":" : "{\"name\":", record->name);
    sower_buffer_text(tensors, ",\"shape\":[");
    sower_buffer_text(tensors, record->shape);
    add_member(tensors, "],\"dtype\":", record->dtype);
    add_member(tensors, ",\"init\":", record->initializer);
    sower_record_fields(record, &fields);
    size_t layout = 0;
    while (layout < fields.count && strcmp(fields.pairs[layout].key, "spec") != 0) {
        layout++;
    }
    for (layout++; layout < fields.count; layout++) {
        if (!add_layout_field(tensors, &fields.pairs[layout])) {
            return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "layout", "The layout is malformed.");
        }
    }
    sower_buffer_text(tensors, "}");
    return !tensors->failed || sower_problem_memory(problem);
}

static bool add_seed(struct drawn *drawn, const struct sower_record *record, struct sower_problem *problem)
{
    if (drawn->count == drawn->capacity) {
        size_t capacity = drawn->capacity == 0 ? 64 : 2 * drawn->capacity;
        struct drawn_seed *seeds = realloc(drawn->seeds, capacity * sizeof *seeds);
        if (seeds == NULL) {
            return sower_problem_memory(problem);
        }
        drawn->seeds = seeds;
        drawn->capacity = capacity;
    }
    drawn->seeds[drawn->count++] = (struct drawn_seed){record->seed, record->draw};
    return true;
}

/* Collects the names of the draws that tied tensors are the same as, their shapes unknown. */
static bool collect_tied(struct drawn *drawn, struct sower_problem *problem)
{
    const char *name;
    json_t *other;
    drawn->shapes = json_object();
    json_object_foreach(drawn->receipt.ties, name, other)
    {
        sower_json_set(&drawn->shapes, json_string_value(other), json_null());
    }
    return drawn->shapes != NULL || sower_problem_memory(problem);
}

static bool note_shape(struct drawn *drawn, const struct sower_record *record, struct sower_problem *problem)
{
    if (json_object_get(drawn->shapes, record->name) != NULL) {
        sower_json_set(&drawn->shapes, record->name, json_string(record->shape));
    }
    return drawn->shapes != NULL || sower_problem_memory(problem);
}

/* Takes a draw of a receipt. */
static bool take_draw(void *context, const struct sower_record *record, struct sower_problem *problem)
{
    struct drawn *drawn = context;
    bool known;
    if (!sower_judge_draw(&drawn->judge, record, &known, problem)) {
        char quote[SOWER_QUOTE_SIZE];
        struct sower_problem reason = *problem;
        sower_text_quote(record->name, strlen(record->name), quote);
        return sower_problem_set(problem, reason.code, "", "The draw %s is wrong: %s", quote,
                                 reason.sentence);
    }
    if (drawn->name == NULL || strcmp(sower_receipt_name(&drawn->receipt, drawn->name), record->name) == 0) {
        if (drawn->kept && drawn->name != NULL) {
            return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "",
                                     "There is more than one draw of this name; leave only one of them.");
        }
        drawn->record = *record;
        drawn->kept = true;
    }
    return (drawn->count > 0 || collect_tied(drawn, problem)) && note_shape(drawn, record, problem) &&
           add_tensor(drawn, record, problem) && add_seed(drawn, record, problem);
}

/* Takes a draw of a line. All lines must have the same root, experiment, trial and spec. */
static bool take_line(struct drawn *drawn, const struct sower_record *record, struct sower_problem *problem)
{
    struct sower_receipt *receipt = &drawn->receipt;
    if (record->kind != SOWER_RECORD_DRAW) {
        return true;
    }
    if (drawn->count == 0) {
        receipt->root_id = record->root_id;
        memcpy(receipt->experiment, record->experiment, sizeof receipt->experiment);
        receipt->trial = record->trial;
        receipt->spec = record->spec;
    }
    if (memcmp(&receipt->root_id, &record->root_id, sizeof receipt->root_id) != 0 ||
        strcmp(receipt->experiment, record->experiment) != 0 || receipt->trial != record->trial ||
        receipt->spec != record->spec) {
        return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "",
                                 "The lines are of several experiments or trials; leave only those of one.");
    }
    return take_draw(drawn, record, problem);
}

/* The lines of a text. */
struct lines_reading {
    struct drawn *drawn;
    uint64_t count;
    struct sower_problem problem;
};

static bool take_text(void *context, const char *line, size_t size)
{
    struct lines_reading *reading = context;
    struct sower_record record;
    reading->count++;
    return sower_record_read_text(line, size, &record, &reading->problem) &&
           take_line(reading->drawn, &record, &reading->problem);
}

static bool read_lines(struct drawn *drawn, const struct sower_buffer *text, struct sower_problem *problem)
{
    struct lines_reading reading = {.drawn = drawn};
    struct lines lines = {.take = take_text, .context = &reading};
    if (lines_feed(&lines, text->text, text->length) && lines_end(&lines)) {
        return drawn->count > 0 ||
               sower_problem_set(problem, SOWER_PROBLEM_INVALID, "", "It has no line with a draw.");
    }
    return sower_problem_set(problem, lines.too_long ? SOWER_PROBLEM_INVALID : reading.problem.code, "",
                             "Line %" PRIu64 " is not right. %s", reading.count + lines.too_long,
                             lines.too_long ? "It is too long." : reading.problem.sentence);
}

/* Reads the file of an option; *failed says whether that was reported. */
static enum sow_exit read_file(const struct options *options, const char *path, struct sower_buffer *text)
{
    const bool from_stdin = strcmp(path, "-") == 0;
    int file = from_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    enum sow_exit result = SOW_DONE;
    if (file < 0 || !sower_buffer_read(text, file, SIZE_MAX)) {
        result = report_failure(options, "%s cannot be read: %s.", path, strerror(errno));
    } else if (text->failed) {
        result = report_memory(options);
    }
    if (!from_stdin && file >= 0) {
        close(file);
    }
    return result;
}

/* A wrong receipt or line is refused; a lack of memory is a failure. */
static enum sow_exit report_wrong(const struct drawn *drawn, const char *path,
                                  const struct sower_problem *problem)
{
    report_failure(drawn->options, "%s is not %s: %s", path,
                   drawn->of_receipt ? "a receipt that sow can use" : "lines of a ledger that sow can use",
                   problem->sentence);
    return problem->code == SOWER_PROBLEM_MEMORY ? SOW_TRANSPORT : SOW_REFUSED;
}

enum sow_exit drawn_read(struct drawn *drawn, const struct options *options, const char *name)
{
    const char *receipt = options_value(options, "receipt"), *line = options_value(options, "line");
    const char *path = receipt != NULL ? receipt : line;
    struct sower_buffer text = {0};
    struct sower_problem problem;
    struct sower_seed root;
    memset(drawn, 0, sizeof *drawn);
    drawn->options = options;
    drawn->of_receipt = receipt != NULL;
    drawn->name = name;
    if (receipt != NULL && line != NULL) {
        return options_error(options, "--receipt and --line contradict each other; leave one of them out.");
    }
    if (!root_read(options, &root, &problem)) {
        return options_error(options, "%s", problem.sentence);
    }
    sower_judge_begin(&drawn->judge, &root);
    sodium_memzero(&root, sizeof root);
    enum sow_exit result = read_file(options, path, &text);
    if (result == SOW_DONE) {
        const bool read = drawn->of_receipt ? sower_receipt_read(text.text, text.length, &drawn->receipt,
                                                                 take_draw, drawn, &problem)
                                            : read_lines(drawn, &text, &problem);
        result = read ? SOW_DONE : report_wrong(drawn, path, &problem);
    }
    sower_buffer_free(&text);
    return result;
}

void drawn_end(struct drawn *drawn)
{
    sower_receipt_free(&drawn->receipt);
    sower_buffer_free(&drawn->tensors);
    json_decref(drawn->shapes);
    free(drawn->seeds);
    sodium_memzero(&drawn->judge, sizeof drawn->judge);
}

/* ---- One tensor ----------------------------------------------------------------------------------------- */

/* Parses the fields of a record with the options for its region and format. */
static bool parse(const struct drawn *drawn, struct sower_request *request, struct sower_problem *problem)
{
    static const char *const names[] = {"slice", "shard", "format"};
    struct sower_record_fields fields;
    struct sower_pair pairs[SOWER_RECORD_FIELDS_MAX + sizeof names / sizeof names[0]];
    json_t *object;
    sower_record_fields(&drawn->record, &fields);
    memcpy(pairs, fields.pairs, fields.count * sizeof pairs[0]);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *value = options_value(drawn->options, names[i]);
        if (value != NULL) {
            pairs[fields.count++] = (struct sower_pair){names[i], strlen(names[i]), value, strlen(value)};
        }
    }
    struct sower_seed root = sower_seed_public_root();
    bool parsed = sower_request_fields_from_pairs(pairs, fields.count, &object, problem) &&
                  sower_request_parse(object, true, &root, request, problem);
    json_decref(object);
    return parsed;
}

enum sow_exit drawn_request(const struct drawn *drawn, struct sower_request *request)
{
    struct sower_problem problem;
    if (drawn->name != NULL && !drawn->kept) {
        report_failure(drawn->options, "there is no draw with the name \"%s\".", drawn->name);
        return SOW_REFUSED;
    }
    if (drawn->name == NULL && drawn->count != 1) {
        return options_error(drawn->options, "there are %zu draws; choose one with --name.", drawn->count);
    }
    if (!parse(drawn, request, &problem)) {
        return report_problem(drawn->options, &problem);
    }
    request->draw.root_id = drawn->record.root_id;
    request->seed = drawn->record.seed;
    return SOW_DONE;
}

/* ---- A model -------------------------------------------------------------------------------------------- */

/* Prints the manifest: the draws, and then the tied tensors. */
static void print_manifest(const struct drawn *drawn, struct sower_buffer *text)
{
    const char *name;
    json_t *other;
    sower_buffer_text(text, "{\"tensors\":[");
    sower_buffer_bytes(text, drawn->tensors.text, drawn->tensors.length);
    json_object_foreach(drawn->receipt.ties, name, other)
    {
        add_member(text, ",{\"name\":", name);
        add_member(text, ",\"same_as\":", json_string_value(other));
        sower_buffer_text(text, ",\"shape\":[");
        const char *shape = json_string_value(json_object_get(drawn->shapes, json_string_value(other)));
        sower_buffer_text(text, shape != NULL ? shape : "");
        sower_buffer_text(text, "]}");
    }
    sower_buffer_text(text, "]}");
}

/* Experiment, trial and spec of the draws. */
static json_t *asked(const struct sower_receipt *receipt)
{
    json_t *asked = json_object();
    sower_json_set(&asked, "experiment", json_string(receipt->experiment));
    sower_json_set(&asked, "trial", json_integer((json_int_t)receipt->trial));
    sower_json_set(&asked, "spec", json_integer((json_int_t)receipt->spec));
    return asked;
}

static bool make_model(const struct drawn *drawn, const struct sower_model_choice *choice,
                       struct sower_model *model, struct sower_problem *problem)
{
    struct sower_manifest manifest = {0};
    struct sower_buffer text = {0};
    struct sower_seed root = sower_seed_public_root();
    json_t *fields = asked(&drawn->receipt);
    print_manifest(drawn, &text);
    bool made = (!text.failed && fields != NULL) || sower_problem_memory(problem);
    made = made && sower_manifest_read(text.text, text.length, &manifest, problem);
    if (made && drawn->receipt.has_manifest) {
        memcpy(manifest.hash, drawn->receipt.manifest, sizeof manifest.hash);
    }
    made = made && sower_model_make(model, &manifest, fields, false, &root, choice, problem);
    if (made) {
        sower_model_set_root_id(model, &drawn->receipt.root_id);
    }
    sower_manifest_free(&manifest);
    sower_buffer_free(&text);
    json_decref(fields);
    return made;
}

enum sow_exit drawn_model(const struct drawn *drawn, const struct sower_model_choice *choice,
                          struct sower_model *model)
{
    struct sower_problem problem;
    memset(model, 0, sizeof *model);
    return make_model(drawn, choice, model, &problem) ? SOW_DONE : report_problem(drawn->options, &problem);
}

void drawn_set_seed(const struct drawn *drawn, const struct sower_model *model, size_t n,
                    struct sower_request *request)
{
    request->seed = drawn->seeds[model->tensors[n].number].seed;
}
