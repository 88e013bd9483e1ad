#include "proto/buffer.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/number.h"
#include "proto/text.h"

enum { CAPACITY_FIRST = 4096 };

static bool reserve(struct sower_buffer *buffer, size_t count)
{
    if (buffer->failed || count > SIZE_MAX / 4 - buffer->length) {
        buffer->failed = true;
        return false;
    }
    if (count <= buffer->capacity - buffer->length) {
        return true;
    }
    size_t capacity = buffer->capacity == 0 ? CAPACITY_FIRST : buffer->capacity;
    while (capacity < buffer->length + count) {
        capacity += capacity / 2;
    }
    char *text = realloc(buffer->text, capacity);
    if (text == NULL) {
        buffer->failed = true;
        return false;
    }
    buffer->text = text;
    buffer->capacity = capacity;
    return true;
}

void sower_buffer_bytes(struct sower_buffer *buffer, const char *bytes, size_t count)
{
    if (count > 0 && reserve(buffer, count)) {
        memcpy(buffer->text + buffer->length, bytes, count);
        buffer->length += count;
    }
}

void sower_buffer_text(struct sower_buffer *buffer, const char *text)
{
    sower_buffer_bytes(buffer, text, strlen(text));
}

void sower_buffer_number(struct sower_buffer *buffer, uint64_t number)
{
    char digits[SOWER_NUMBER_MAX];
    sower_buffer_bytes(buffer, digits, sower_number_print(number, digits));
}

void sower_buffer_real(struct sower_buffer *buffer, double number)
{
    char digits[SOWER_REAL_SIZE] = "null";
    if (isfinite(number)) {
        sower_text_print_real(number, digits);
    }
    sower_buffer_text(buffer, digits);
}

/* The escape of a byte in a JSON string; NULL if the byte needs none. */
static const char *escape(unsigned char byte, char hex[8])
{
    static const char *const short_forms[0x20] = {
        ['\b'] = "\\b", ['\t'] = "\\t", ['\n'] = "\\n", ['\f'] = "\\f", ['\r'] = "\\r",
    };
    if (byte == '"') {
        return "\\\"";
    }
    if (byte == '\\') {
        return "\\\\";
    }
    if (byte >= 0x20) {
        return NULL;
    }
    snprintf(hex, 8, "\\u%04x", byte);
    return short_forms[byte] != NULL ? short_forms[byte] : hex;
}

void sower_buffer_string(struct sower_buffer *buffer, const char *text)
{
    char hex[8];
    sower_buffer_text(buffer, "\"");
    const char *plain = text;
    for (; *text != '\0'; text++) {
        const char *escaped = escape((unsigned char)*text, hex);
        if (escaped == NULL) {
            continue;
        }
        sower_buffer_bytes(buffer, plain, (size_t)(text - plain));
        sower_buffer_text(buffer, escaped);
        plain = text + 1;
    }
    sower_buffer_bytes(buffer, plain, (size_t)(text - plain));
    sower_buffer_text(buffer, "\"");
}

void sower_buffer_shape(struct sower_buffer *buffer, const struct sower_shape *shape)
{
    sower_buffer_text(buffer, "[");
    for (size_t axis = 0; axis < shape->rank; axis++) {
        sower_buffer_text(buffer, axis == 0 ? "" : ",");
        sower_buffer_number(buffer, shape->sizes[axis]);
    }
    sower_buffer_text(buffer, "]");
}

bool sower_buffer_read(struct sower_buffer *buffer, int file, size_t most)
{
    ssize_t count = 1;
    while (count > 0 && most > 0 && reserve(buffer, 1)) {
        size_t room = buffer->capacity - buffer->length;
        count = read(file, buffer->text + buffer->length, room < most ? room : most);
        buffer->length += count > 0 ? (size_t)count : 0;
        most -= count > 0 ? (size_t)count : 0;
        count = count < 0 && errno == EINTR ? 1 : count;
    }
    return count >= 0;
}

void sower_buffer_free(struct sower_buffer *buffer)
{
    free(buffer->text);
    *buffer = (struct sower_buffer){0};
}
