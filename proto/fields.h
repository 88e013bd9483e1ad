/* Fields: the names and values of a request, from a query string or from a JSON body.
 *
 * Both become a JSON object of named values. This file checks only what does not depend on the names: doubled
 * fields, text that is not UTF-8 or contains a NUL, a body that is not a JSON object. */
#ifndef SOWER_PROTO_FIELDS_H
#define SOWER_PROTO_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "core/problem.h"

/* One field of a query string, percent-decoded. `value` is NULL for a field without "=". Lengths in bytes;
 * both may contain any byte. */
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
 * other bodies are read a value at a time (json_walker.h). */
#define SOWER_FIELDS_ROOM_MAX (UINT64_C(256) << 20)

/* The same from a JSON text (RFC 8259), which must be one object without doubled keys, nested at most 2048
 * deep. The parser is recursive: give its thread a stack of a megabyte. */
bool sower_request_fields_from_json(const char *text, size_t length, json_t **fields,
                                    struct sower_problem *problem);

#endif
