/* Members: a JSON object read strictly into a struct.
 *
 * A table names every member that the object has, in any order: each is there once, of its own type and in
 * its range, and there is no other. What two parties sign and link must not leave anything open. A problem
 * carries the member's name. */
#ifndef SOWER_PROTO_MEMBERS_H
#define SOWER_PROTO_MEMBERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "core/problem.h"

struct sower_member;

/* Reads a value to its place in the struct. */
typedef bool sower_member_read(const struct sower_member *member, const json_t *value, void *place,
                               struct sower_problem *problem);

struct sower_member {
    const char *name; /* NULL ends a table */
    sower_member_read *read;
    size_t offset; /* of the place in the struct */
    size_t size;   /* of the place, or what `read` takes it for */
    bool optional; /* the place stays as it was when the member is missing */
};

/* Reads the object's members to `object_struct`. */
bool sower_members_read(const json_t *object, const struct sower_member *members, void *object_struct,
                        struct sower_problem *problem);

/* Ways to read: a whole number from `size` to 2^63 - 1 to a uint64_t; `size` bytes as lower-case hex digits;
 * a text of 1 to `size` - 1 bytes and its NUL; a time (sower_time_print) to an int64_t of milliseconds. */
sower_member_read sower_member_number, sower_member_hex, sower_member_text, sower_member_time;

/* "hex must be …": refuses a value that is not what it must be. */
bool sower_member_refuse(const struct sower_member *member, const json_t *value, const char *meaning,
                         struct sower_problem *problem);

#endif
