/* Judges: they check millions of records of draws. A record is true if its id and seed follow from its fields.
 *
 * A judge gives the same result as sower_record_request, but faster. A ledger has the same tensors many times,
 * under other names and trials. So the judge remembers some of the kinds of tensors that it has parsed, and for
 * these only computes the id and the seed. */
#ifndef SOWER_PROTO_JUDGE_H
#define SOWER_PROTO_JUDGE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/attributes.h"
#include "core/problem.h"
#include "proto/record.h"

/* A kind of tensors: their texts in a record, and the draw that these texts were parsed to. */
struct sower_judge_kind {
    unsigned spec; /* 0: this place is empty */
    char shape[SOWER_RECORD_SHAPE_MAX];
    char dtype[sizeof((struct sower_record *)NULL)->dtype];
    char initializer[SOWER_EXPRESSION_MAX];
    char layout[SOWER_RECORD_LAYOUT_MAX];
    struct sower_draw draw;
};

enum { SOWER_JUDGE_KINDS = 64 };

/* About 250 KB. Initialize it with sower_judge_begin; the caller wipes the root. */
struct sower_judge {
    struct sower_seed root, root_id;
    struct sower_judge_kind kinds[SOWER_JUDGE_KINDS];
};

/* Initializes a judge for draws under `root`. */
void sower_judge_begin(struct sower_judge *judge, const struct sower_seed *root);

/* Whether a draw's record is true; otherwise the problem names the wrong member. The seed is checked only if the
 * record is of the judge's root; *known says whether it is. */
SOWER_MUST_USE bool sower_judge_draw(struct sower_judge *judge, const struct sower_record *record,
                                     bool *known, struct sower_problem *problem);

#endif
