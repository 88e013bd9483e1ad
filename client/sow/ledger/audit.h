/* Audits: whether lines, taken one after another, are a whole ledger, unchanged.
 *
 * The numbers of the lines go up by one from 1, and so do the places in each chain; every link is made again
 * from its line and the link before (proto/chain.h). That shows what was changed without care. Whoever makes
 * all links of a chain anew leaves only one thing that does not fit: a head that somebody kept. So for each
 * kept head, each chain must pass through the very link that it had then, and of the lines that there were
 * then all must be in a chain of the head.
 *
 * A draw's line must also be true in itself: its id, and its seed where the root is known, are those of its
 * other fields.
 *
 * Memory is taken for each writer, and for nothing else. */
#ifndef SOWER_CLIENT_SOW_LEDGER_AUDIT_H
#define SOWER_CLIENT_SOW_LEDGER_AUDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/sow/options.h"
#include "core/problem.h"
#include "proto/head.h"
#include "proto/judge.h"
#include "proto/record.h"

enum { AUDIT_HEADS_MAX = OPTION_REPEAT_MAX };

/* A head that was kept. */
struct audit_head {
    struct sower_head head;
    const char *name; /* for sentences */
};

/* A chain, as far as it was read. */
struct audit_chain {
    struct sower_link end;
    uint64_t ledger;                                /* the line that it ends with */
    const struct sower_link *kept[AUDIT_HEADS_MAX]; /* its ends in the heads; NULL: the head has it not */
};

struct audit {
    struct sower_judge judge; /* with the root whose draws' seeds can be judged */
    const struct audit_head *const *heads;
    size_t head_count;
    uint64_t lines;   /* that fit so far */
    uint64_t draws;   /* of them */
    uint64_t foreign; /* draws of another root, whose seeds were not judged */
    uint64_t sought;  /* the first line that does not stand in its place, and may come later; 0: none */
    void *chains;     /* by writer (tsearch) */
    size_t chain_count;
    struct audit_chain *latest; /* of the line before */
};

/* Takes the next line. False with a problem that says which line does not fit, and why; when `sought` is set
 * then, a later line of that number would tell that it was moved. */
bool audit_line(struct audit *audit, const struct sower_record *record, struct sower_problem *problem);

/* Takes the end of a chain as it is kept beside the lines, after all of them. */
bool audit_end(struct audit *audit, const struct sower_link *end, struct sower_problem *problem);

/* After the last line: whether all is there that the heads have. */
bool audit_finish(struct audit *audit, struct sower_problem *problem);

/* Visits the chains, in the order of their writers. */
void audit_visit(const struct audit *audit, void (*visit)(void *context, const struct audit_chain *chain),
                 void *context);

/* Wipes the root as well. */
void audit_free(struct audit *audit);

#endif
