#include "proto/record_read.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "proto/fields.h"
#include "proto/json.h"
#include "proto/members.h"
#include "proto/record_scan.h"
#include "proto/text.h"
#include "proto/time.h"

static bool read_kind(const struct sower_member *member, const json_t *value, void *place,
                      struct sower_problem *problem)
{
    const char *name = json_string_value(value);
    for (enum sower_record_kind kind = SOWER_RECORD_DRAW; name != NULL && kind <= SOWER_RECORD_UNPIN;
         kind++) {
        if (strcmp(name, sower_record_kind_name(kind)) == 0) {
            *(enum sower_record_kind *)place = kind;
            return true;
        }
    }
    return sower_member_refuse(member, value, "one of \"draw\", \"trials\", \"pin\" and \"unpin\"", problem);
}

static bool read_spec(const struct sower_member *member, const json_t *value, void *place,
                      struct sower_problem *problem)
{
    json_int_t spec = json_integer_value(value);
    if (!json_is_integer(value) || spec < 1 || spec > INT32_MAX) {
        return sower_member_refuse(member, value, "the number of a spec", problem);
    }
    *(unsigned *)place = (unsigned)spec;
    return true;
}

/* [4096,4096] as "4096,4096". */
static bool read_shape(const struct sower_member *member, const json_t *value, void *place,
                       struct sower_problem *problem)
{
    char *text = place;
    size_t length = 0, axis;
    const json_t *size;
    bool good = json_is_array(value) && json_array_size(value) <= SOWER_RANK_MAX;
    text[0] = '\0';
    json_array_foreach(value, axis, size)
    {
        good = good && json_is_integer(size) && json_integer_value(size) >= 0;
        if (good) {
            length += (size_t)snprintf(text + length, member->size - length, "%s%" JSON_INTEGER_FORMAT,
                                       axis == 0 ? "" : ",", json_integer_value(size));
        }
    }
    return good ||
           sower_member_refuse(member, value, "an array of at most 8 whole numbers from 0 on", problem);
}

static bool read_manifest(const struct sower_member *member, const json_t *value, void *place,
                          struct sower_problem *problem)
{
    struct sower_record *record = place;
    const struct sower_member hash = {member->name, sower_member_hex, 0, sizeof record->manifest, false};
    record->has_manifest = true;
    return sower_member_hex(&hash, value, record->manifest, problem);
}

#define PLACE(member) offsetof(struct sower_record, member)
#define SIZE(member) sizeof((struct sower_record *)NULL)->member
#define BYTES(name, member)                                                                                  \
    {                                                                                                        \
        name, sower_member_hex, PLACE(member), SIZE(member), false                                           \
    }
#define TEXT(name, member)                                                                                   \
    {                                                                                                        \
        name, sower_member_text, PLACE(member), SIZE(member), false                                          \
    }
#define NUMBER(name, member, least)                                                                          \
    {                                                                                                        \
        name, sower_member_number, PLACE(member), least, false                                               \
    }

#define OWNER BYTES("root", root_id), TEXT("experiment", experiment)

/* The members of every line. */
#define LINE                                                                                                 \
    NUMBER("ledger", ledger, 1), {"time", sower_member_time, PLACE(time), 0, false},                         \
        {"kind", read_kind, PLACE(kind), 0, false}, OWNER, BYTES("writer", place.writer),                    \
        NUMBER("sequence", place.sequence, 1), BYTES("link", place.link)

#define DRAW                                                                                                 \
    BYTES("draw", draw), BYTES("seed", seed), {"spec", read_spec, PLACE(spec), 0, false},                    \
        NUMBER("trial", trial, 0), TEXT("name", name),                                                       \
        {"shape", read_shape, PLACE(shape), SIZE(shape), false}, TEXT("dtype", dtype),                       \
        TEXT("init", initializer), TEXT("layout", layout)

static const struct sower_member draw_members[] = {
    LINE,
    DRAW,
    {"manifest", read_manifest, 0, 0, true},
    {"drift", sower_member_number, PLACE(drift), 1, true},
    {0},
};

/* A line's number, or null: the draw is not recorded, or does not drift. */
static bool read_line(const struct sower_member *member, const json_t *value, void *place,
                      struct sower_problem *problem)
{
    const struct sower_member number = {member->name, sower_member_number, 0, 1, true};
    return json_is_null(value) || sower_member_number(&number, value, place, problem);
}

/* The members that describe a draw, for a draw that is not on a line of its own. */
static const struct sower_member described_members[] = {
    OWNER,
    DRAW,
    {"ledger", read_line, PLACE(ledger), 1, true},
    {"manifest", read_manifest, 0, 0, true},
    {"drift", read_line, PLACE(drift), 1, true},
    {0},
};

