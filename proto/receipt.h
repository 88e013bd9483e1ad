/* Receipts: what POST /v1/draws answers. With a receipt, the tensors can be generated without the daemon, the manifest and
 * the root.
 *
 *   {"experiment":"e","trial":0,"root":"<64 hex digits>","spec":1,"manifest":"<64 hex digits>","ledger":226,
 *    "draws":[{"name":"w","draw":"<64 hex digits>","seed":"<64 hex digits>","shape":[32,16],"dtype":"f32",
 *              "init":"normal(mean=0,std=0.02)","layout":"oi","ledger":12,"drift":null}],
 *    "ties":{"lm_head.weight":"wte.weight"}}
 *
 * `manifest` is null for a single tensor. The top `ledger` is the greatest line number of the draws. The members of a
 * draw are those of its ledger line (record.h); `drift` is null if the draw does not drift. `ties` names each tied tensor
 * and the draw that it is the same as (ties.h).
 *
 * A receipt can have a million draws, so it is written piece by piece: begin, a piece for each draw, ties, a piece for each tied
 * tensor, end. */
#ifndef SOWER_PROTO_RECEIPT_H
#define SOWER_PROTO_RECEIPT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/draw.h"
#include "proto/buffer.h"
#include "proto/record.h"

/* `draw` has the experiment, trial and root id; `manifest` is a hash of 32 bytes, or NULL. */
void sower_receipt_begin(struct sower_buffer *buffer, const struct sower_draw *draw, const uint8_t *manifest,
                         uint64_t ledger);

/* The record of a draw, with its `ledger` and `drift`. */
void sower_receipt_draw(struct sower_buffer *buffer, bool first, const struct sower_record *record);

void sower_receipt_ties(struct sower_buffer *buffer);
void sower_receipt_tie(struct sower_buffer *buffer, bool first, const char *name, const char *same_as);

/* A line feed ends the receipt. */
void sower_receipt_end(struct sower_buffer *buffer);

#endif
