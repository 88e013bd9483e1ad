#include "client/sow/ledger/audit.h"

#include <inttypes.h>
#include <search.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "proto/hex.h"

/* Messages show this many digits of the key of a writer. */
#define WRITER "%.16s\u2026"

static bool refuse(struct sower_problem *problem, const char *sentence, ...)
    __attribute__((format(printf, 2, 3)));

static bool refuse(struct sower_problem *problem, const char *sentence, ...)
{
    char text[sizeof problem->sentence];
    va_list arguments;
    va_start(arguments, sentence);
    vsnprintf(text, sizeof text, sentence, arguments);
    va_end(arguments);
    return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "", "%s", text);
}

static int compare(const void *one, const void *other)
{
    const struct audit_chain *a = one, *b = other;
    return memcmp(a->end.writer, b->end.writer, sizeof a->end.writer);
}

/* Starts a chain; NULL when memory runs out. */
static struct audit_chain *begin_chain(struct audit *audit, const uint8_t writer[SOWER_WRITER_SIZE])
{
    struct audit_chain *chain = calloc(1, sizeof *chain);
    if (chain == NULL) {
        return NULL;
    }
    memcpy(chain->end.writer, writer, sizeof chain->end.writer);
    for (size_t i = 0; i < audit->head_count; i++) {
        chain->head_ends[i] = sower_head_find(&audit->heads[i]->head, writer);
    }
    if (tsearch(chain, &audit->chains, compare) == NULL) {
        free(chain);
        return NULL;
    }
    audit->chain_count++;
    return chain;
}

static struct audit_chain *find_chain(const struct audit *audit, const uint8_t writer[SOWER_WRITER_SIZE])
{
    struct audit_chain key;
    memcpy(key.end.writer, writer, sizeof key.end.writer);
    void *found = tfind(&key, &audit->chains, compare);
    return found != NULL ? *(struct audit_chain **)found : NULL;
}

/* The chain of the line's writer; NULL when memory runs out. */
static struct audit_chain *chain_of(struct audit *audit, const struct sower_record *record)
{
    const uint8_t *writer = record->place.writer;
    if (audit->latest == NULL || memcmp(audit->latest->end.writer, writer, SOWER_WRITER_SIZE) != 0) {
        struct audit_chain *found = find_chain(audit, writer);
        audit->latest = found != NULL ? found : begin_chain(audit, writer);
    }
    return audit->latest;
}

static bool check_number(struct audit *audit, const struct sower_record *record,
                         struct sower_problem *problem)
{
    uint64_t expected = audit->lines + 1;
    if (record->ledger > expected) {
        audit->missing_line = expected;
        return refuse(problem, "line %" PRIu64 " is missing: line %" PRIu64 " is in its place.", expected,
                      record->ledger);
    }
    return record->ledger == expected ||
           refuse(problem, "a second line %" PRIu64 " was inserted after line %" PRIu64 ".", record->ledger,
                  audit->lines);
}

static bool check_sequence(const struct audit_chain *chain, const struct sower_record *record,
                           struct sower_problem *problem)
{
    uint64_t expected = chain->end.sequence + 1;
    char writer[SOWER_HEX_SIZE];
    sower_hex_print(chain->end.writer, writer);
    if (record->place.sequence == expected) {
        return true;
    }
    return record->place.sequence > expected
               ? refuse(problem,
                        "line %" PRIu64 " is out of order: it is number %" PRIu64 " of the chain of " WRITER
                        ", and number %" PRIu64 " of that chain is missing.",
                        record->ledger, record->place.sequence, writer, expected)
               : refuse(problem,
                        "line %" PRIu64 " was inserted or is out of order: it is number %" PRIu64
                        " of the chain of " WRITER ", which already has number %" PRIu64 ".",
                        record->ledger, record->place.sequence, writer, chain->end.sequence);
}

static bool check_link(const struct audit_chain *chain, const struct sower_record *record,
                       struct sower_problem *problem)
{
    uint8_t link[SOWER_LINK_SIZE];
    sower_chain_link(record, chain->end.link, link);
    if (memcmp(link, record->place.link, sizeof link) == 0) {
        return true;
    }
    return chain->end.sequence == 0
               ? refuse(problem, "line %" PRIu64 " was changed: its link does not match its content.",
                        record->ledger)
               : refuse(problem,
                        "line %" PRIu64
                        " was changed: its link does not match its content and the link of line %" PRIu64
                        ", the previous one in its chain.",
                        record->ledger, chain->ledger);
}

/* Checks the place of the line against a saved head. */
static bool check_head(const struct audit_head *saved, const struct sower_link *end,
                       const struct sower_record *record, struct sower_problem *problem)
{
    const struct sower_head *head = &saved->head;
    uint64_t until = end != NULL ? end->sequence : 0; /* lines of the chain in the head */
    if (end != NULL && record->place.sequence == until &&
        memcmp(end->link, record->place.link, SOWER_LINK_SIZE) != 0) {
        return refuse(problem,
                      "line %" PRIu64
                      " does not match %s: it, or a line before it in its chain, was changed, and "
                      "the links were recomputed.",
                      record->ledger, saved->name);
    }
    if (record->ledger <= head->ledger && record->place.sequence > until &&
        (end != NULL || sower_head_is_whole(head))) {
        return refuse(problem,
                      "line %" PRIu64 " was inserted: %s was signed when there were %" PRIu64
                      " lines, and this line is not one of them.",
                      record->ledger, saved->name, head->ledger);
    }
    return record->ledger <= head->ledger || record->place.sequence > until ||
           refuse(problem,
                  "line %" PRIu64 " is out of order: according to %s it is one of the first %" PRIu64
                  " lines.",
                  record->ledger, saved->name, head->ledger);
}

