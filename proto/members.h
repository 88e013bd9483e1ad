/* Reads a JSON object strictly into a struct.
 *
 * A table lists the members of the object. They may be in any order. Each must be there, unless it is optional,
 * with its type and in its range, and there must be no other. Signed and linked data must have only one reading.
 * A problem has the member's name as its field. */
#ifndef SOWER_PROTO_MEMBERS_H
#define SOWER_PROTO_MEMBERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "core/attributes.h"
#include "core/problem.h"

struct sower_member;

/* Reads a value to its place in the struct. */
typedef bool sower_member_read(const struct sower_member *member, const json_t *value, void *place,
                               struct sower_problem *problem);

struct sower_member {
    const char *name; /* NULL ends a table */
    sower_member_read *read;
    size_t offset; /* of the place in the struct */
    size_t size;   /* of the place in bytes, or another number with a meaning for `read` */
    bool optional; /* when the member is missing, the place stays unchanged */
};

/* Reads the object's members to `object_struct`. */
SOWER_MUST_USE bool sower_members_read(const json_t *object, const struct sower_member *members,
                                       void *object_struct, struct sower_problem *problem);

/* Functions for `read`. In this order they read: a whole number from `size` to 2^63 - 1 to a uint64_t; `size` bytes as lower-case hex digits;
 * a text of 1 to `size` - 1 bytes and its NUL; a time (sower_time_print) to an int64_t of milliseconds. */
sower_member_read sower_member_number, sower_member_hex, sower_member_text, sower_member_time;

/* Refuses a value: "<member> must be <meaning>; it is <value>." Returns false. */
bool sower_member_refuse(const struct sower_member *member, const json_t *value, const char *meaning,
                         struct sower_problem *problem);

#endif
