#include "proto/receipt_read.h"

#include <string.h>

#include "proto/json.h"
#include "proto/json_walker.h"
#include "proto/members.h"
#include "proto/record_read.h"

/* A receipt while it is being read. */
struct reading {
    struct sower_receipt *receipt;
    json_t *shared; /* the members that every draw of the receipt has in common, as those of a draw */
    sower_receipt_take *take;
    void *context;
    struct sower_problem *problem;
};

static bool read_spec(const struct sower_member *member, const json_t *value, void *place,
                      struct sower_problem *problem)
{
    const json_int_t spec = json_integer_value(value);
    if (!json_is_integer(value) || spec < 1 || spec > INT32_MAX) {
        return sower_member_refuse(member, value, "the number of a spec", problem);
    }
    *(unsigned *)place = (unsigned)spec;
    return true;
}

static bool read_manifest(const struct sower_member *member, const json_t *value, void *place,
                          struct sower_problem *problem)
{
    struct sower_receipt *receipt = place;
    const struct sower_member hash = {member->name, NULL, 0, sizeof receipt->manifest, false};
    receipt->has_manifest = !json_is_null(value);
    return !receipt->has_manifest || sower_member_hex(&hash, value, receipt->manifest, problem);
}

/* null: the draws are not recorded. */
static bool read_ledger(const struct sower_member *member, const json_t *value, void *place,
                        struct sower_problem *problem)
{
    return json_is_null(value) || sower_member_number(member, value, place, problem);
}

static bool read_ties(const struct sower_member *member, const json_t *value, void *place,
                      struct sower_problem *problem)
{
    const char *name;
    json_t *other;
    bool good = json_is_object(value);
    json_object_foreach((json_t *)value, name, other)
    {
        good = good && json_is_string(other);
    }
    if (!good) {
        return sower_member_refuse(member, value, "an object of names", problem);
    }
    *(json_t **)place = json_incref((json_t *)value);
    return true;
}

#define PLACE(member) offsetof(struct sower_receipt, member)
#define SIZE(member) sizeof((struct sower_receipt *)NULL)->member

static const struct sower_member MEMBERS[] = {
    {"experiment", sower_member_text, PLACE(experiment), SIZE(experiment), false},
    {"trial", sower_member_number, PLACE(trial), 0, false},
    {"root", sower_member_hex, PLACE(root_id), SIZE(root_id), false},
    {"spec", read_spec, PLACE(spec), 0, false},
    {"manifest", read_manifest, 0, 0, false},
    {"ledger", read_ledger, PLACE(ledger), 0, false},
    {"ties", read_ties, PLACE(ties), 0, false},
    {0},
};

/* Loads all members but the draws, and finds where those begin; 0: there are none. */
static json_t *read_members(struct sower_json_walker *walker, size_t *draws, struct sower_problem *problem)
{
    json_t *members = json_object();
    bool more = true, read = true;
    *draws = 0;
    while (read && more) {
        json_t *key = NULL, *value = NULL;
        read = sower_json_walker_next(walker, &more, &key, problem);
        if (read && more && *draws == 0 && strcmp(json_string_value(key), "draws") == 0) {
            *draws = walker->at;
            sower_json_walker_skip(walker);
        } else if (read && more) {
            value = sower_json_walker_load(walker, problem);
            read = value != NULL;
            sower_json_set(&members, json_string_value(key), value);
        }
        json_decref(key);
    }
    if (read && members == NULL) {
        read = sower_problem_memory(problem);
    }
    if (!read) {
        json_decref(members);
        return NULL;
    }
    return members;
}

static bool read_draw(struct reading *reading, json_t *draw)
{
    struct sower_record record;
    json_t *whole = json_incref(draw);
    if (!json_is_object(draw)) {
        json_decref(whole);
        return sower_problem_set(reading->problem, SOWER_PROBLEM_INVALID, "draws",
                                 "A draw must be an object.");
    }
    sower_json_set_missing(&whole, reading->shared);
    const bool read = whole != NULL ? sower_record_read_described(whole, &record, reading->problem)
                                    : sower_problem_memory(reading->problem);
    json_decref(whole);
    return read && reading->take(reading->context, &record, reading->problem);
}

static bool read_draws(struct reading *reading, const char *text, size_t length, size_t at)
{
    struct sower_json_walker walker;
    bool more = true, read = sower_json_walker_open(&walker, text, length, at, '[', reading->problem);
    while (read && more) {
        read = sower_json_walker_next(&walker, &more, NULL, reading->problem);
        if (read && more) {
            json_t *draw = sower_json_walker_load(&walker, reading->problem);
            read = draw != NULL && read_draw(reading, draw);
            json_decref(draw);
        }
    }
    return read;
}

/* The members of the receipt that are those of each of its draws. */
static json_t *shared_members(const json_t *members)
{
    static const char *const names[] = {"experiment", "trial", "root", "spec"};
    json_t *shared = json_object();
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        sower_json_set(&shared, names[i], json_incref(json_object_get(members, names[i])));
    }
    return shared;
}

bool sower_receipt_read(const char *text, size_t length, struct sower_receipt *receipt,
                        sower_receipt_take *take, void *context, struct sower_problem *problem)
{
    struct reading reading = {.receipt = receipt, .take = take, .context = context, .problem = problem};
    struct sower_json_walker walker;
    size_t draws;
    memset(receipt, 0, sizeof *receipt);
    if (!sower_json_walker_open(&walker, text, length, 0, '{', problem)) {
        return false;
    }
    json_t *members = read_members(&walker, &draws, problem);
    bool read = members != NULL && sower_members_read(members, MEMBERS, receipt, problem);
    if (read && draws == 0) {
        read = sower_problem_set(problem, SOWER_PROBLEM_INVALID, "draws", "draws is missing.");
    }
    if (read && !sower_json_walker_at_end(&walker)) {
        read = sower_problem_set(problem, SOWER_PROBLEM_INVALID, "", "There is text after the receipt.");
    }
    if (read) {
        reading.shared = shared_members(members);
        read = reading.shared != NULL ? read_draws(&reading, text, length, draws)
                                      : sower_problem_memory(problem);
    }
    json_decref(reading.shared);
    json_decref(members);
    return read;
}

const char *sower_receipt_name(const struct sower_receipt *receipt, const char *name)
{
    const char *other = json_string_value(json_object_get(receipt->ties, name));
    return other != NULL ? other : name;
}

void sower_receipt_free(struct sower_receipt *receipt)
{
    json_decref(receipt->ties);
    receipt->ties = NULL;
}
