/* Requests: the fields that name one tensor, read by one parser whichever way they came (fields.h).
 *
 * A table says for each field how it is read. The first fault is reported: first of all an unknown field,
 * then each field in the order of the table (missing, empty, of the wrong type, out of range), then what the
 * fields come to together. What comes out has nothing optional left: a checked draw, its plan, its seed, the
 * region asked for and the format of the answer. The client uses the same parser to derive offline.
 *
 *   experiment, trial, name       what the draw is called
 *   shape, init, dtype            what it is
 *   layout, in_axis, out_axis, batch_axis, fan_in, fan_out
 *                                 how the shape is read as inputs and outputs
 *   slice or shard                which part of it is asked for (slice.h)
 *   format, spec                  how it is written, and under which version of the contract */
#ifndef SOWER_PROTO_REQUEST_H
#define SOWER_PROTO_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

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

/* Reads the fields into `request`, under `root`. In fields that came from pairs everything is a string, and
 * numbers are read from their text; JSON fields must have their own type (a trial is a number there, not a
 * string). */
bool sower_request_parse(const json_t *fields, bool from_pairs, const struct sower_seed *root,
                         struct sower_request *request, struct sower_problem *problem);

#endif
