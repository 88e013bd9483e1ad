/* Ledger records: the content of the ledger's lines.
 *
 * A line says one of three things: that a tensor was drawn, that trial numbers were given out, or that an
 * experiment was pinned or unpinned. A record has only plain texts and numbers, so a store does not need to know
 * what a tensor is. Its printed form is one JSON object on a line (NDJSON), with its keys in this
 * order:
 *
 *   {"ledger":1,"time":"2026-01-31T12:00:00.000Z","kind":"draw",
 *    "draw":"<64 hex digits>","seed":"<64 hex digits>","root":"<64 hex digits>","spec":1,
 *    "experiment":"exp-42","trial":0,"name":"w","shape":[4096,4096],"dtype":"f32","init":"he_normal",
 *    "layout":"oi","manifest":"<64 hex digits>","drift":7,
 *    "writer":"<64 hex digits>","sequence":1,"link":"<64 hex digits>"}
 *
 *   {"ledger":2,"time":"…","kind":"trials","root":"…","experiment":"exp-42","trial":3,"count":2,"key":"…",
 *    "writer":"…","sequence":2,"link":"…"}
 *
 *   {"ledger":3,"time":"…","kind":"pin","root":"…","experiment":"exp-42","writer":"…","sequence":3,"link":"…"}
 *
 * `manifest`, `drift` and `key` are there only if they apply. The last three members are the line's place in
 * the chain of its writer (chain.h).
 *
 * A draw's line has everything that is needed to generate the tensor again: a request with these fields, under the same
 * root, has this id and this seed. `root` is the root's id, not the root. */
#ifndef SOWER_PROTO_RECORD_H
#define SOWER_PROTO_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "proto/chain.h"
#include "proto/expression.h"
#include "proto/request.h"
#include "proto/trials.h"

enum {
    SOWER_RECORD_SHAPE_MAX = 192,
    SOWER_RECORD_LAYOUT_MAX = 512,
};

enum sower_record_kind { SOWER_RECORD_DRAW = 1, SOWER_RECORD_TRIALS, SOWER_RECORD_PIN, SOWER_RECORD_UNPIN };

struct sower_record {
    uint64_t ledger; /* the line's number, from 1; 0: not written yet */
    int64_t time;    /* milliseconds since 1970-01-01 UTC */
    enum sower_record_kind kind;
    struct sower_seed root_id;
    char experiment[SOWER_EXPERIMENT_MAX + 1];
    uint64_t trial; /* of the draw; or the first number given out */

    /* Only for trial numbers. */
    uint64_t count;
    char key[SOWER_TRIALS_KEY_MAX + 1]; /* the request's Idempotency-Key; empty: none */

    /* Only for a draw. */
    struct sower_draw_id draw;
    struct sower_seed seed;
    unsigned spec;
    char name[SOWER_NAME_MAX + 1];
    char shape[SOWER_RECORD_SHAPE_MAX]; /* "4096,4096"; empty for a scalar */
    char dtype[16];
    char initializer[SOWER_EXPRESSION_MAX]; /* the canonical expression */
    char layout[SOWER_RECORD_LAYOUT_MAX]; /* "oi"; with overrides: "oi,in_axis=0+1,fan_in=3", the set ones in
                                             this order: in_axis, out_axis, batch_axis, fan_in, fan_out,
                                             zero_rows, zero_columns */
    bool has_manifest;                    /* the draw was first asked for as part of a model */
    uint8_t manifest[32];
    uint64_t drift; /* the first line with this seed, if its shape, dtype, initializer or layout is different;
                       0: the draw does not drift */

    struct sower_link place; /* in its writer's chain */
};

/* The record of a request's draw; ledger and time are 0. */
void sower_record_of(const struct sower_request *request, struct sower_record *record);

/* "draw", "trials", "pin", "unpin". */
const char *sower_record_kind_name(enum sower_record_kind kind);

/* The line as a JSON object; while `ledger` is 0, only the members that describe the draw. A new reference; NULL
 * when memory runs out or the record's shape is not valid. */
json_t *sower_record_json(const struct sower_record *record);

#endif
