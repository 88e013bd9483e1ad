/* A walker reads a large JSON text one member or element at a time.
 *
 * A manifest or the header of a safetensors file may describe a million tensors. All of them as JSON values would
 * take ten times the memory of their text. A walker goes through the outermost object or array, and its caller
 * loads or skips each value. A skipped value is not checked. */
#ifndef SOWER_PROTO_JSON_WALKER_H
#define SOWER_PROTO_JSON_WALKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "core/attributes.h"
#include "core/problem.h"

/* The most memory that one value may take, in bytes. The rules of a manifest take a few megabytes. */
#define SOWER_JSON_WALKER_ROOM_MAX (UINT64_C(64) << 20)

struct sower_json_walker {
    const char *text; /* must stay valid */
    size_t length;
    size_t at;  /* the next byte to read; after sower_json_walker_next, the first byte of the value */
    char close; /* '}' or ']' */
    bool begun; /* at least one value was found */
};

/* Begins with the object (`open` is '{') or array ('[') at byte `at` of the text, or after spaces there. False
 * with a problem if there is none. */
SOWER_MUST_USE bool sower_json_walker_open(struct sower_json_walker *walker, const char *text, size_t length,
                                           size_t at, char open, struct sower_problem *problem);

/* Moves to the next value; the caller must then load or skip it. *more says whether there is one. *key is its
 * key, a new reference to a string; `key` is NULL for an array. False with a problem when the text is
 * malformed. */
SOWER_MUST_USE bool sower_json_walker_next(struct sower_json_walker *walker, bool *more, json_t **key,
                                           struct sower_problem *problem);

/* Loads the current value: a new reference, or NULL with a problem if the value is malformed, has doubled keys
 * or is nested too deeply, needs too much memory (TOO_LARGE), or if memory runs out. */
SOWER_MUST_USE json_t *sower_json_walker_load(struct sower_json_walker *walker,
                                              struct sower_problem *problem);

/* Skips the current value. */
void sower_json_walker_skip(struct sower_json_walker *walker);

/* Whether only spaces follow after the end of the object or array. */
SOWER_MUST_USE bool sower_json_walker_at_end(const struct sower_json_walker *walker);

#endif
