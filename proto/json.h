/* JSON with jansson: parsing texts, building values, printing values.
 *
 * Running out of memory must never change a value. jansson's parser does not guarantee this: when the buffer of
 * its lexer cannot grow, it drops a byte of the text, and may continue with the rest or write past the end of a
 * block. So a parse gets its memory before it begins, as one block (an arena) that is large enough for
 * everything that jansson allocates for this text. Some functions of jansson fail without reporting it
 * (json_copy, json_object_update_missing, json_pack with an optional value, the keys in json_dumps). They are
 * not used; the functions below replace them.
 *
 * This file replaces jansson's memory functions for the whole process, before main. A block that jansson
 * allocates is released by jansson (json_decref), never by free. */
#ifndef SOWER_PROTO_JSON_H
#define SOWER_PROTO_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "proto/buffer.h"

/* The value of a JSON text (RFC 8259), a new reference; `flags` are jansson's flags for decoding. NULL when the
 * text is malformed or memory runs out; `error` must not be NULL. json_error_code(error) is
 * json_error_out_of_memory if and only if memory ran out. With JSON_DISABLE_EOF_CHECK the text may continue
 * after the value, and error->position says where the value ends.
 *
 * Any thread may parse and release values. The parser is recursive, at most 2,048 deep: give its thread a
 * stack of a megabyte. All blocks of one text are freed together, with the last of its values. */
json_t *sower_json_load(const char *text, size_t length, size_t flags, json_error_t *error);

/* The bytes that jansson needs for this text, or slightly more. For a malformed text: those for the part before
 * the fault. */
uint64_t sower_json_room(const char *text, size_t length, size_t flags);

/* As sower_json_load, in an arena of `room` bytes. A parse that needs more fails as if memory had run out. */
json_t *sower_json_load_within(uint64_t room, const char *text, size_t length, size_t flags,
                               json_error_t *error);

/* Building. *target is an object or array that the caller owns. When memory runs out it is released and becomes
 * NULL, and later calls leave it NULL: a caller checks it once, at the end. Each call takes over the reference
 * `value`; a NULL value means that memory ran out. Keys and strings are UTF-8. */
void sower_json_set(json_t **target, const char *key, json_t *value);
void sower_json_append(json_t **target, json_t *value);

/* Sets the members of `object` that *target does not have yet. */
void sower_json_set_missing(json_t **target, const json_t *object);

/* A new object that shares the members of `object`; NULL when memory runs out, or for NULL. */
json_t *sower_json_copy(const json_t *object);

/* Appends the text of a value; `flags` are jansson's flags for encoding. With a NULL value (memory ran out
 * earlier) the buffer fails too. */
void sower_json_print(const json_t *value, size_t flags, struct sower_buffer *buffer);

/* The text of a value, ended by a NUL; the caller releases it with free. NULL when memory runs out. */
char *sower_json_text(const json_t *value, size_t flags);

#endif