/* Checks the fields of a draw against each other. */
static bool check_draw(struct audit *audit, const struct sower_record *record, struct sower_problem *problem)
{
    struct sower_problem reason;
    bool known;
    if (!sower_judge_draw(&audit->judge, record, &known, &reason)) {
        return reason.code == SOWER_PROBLEM_MEMORY
                   ? sower_problem_memory(problem)
                   : refuse(problem, "line %" PRIu64 " is not true, although its link matches: %s",
                            record->ledger, reason.sentence);
    }
    audit->draws++;
    audit->other_root += !known;
    return true;
}

bool audit_line(struct audit *audit, const struct sower_record *record, struct sower_problem *problem)
{
    if (!check_number(audit, record, problem)) {
        return false;
    }
    struct audit_chain *chain = chain_of(audit, record);
    if (chain == NULL) {
        return sower_problem_memory(problem);
    }
    bool valid = check_sequence(chain, record, problem) && check_link(chain, record, problem);
    for (size_t i = 0; i < audit->head_count && valid; i++) {
        valid = check_head(audit->heads[i], chain->head_ends[i], record, problem);
    }
    if (!valid || (record->kind == SOWER_RECORD_DRAW && !check_draw(audit, record, problem))) {
        return false;
    }
    chain->end = record->place;
    chain->ledger = record->ledger;
    audit->lines++;
    return true;
}

bool audit_end(struct audit *audit, const struct sower_link *end, struct sower_problem *problem)
{
    static const struct sower_link nothing;
    char writer[SOWER_HEX_SIZE];
    const struct audit_chain *chain = find_chain(audit, end->writer);
    const struct sower_link *found = chain != NULL ? &chain->end : &nothing;
    sower_hex_print(end->writer, writer);
    if (end->sequence > found->sequence) {
        return refuse(problem,
                      "line %" PRIu64 " is missing: according to the database the chain of " WRITER
                      " ends with number %" PRIu64 ", but the lines end with number %" PRIu64 ".",
                      audit->lines + 1, writer, end->sequence, found->sequence);
    }
    return (end->sequence == found->sequence && memcmp(end->link, found->link, sizeof found->link) == 0) ||
           refuse(problem,
                  "line %" PRIu64 " was inserted or changed: according to the database the chain of " WRITER
                  " ends with number %" PRIu64 " and another link.",
                  chain != NULL ? chain->ledger : audit->lines, writer, end->sequence);
}

/* Checks that all lines of a saved head were read. */
static bool check_reached(const struct audit *audit, const struct audit_head *saved,
                          struct sower_problem *problem)
{
    if (audit->lines < saved->head.ledger) {
        return refuse(problem,
                      "line %" PRIu64
                      " is missing: the ledger ends before it, but %s was signed when there were "
                      "%" PRIu64 " lines.",
                      audit->lines + 1, saved->name, saved->head.ledger);
    }
    for (size_t i = 0; i < saved->head.count; i++) {
        const struct sower_link *end = &saved->head.chains[i];
        const struct audit_chain *chain = find_chain(audit, end->writer);
        uint64_t reached = chain != NULL ? chain->end.sequence : 0;
        if (reached < end->sequence) {
            char writer[SOWER_HEX_SIZE];
            sower_hex_print(end->writer, writer);
            return refuse(problem,
                          "number %" PRIu64 " of the chain of " WRITER
                          " is missing: according to %s the chain ends with number %" PRIu64 ".",
                          reached + 1, writer, saved->name, end->sequence);
        }
    }
    return true;
}

bool audit_finish(struct audit *audit, struct sower_problem *problem)
{
    for (size_t i = 0; i < audit->head_count; i++) {
        if (!check_reached(audit, audit->heads[i], problem)) {
            return false;
        }
    }
    return true;
}

/* The arguments of a walk over the tree. */
struct walk {
    void (*visit)(void *context, const struct audit_chain *chain);
    void *context;
};

static void visit_node(const void *node, VISIT which, void *closure)
{
    const struct walk *walk = closure;
    if (which == postorder || which == leaf) {
        walk->visit(walk->context, *(struct audit_chain *const *)node);
    }
}

void audit_visit(const struct audit *audit, void (*visit)(void *context, const struct audit_chain *chain),
                 void *context)
{
    struct walk walk = {visit, context};
    twalk_r(audit->chains, visit_node, &walk);
}

void audit_free(struct audit *audit)
{
    tdestroy(audit->chains, free);
    audit->chains = NULL;
    sodium_memzero(&audit->judge.root, sizeof audit->judge.root);
}
