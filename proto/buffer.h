/* Buffers: text that grows, and functions that append JSON to it.
 *
 * A model's texts (its manifest, the header of its file) are too long to hold twice, so they are written
 * directly and not built as JSON values first. When memory runs out, `failed` is set and later calls append
 * nothing: a writer checks it once, at the end. */
#ifndef SOWER_PROTO_BUFFER_H
#define SOWER_PROTO_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/attributes.h"
#include "core/shape.h"

/* A buffer with all members zero is empty. */
struct sower_buffer {
    char *text; /* without a NUL at the end */
    size_t length, capacity;
    bool failed;
};

void sower_buffer_bytes(struct sower_buffer *buffer, const char *bytes, size_t count);
void sower_buffer_text(struct sower_buffer *buffer, const char *text);
void sower_buffer_number(struct sower_buffer *buffer, uint64_t number);

/* The decimal of sower_text_print_real; null for NaN and infinities, which JSON does not have. */
void sower_buffer_real(struct sower_buffer *buffer, double number);

/* A JSON string. Quote, backslash and control characters are escaped (\b \t \n \f \r by their letters, others
 * as \u and four lower-case hex digits); everything else stays unchanged. */
void sower_buffer_string(struct sower_buffer *buffer, const char *text);

/* [32,16] */
void sower_buffer_shape(struct sower_buffer *buffer, const struct sower_shape *shape);

/* Appends the rest of an open file, up to `most` bytes. False with errno when the file cannot be read. When
 * memory runs out, the result is true and the buffer has failed. */
SOWER_MUST_USE bool sower_buffer_read(struct sower_buffer *buffer, int file, size_t most);

void sower_buffer_free(struct sower_buffer *buffer);

#endif
