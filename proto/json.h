/* JSON by way of jansson: texts become values, values are built, values become texts.
 *
 * Memory that runs out must never change a value. jansson's parser does not keep that promise: when the
 * buffer of its lexer cannot grow, a byte of the text is dropped, and the parser may go on with what is left
 * or write behind a block of memory. So a parse gets its memory before it begins, in one piece (an arena),
 * which is large enough for everything that jansson allocates for this text. Other functions of jansson fail
 * without a word (json_copy, json_object_update_missing, json_pack with an optional value, the keys in
 * json_dumps) and are not used: the functions below stand in for them.
 *
 * This file takes over jansson's memory functions for the whole process, before main. A block that jansson
 * allocates is released by jansson (json_decref), never by free. */
#ifndef SOWER_PROTO_JSON_H
#define SOWER_PROTO_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "proto/buffer.h"

/* The value of a JSON text (RFC 8259), a new reference, by jansson's flags for decoding. NULL with *error
 * (not NULL) when the text is malformed, or when memory runs out, which json_error_code tells:
 * json_error_out_of_memory, whatever else stands in *error. With JSON_DISABLE_EOF_CHECK the text may go on
 * behind the value, and error->position says where the value ends.
 *
 * Any thread may parse and release values. The parser is recursive, at most 2,048 deep: give its thread a
 * stack of a megabyte. All blocks of one text are freed together, with the last of its values. */
json_t *sower_json_load(const char *text, size_t length, size_t flags, json_error_t *error);

/* The bytes that jansson needs for this text, or somewhat more. Of a text that is malformed: for the part
 * before the fault. */
uint64_t sower_json_room(const char *text, size_t length, size_t flags);

/* As sower_json_load, in an arena of `room` bytes. A parse that needs more fails as one without memory. */
json_t *sower_json_load_within(uint64_t room, const char *text, size_t length, size_t flags,
                               json_error_t *error);

/* Building. *target is an object or array that the caller owns; once memory has run out it is released and
 * becomes NULL, and later calls leave it so: a builder looks at it once, at the end. Each call takes over
 * `value`, where NULL stands for memory that ran out. Keys and strings are UTF-8. */
void sower_json_set(json_t **target, const char *key, json_t *value);
void sower_json_append(json_t **target, json_t *value);

/* Sets the members of `object` that *target does not have yet. */
void sower_json_set_missing(json_t **target, const json_t *object);

/* A new object with the same members, which both share; NULL when memory runs out, or for NULL. */
json_t *sower_json_copy(const json_t *object);

/* Appends the text of a value by jansson's flags for encoding. NULL (memory ran out before) makes the buffer
 * fail too. */
void sower_json_print(const json_t *value, size_t flags, struct sower_buffer *buffer);

/* The text of a value, ended by a NUL, to be released by free; NULL when memory runs out. */
char *sower_json_text(const json_t *value, size_t flags);

#endif