static const struct sower_member trials_members[] = {
    LINE,
    NUMBER("trial", trial, 0),
    NUMBER("count", count, 1),
    {"key", sower_member_text, PLACE(key), SIZE(key), true},
    {0},
};

static const struct sower_member pin_members[] = {LINE, {0}};

static const struct sower_member *const members_of[] = {
    [SOWER_RECORD_DRAW] = draw_members,
    [SOWER_RECORD_TRIALS] = trials_members,
    [SOWER_RECORD_PIN] = pin_members,
    [SOWER_RECORD_UNPIN] = pin_members,
};

bool sower_record_read(const json_t *line, struct sower_record *record, struct sower_problem *problem)
{
    static const struct sower_member kind = {"kind", read_kind, 0, 0, false};
    const json_t *value = json_object_get(line, "kind");
    memset(record, 0, sizeof *record);
    if (value == NULL) {
        return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "kind",
                                 "It must be a JSON object with a kind.");
    }
    return read_kind(&kind, value, &record->kind, problem) &&
           sower_members_read(line, members_of[record->kind], record, problem) &&
           sower_record_check(record, problem);
}

bool sower_record_read_text(const char *text, size_t length, struct sower_record *record,
                            struct sower_problem *problem)
{
    json_error_t error;
    if (sower_record_scan(text, length, record)) {
        return sower_record_check(record, problem);
    }
    json_t *line = sower_json_load(text, length, JSON_REJECT_DUPLICATES, &error);
    if (line == NULL) {
        return json_error_code(&error) == json_error_out_of_memory
                   ? sower_problem_memory(problem)
                   : sower_problem_set(problem, SOWER_PROBLEM_INVALID, "", "It is not JSON: %s.", error.text);
    }
    bool read = sower_record_read(line, record, problem);
    json_decref(line);
    return read;
}

static bool refuse(const char *member, const char *meaning, const char *text, struct sower_problem *problem)
{
    char quote[SOWER_QUOTE_SIZE];
    sower_text_quote(text, strlen(text), quote);
    return sower_problem_set(problem, SOWER_PROBLEM_INVALID, member, "%s must be %s; it is %s.", member,
                             meaning, quote);
}

static bool check_number(const char *member, uint64_t number, uint64_t least, uint64_t most,
                         struct sower_problem *problem)
{
    return (number >= least && number <= most) ||
           sower_problem_set(problem, SOWER_PROBLEM_INVALID, member,
                             "%s must be a whole number from %" PRIu64 " to %" PRIu64 "; it is %" PRIu64 ".",
                             member, least, most, number);
}

/* Printable ASCII, at least one character. */
static bool check_word(const char *member, const char *text, struct sower_problem *problem)
{
    const char *c = text;
    while (*c >= ' ' && *c <= '~') {
        c++;
    }
    return (*c == '\0' && c > text) || refuse(member, "printable ASCII", text, problem);
}

static bool check_shape(const char *text, struct sower_problem *problem)
{
    const char *at = text;
    size_t rank = 0;
    int64_t size;
    bool good = true;
    while (good && (*at != '\0' || rank > 0)) {
        size_t length = strcspn(at, ",");
        good = ++rank <= SOWER_RANK_MAX && sower_text_integer(at, length, &size) && size >= 0;
        at += length;
        if (*at == '\0') {
            break;
        }
        at++;
    }
    return good || refuse("shape", "at most 8 sizes, separated by commas", text, problem);
}

static bool check_draw(const struct sower_record *record, struct sower_problem *problem)
{
    return check_number("spec", record->spec, 1, INT32_MAX, problem) &&
           check_number("trial", record->trial, 0, SOWER_TRIAL_MAX, problem) &&
           check_number("drift", record->drift, 0, INT64_MAX, problem) &&
           (record->name[0] != '\0' || refuse("name", "text", record->name, problem)) &&
           check_shape(record->shape, problem) && check_word("dtype", record->dtype, problem) &&
           check_word("init", record->initializer, problem) && check_word("layout", record->layout, problem);
}

bool sower_record_check(const struct sower_record *record, struct sower_problem *problem)
{
    if (record->kind < SOWER_RECORD_DRAW || record->kind > SOWER_RECORD_UNPIN) {
        return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "kind", "There is no kind %d of line.",
                                 (int)record->kind);
    }
    if (record->time < SOWER_TIME_FIRST || record->time > SOWER_TIME_LAST) {
        return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "time",
                                 "time must be in the years 1000 to 9999; it is %" PRId64 " ms.",
                                 record->time);
    }
    return check_number("ledger", record->ledger, 1, INT64_MAX, problem) &&
           check_number("sequence", record->place.sequence, 1, INT64_MAX, problem) &&
           (record->experiment[0] != '\0' || refuse("experiment", "text", record->experiment, problem)) &&
           (record->kind != SOWER_RECORD_DRAW || check_draw(record, problem)) &&
           (record->kind != SOWER_RECORD_TRIALS ||
            (check_number("trial", record->trial, 0, SOWER_TRIAL_MAX, problem) &&
             check_number("count", record->count, 1, INT64_MAX, problem)));
}

