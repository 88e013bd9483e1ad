/* Judges: whether draws' records are true in themselves, for millions of them.
 *
 * What sower_record_request says, without making the request each time: a ledger has the same tensors again
 * and again, under other names and trials, so the judge remembers some of the kinds of tensors that it has
 * read, and for those only makes the id and the seed anew. */
#ifndef SOWER_PROTO_JUDGE_H
#define SOWER_PROTO_JUDGE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/problem.h"
#include "proto/record.h"

/* A kind of tensors: what a line says of one, and what that was read as. */
struct sower_judge_kind {
    unsigned spec; /* 0: none is remembered here */
    char shape[SOWER_RECORD_SHAPE_MAX];
    char dtype[sizeof((struct sower_record *)NULL)->dtype];
    char initializer[SOWER_EXPRESSION_MAX];
    char layout[SOWER_RECORD_LAYOUT_MAX];
    struct sower_draw draw;
};

enum { SOWER_JUDGE_KINDS = 64 };

/* Some 250 KB. Begins with sower_judge_begin; the caller wipes the root. */
struct sower_judge {
    struct sower_seed root, root_id;
    struct sower_judge_kind kinds[SOWER_JUDGE_KINDS];
};

/* A judge of draws under `root`. */
void sower_judge_begin(struct sower_judge *judge, const struct sower_seed *root);

/* Whether a draw's record is true; a problem names the member that is not. The seed is only judged when the
 * record is of the judge's root, which *known tells. */
bool sower_judge_draw(struct sower_judge *judge, const struct sower_record *record, bool *known,
                      struct sower_problem *problem);

#endif
