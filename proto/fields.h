/* Fields: the raw material of a request, whichever way it came.
 *
 * A query string and a JSON body become the same thing: a JSON object of named values. What can be judged
 * without knowing the fields is judged here: doubled fields, text that is not UTF-8 or holds a NUL, a body
 * that is no JSON object. */
#ifndef SOWER_PROTO_FIELDS_H
#define SOWER_PROTO_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "core/problem.h"

/* One field of a query string, percent-decoded. `value` is NULL for a field without "=". Lengths in bytes;
 * both may hold any byte. */
struct sower_pair {
    const char *key;
    size_t key_length;
    const char *value;
    size_t value_length;
};

/* The pairs as an object of strings (null for a field without "="), in their order; refuses doubled fields,
 * invalid UTF-8 and NUL. The caller owns *fields (json_decref); after a problem it is NULL. */
bool sower_request_fields_from_pairs(const struct sower_pair *pairs, size_t count, json_t **fields,
                                     struct sower_problem *problem);

/* The memory that reading a body may take, in bytes. 16 MiB of "{}," would take 1.4 GiB; a manifest of
 * 100,000 tensors with long names and initializers of their own takes about half of this. */
#define SOWER_FIELDS_ROOM_MAX (UINT64_C(256) << 20)

/* The same from a JSON text (RFC 8259), which must be one object without doubled keys, nested at most 2048
 * deep. The parser is recursive: give its thread a stack of a megabyte. */
bool sower_request_fields_from_json(const char *text, size_t length, json_t **fields,
                                    struct sower_problem *problem);

#endif
