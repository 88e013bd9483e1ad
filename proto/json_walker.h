/* Parts: a large JSON text, walked through one member or element at a time.
 *
 * A manifest or the header of a safetensors file may describe 100,000 tensors. As JSON values all at once
 * they would take ten times the memory of their text, so they are read one by one: the outermost object or
 * array is walked through here, and what it holds is loaded or skipped as the caller likes. What is skipped
 * is not judged. */
#ifndef SOWER_PROTO_JSON_WALKER_H
#define SOWER_PROTO_JSON_WALKER_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "core/problem.h"

struct sower_json_walker {
    const char *text; /* must stay */
    size_t length;
    size_t at;  /* the next byte to be read; of the value while there is one at hand */
    char close; /* '}' or ']' */
    bool begun; /* at least one part was found */
};

/* Begins at the object ('{') or array ('[') at byte `at` of the text, or behind spaces there. False with a
 * problem when none begins there. */
bool sower_json_walker_open(struct sower_json_walker *parts, const char *text, size_t length, size_t at,
                            char open, struct sower_problem *problem);

/* Moves to the next part, whose value is to be loaded or skipped then. *more tells whether there is one;
 * *key, unless `key` is NULL (for an array), is its key, a new reference to a string. False with a problem
 * when the text is malformed. */
bool sower_json_walker_next(struct sower_json_walker *parts, bool *more, json_t **key,
                            struct sower_problem *problem);

/* The value at hand, a new reference, or NULL with a problem: malformed, doubled keys, nested too deeply. */
json_t *sower_json_walker_load(struct sower_json_walker *parts, struct sower_problem *problem);

/* Passes over the value at hand. */
void sower_json_walker_skip(struct sower_json_walker *parts);

/* Whether nothing but spaces follows behind the last part. */
bool sower_json_walker_at_end(const struct sower_json_walker *parts);

#endif
