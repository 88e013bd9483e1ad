/* Requests: one parser for the fields that name one tensor, from a query or from JSON (fields.h).
 *
 * A table says for each field how to read it. Only the first fault is reported: first an unknown field, then
 * each field in the order of the table (missing, empty, of the wrong type, out of range), then the combination of
 * the fields. The result is complete: a checked draw, its plan, its seed, the requested region and the format of
 * the response. The client uses the same parser to generate tensors offline.
 *
 *   experiment, trial, name       the draw's seed
 *   shape, init, dtype            the array
 *   layout, in_axis, out_axis, batch_axis, fan_in, fan_out
 *                                 which axes are inputs and outputs
 *   zero_rows, zero_columns       which elements are 0 (core/zeros.h)
 *   slice or shard                the requested region (slice.h)
 *   format, spec                  the format of the bytes, and the version of the contract */
#ifndef SOWER_PROTO_REQUEST_H
#define SOWER_PROTO_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "core/attributes.h"
#include "core/draw.h"
#include "core/plan.h"
#include "core/problem.h"
#include "core/seed.h"
#include "core/shape.h"
#include "proto/fields.h"

enum sower_format {
    SOWER_FORMAT_NPY,
    SOWER_FORMAT_RAW,
    SOWER_FORMAT_SAFETENSORS,
};

struct sower_request {
    struct sower_draw draw;
    struct sower_plan plan;
    struct sower_seed seed;
    struct sower_region region; /* the whole tensor, or a slice or shard of it */
    enum sower_format format;
};

/* Reads the fields into `request`, under `root` (NULL: the request gets no root id and no seed). Fields from pairs
 * (`from_pairs`) are strings, and numbers are read from their text. JSON fields must have their own type: a trial
 * is a number there, not a string. */
SOWER_MUST_USE bool sower_request_parse(const json_t *fields, bool from_pairs, const struct sower_seed *root,
                                        struct sower_request *request, struct sower_problem *problem);

#endif
