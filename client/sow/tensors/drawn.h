/* Draws that are known already: from a receipt (--receipt) or from lines of a ledger (--line). Their seeds are known too, so
 * their tensors can be made without the root.
 *
 * A draw's id must follow from the other fields. Its seed must follow from them if the root is the public one or that of
 * --root-key-file; otherwise it is taken from the receipt or the line. */
#ifndef SOWER_CLIENT_SOW_TENSORS_DRAWN_H
#define SOWER_CLIENT_SOW_TENSORS_DRAWN_H

#include <stdbool.h>
#include <stddef.h>

#include "client/sow/options.h"
#include "core/attributes.h"
#include "core/problem.h"
#include "proto/fields.h"
#include "proto/judge.h"
#include "proto/model.h"
#include "proto/receipt_read.h"

struct drawn {
    const struct options *options;
    bool of_receipt;
    struct sower_receipt receipt; /* of lines: what their draws have in common, without ties */
    size_t count;                 /* draws */
    size_t capacity;
    struct drawn_seed {
        struct sower_seed seed;
        struct sower_draw_id draw;
    } * seeds;      /* of each draw */
    json_t *shapes; /* of the draws that tied tensors are the same as: from their names to "32,16" */
    struct sower_buffer tensors; /* as in a manifest, separated by commas */
    struct sower_judge judge;
    const char *name;           /* the draw to keep; NULL: the only one */
    bool kept;                  /* `record` is set */
    struct sower_record record; /* the draw that is kept */
};

/* The options --receipt and --line. */
extern const struct option_group drawn_options;

/* Whether one of them is given. */
bool drawn_is_given(const struct options *options);

/* Reads the draws. Mistakes are reported. `name` is the tensor of which the record is kept, NULL for the only one; it must
 * stay valid. The caller calls drawn_end in any case, and allocates the struct, which is large. */
SOWER_MUST_USE enum sow_exit drawn_read(struct drawn *drawn, const struct options *options, const char *name);

/* The request of the record that was kept, with --slice, --shard and --format. Reports a name that is missing. */
SOWER_MUST_USE enum sow_exit drawn_request(const struct drawn *drawn, struct sower_request *request);

/* The draws as a model, of which `choice` selects a part. The seeds of its requests are not right before
 * drawn_set_seed. Problems are reported. The caller calls sower_model_free in any case. */
SOWER_MUST_USE enum sow_exit drawn_model(const struct drawn *drawn, const struct sower_model_choice *choice,
                                         struct sower_model *model);

/* Sets the seed of the request for the n-th tensor of that model. */
void drawn_set_seed(const struct drawn *drawn, const struct sower_model *model, size_t n,
                    struct sower_request *request);

void drawn_end(struct drawn *drawn);

#endif
