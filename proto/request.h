/* Requests: the fields that name one tensor, read from a query string or a JSON object by one parser.
 *
 * Both forms become the same list of fields; a table says for each field how it is read. Unknown and doubled
 * fields, wrong types, empty values and values out of range are refused, naming the field. What comes out has
 * nothing optional left: a checked draw, its plan, its seed, the region asked for and the format of the
 * answer. The client uses the same parser to derive offline. */
#ifndef SOWER_PROTO_REQUEST_H
#define SOWER_PROTO_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "../core/draw.h"
#include "../core/plan.h"
#include "../core/problem.h"
#include "../core/seed.h"
#include "../core/shape.h"

enum sower_format {
    SOWER_FORMAT_NPY,
    SOWER_FORMAT_RAW,
};

struct sower_request {
    struct sower_draw draw;
    struct sower_plan plan;
    struct sower_seed seed;
    struct sower_region region; /* the whole tensor, or a slice or shard of it */
    enum sower_format format;
};

/* One field of a query string, percent-decoded. `value` is NULL for a field without "=". Lengths in bytes;
 * both may hold any byte. */
struct sower_pair {
    const char *key;
    size_t key_length;
    const char *value;
    size_t value_length;
};

/* The fields of a request as a JSON object of strings; refuses doubled fields, invalid UTF-8 and NUL. The
 * caller owns *fields (json_decref). */
bool sower_request_fields_from_pairs(const struct sower_pair *pairs, size_t count, json_t **fields,
                                     struct sower_problem *problem);

/* The same from a JSON text, which must be one object without doubled keys. */
bool sower_request_fields_from_json(const char *text, size_t length, json_t **fields,
                                    struct sower_problem *problem);

/* Reads the fields into `request`, under `root`. In fields that came from pairs everything is a string, and
 * numbers are read from their text; JSON fields must have their own type (a trial is a number there, not a
 * string). */
bool sower_request_parse(const json_t *fields, bool from_pairs, const struct sower_seed *root,
                         struct sower_request *request, struct sower_problem *problem);

#endif