bool sower_record_read_described(const json_t *draw, struct sower_record *record,
                                 struct sower_problem *problem)
{
    memset(record, 0, sizeof *record);
    record->kind = SOWER_RECORD_DRAW;
    return sower_members_read(draw, described_members, record, problem) && check_draw(record, problem);
}

static void add(struct sower_record_fields *fields, const char *key, size_t key_length, const char *value,
                size_t length)
{
    if (fields->count < SOWER_RECORD_FIELDS_MAX) {
        fields->pairs[fields->count++] = (struct sower_pair){key, key_length, value, length};
    }
}

static void add_text(struct sower_record_fields *fields, const char *key, const char *text)
{
    add(fields, key, strlen(key), text, strlen(text));
}

/* "oi,in_axis=0+1,fan_in=3" as layout=oi, in_axis=0,1 and fan_in=3. */
static void add_layout(struct sower_record_fields *fields, const char *text)
{
    size_t length = strcspn(text, ",");
    memcpy(fields->layout, text, strlen(text) + 1);
    for (char *c = fields->layout; *c != '\0'; c++) {
        *c = *c == '+' ? ',' : *c;
    }
    add(fields, "layout", strlen("layout"), fields->layout, length);
    while (text[length] == ',') {
        size_t key = length + 1, end = key + strcspn(text + key, ",");
        size_t value = key + strcspn(text + key, "=,");
        bool has_value = text[value] == '=';
        add(fields, fields->layout + key, value - key, has_value ? fields->layout + value + 1 : NULL,
            has_value ? end - value - 1 : 0);
        length = end;
    }
}

void sower_record_fields(const struct sower_record *record, struct sower_record_fields *fields)
{
    fields->count = 0;
    snprintf(fields->trial, sizeof fields->trial, "%" PRIu64, record->trial);
    snprintf(fields->spec, sizeof fields->spec, "%u", record->spec);
    add_text(fields, "experiment", record->experiment);
    add_text(fields, "trial", fields->trial);
    add_text(fields, "name", record->name);
    add_text(fields, "shape", record->shape);
    add_text(fields, "dtype", record->dtype);
    add_text(fields, "init", record->initializer);
    add_text(fields, "spec", fields->spec);
    add_layout(fields, record->layout);
}

static bool parse(const struct sower_record *record, const struct sower_seed *root,
                  struct sower_request *request, struct sower_problem *problem)
{
    struct sower_record_fields fields;
    json_t *object;
    sower_record_fields(record, &fields);
    bool parsed = sower_request_fields_from_pairs(fields.pairs, fields.count, &object, problem) &&
                  sower_request_parse(object, true, root, request, problem);
    json_decref(object);
    return parsed;
}

/* Refuses a record if a member differs from that of its request's own record. */
static bool compare(const struct sower_record *record, const struct sower_record *expected,
                    struct sower_problem *problem)
{
    const struct {
        const char *member;
        bool same;
    } members[] = {
        {"dtype", strcmp(record->dtype, expected->dtype) == 0},
        {"init", strcmp(record->initializer, expected->initializer) == 0},
        {"layout", strcmp(record->layout, expected->layout) == 0},
        {"seed", memcmp(&record->seed, &expected->seed, sizeof record->seed) == 0},
        {"draw", memcmp(&record->draw, &expected->draw, sizeof record->draw) == 0},
    };
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        if (!members[i].same) {
            return sower_problem_set(problem, SOWER_PROBLEM_UNPROCESSABLE, members[i].member,
                                     i < 3 ? "%s is not in its canonical form."
                                           : "%s does not follow from the other members.",
                                     members[i].member);
        }
    }
    return true;
}

bool sower_record_request(const struct sower_record *record, const struct sower_seed *root,
                          struct sower_request *request, bool *known, struct sower_problem *problem)
{
    struct sower_record expected;
    if (!parse(record, root, request, problem)) {
        return false;
    }
    *known = memcmp(&request->draw.root_id, &record->root_id, sizeof record->root_id) == 0;
    if (!*known) {
        request->draw.root_id = record->root_id;
        request->seed = record->seed;
    }
    sower_record_of(request, &expected);
    return compare(record, &expected, problem);
}
