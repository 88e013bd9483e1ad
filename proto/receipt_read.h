/* Reads receipts (receipt.h). With a receipt, the tensors can be made without the daemon, the manifest and the root. */
#ifndef SOWER_PROTO_RECEIPT_READ_H
#define SOWER_PROTO_RECEIPT_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "core/attributes.h"
#include "core/problem.h"
#include "proto/record.h"

/* What a receipt says beside its draws. */
struct sower_receipt {
    struct sower_seed root_id;
    char experiment[SOWER_EXPERIMENT_MAX + 1];
    uint64_t trial;
    unsigned spec;
    bool has_manifest;
    uint8_t manifest[32];
    uint64_t ledger; /* the greatest line number of its draws; 0: they are not recorded, or there are none */
    json_t *ties;    /* an object from each tied name to the name of its draw */
};

/* Takes the record of a draw. `context` is the caller's. False with a problem to stop. */
typedef bool sower_receipt_take(void *context, const struct sower_record *record,
                                struct sower_problem *problem);

/* Reads a receipt's text, also one that a program without a daemon has written, in which `ledger` is null; and calls `take` for each draw, in order; the rest of the receipt is complete then. Each record
 * is well-formed; whether its id and seed follow from its fields is not checked (sower_judge_draw does). The caller calls
 * sower_receipt_free, also after a problem. */
SOWER_MUST_USE bool sower_receipt_read(const char *text, size_t length, struct sower_receipt *receipt,
                                       sower_receipt_take *take, void *context,
                                       struct sower_problem *problem);

/* The name of the draw of a tensor: that of a tied tensor's draw, else the name itself. */
const char *sower_receipt_name(const struct sower_receipt *receipt, const char *name);

void sower_receipt_free(struct sower_receipt *receipt);

#endif
