/* Parts: a large JSON text, walked through one member or element at a time.
 *
 * A manifest or the header of a safetensors file may describe 100,000 tensors. As JSON values all at once
 * they would take ten times the memory of their text, so they are read one by one: the outermost object or
 * array is walked through here, and what it holds is loaded or skipped as the caller likes. What is skipped
 * is not judged. */
#ifndef SOWER_PROTO_PARTS_H
#define SOWER_PROTO_PARTS_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "../core/problem.h"

struct sower_parts {
    const char *text; /* must stay */
    size_t length;
    size_t at;  /* the next byte to be read; of the value while there is one at hand */
    char close; /* '}' or ']' */
    bool begun; /* at least one part was found */
};

/* Begins at the object ('{') or array ('[') at byte `at` of the text, or behind spaces there. False with a
 * problem when none begins there. */
bool sower_parts_open(struct sower_parts *parts, const char *text, size_t length, size_t at, char open,
                      struct sower_problem *problem);

/* Moves to the next part, whose value is to be loaded or skipped then. *more tells whether there is one;
 * *key, unless `key` is NULL (for an array), is its key, a new reference to a string. False with a problem
 * when the text is malformed. */
bool sower_parts_next(struct sower_parts *parts, bool *more, json_t **key, struct sower_problem *problem);

/* The value at hand, a new reference, or NULL with a problem: malformed, doubled keys, nested too deeply. */
json_t *sower_parts_load(struct sower_parts *parts, struct sower_problem *problem);

/* Passes over the value at hand. */
void sower_parts_skip(struct sower_parts *parts);

/* Whether nothing but spaces follows behind the last part. */
bool sower_parts_at_end(const struct sower_parts *parts);

#endif
