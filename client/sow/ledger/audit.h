/* Audits: checks that lines, taken in order, are a complete and unchanged ledger.
 *
 * Line numbers go up by one from 1, and so do the places in each chain. Every link is computed again from
 * its line and the previous link (proto/chain.h). That finds changes by someone who does not recompute
 * links. Someone who recomputes all links of a chain can be found only with a head that was saved before.
 * So for each saved head: each chain must contain the link that the head has for it, and each line that
 * existed at that time must be in a chain of the head.
 *
 * The line of a draw must also be true: its id must follow from its other fields, and so must its seed if
 * the root is known.
 *
 * Memory grows with the number of writers, not with the number of lines. */
#ifndef SOWER_CLIENT_SOW_LEDGER_AUDIT_H
#define SOWER_CLIENT_SOW_LEDGER_AUDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/sow/options.h"
#include "core/attributes.h"
#include "core/problem.h"
#include "proto/head.h"
#include "proto/judge.h"
#include "proto/record.h"

enum { AUDIT_HEADS_MAX = OPTION_REPEAT_MAX };

/* A head that was saved earlier. */
struct audit_head {
    struct sower_head head;
    const char *name; /* for messages */
};

/* A chain, up to the last line that was read. */
struct audit_chain {
    struct sower_link end;
    uint64_t ledger; /* the line number of its end */
    const struct sower_link
        *head_ends[AUDIT_HEADS_MAX]; /* its end in each saved head; NULL: not in that head */
};

struct audit {
    struct sower_judge judge; /* the root whose seeds can be checked */
    const struct audit_head *const *heads;
    size_t head_count;
    uint64_t lines;        /* correct lines so far */
    uint64_t draws;        /* draws among them */
    uint64_t other_root;   /* draws of another root, whose seeds were not checked */
    uint64_t missing_line; /* the number of the first line that is not in its place, and may follow later;
                              0: none */
    void *chains;          /* by writer (tsearch) */
    size_t chain_count;
    struct audit_chain *latest; /* the chain of the previous line */
};

/* Checks the next line. False with a problem that says which line is wrong, and why. If `missing_line` is
 * set then, a later line with that number shows that it was moved. */
SOWER_MUST_USE bool audit_line(struct audit *audit, const struct sower_record *record,
                               struct sower_problem *problem);

/* Checks the end of a chain that a database stores separately. Call after all lines. */
SOWER_MUST_USE bool audit_end(struct audit *audit, const struct sower_link *end,
                              struct sower_problem *problem);

/* After the last line: checks that every line of the saved heads was there. */
SOWER_MUST_USE bool audit_finish(struct audit *audit, struct sower_problem *problem);

/* Visits the chains in the order of their writers. */
void audit_visit(const struct audit *audit, void (*visit)(void *context, const struct audit_chain *chain),
                 void *context);

/* Frees the audit and wipes the root. */
void audit_free(struct audit *audit);

#endif
