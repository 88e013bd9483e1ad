/* Buffers: text that grows, and the pieces of JSON that are written to it.
 *
 * A model's texts (its manifest, the header of its file) are longer than what one would like to hold twice,
 * so they are not made by way of JSON values. Once memory has run out `failed` is set and everything that
 * follows is left out: a writer looks at it once, at the end. */
#ifndef SOWER_PROTO_BUFFER_H
#define SOWER_PROTO_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/shape.h"

/* All zeros is an empty buffer. */
struct sower_buffer {
    char *text; /* not ended by a NUL */
    size_t length, capacity;
    bool failed;
};

void sower_buffer_bytes(struct sower_buffer *buffer, const char *bytes, size_t count);
void sower_buffer_text(struct sower_buffer *buffer, const char *text);
void sower_buffer_number(struct sower_buffer *buffer, uint64_t number);

/* The shortest decimal that reads back; null for what JSON has no number for. */
void sower_buffer_real(struct sower_buffer *buffer, double number);

/* A JSON string. Quote, backslash and control characters are escaped (\b \t \n \f \r by their letters, others
 * as \u and four lower-case hex digits); everything else stays as it is. */
void sower_buffer_string(struct sower_buffer *buffer, const char *text);

/* [32,16] */
void sower_buffer_shape(struct sower_buffer *buffer, const struct sower_shape *shape);

/* Appends what is left of an open file, up to `most` bytes. False with errno when it cannot be read; memory
 * that runs out is the buffer's matter. */
bool sower_buffer_read(struct sower_buffer *buffer, int file, size_t most);

void sower_buffer_free(struct sower_buffer *buffer);

#endif
