#include "proto/safetensors.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "proto/hex.h"
#include "proto/record.h"

enum { ALIGNMENT = 8, SIZE_BYTES = SOWER_SAFETENSORS_LENGTH_SIZE };

const char *sower_safetensors_dtype(enum sower_dtype dtype)
{
    static const char *const names[SOWER_DTYPE_COUNT] = {
        [SOWER_F64] = "F64",   [SOWER_F32] = "F32",         [SOWER_F16] = "F16",
        [SOWER_BF16] = "BF16", [SOWER_F8_E4M3] = "F8_E4M3", [SOWER_F8_E5M2] = "F8_E5M2",
    };
    return names[dtype];
}

void sower_safetensors_open(struct sower_buffer *buffer)
{
    sower_buffer_bytes(buffer, "\0\0\0\0\0\0\0\0", SIZE_BYTES);
    sower_buffer_text(buffer, "{\"" SOWER_SAFETENSORS_METADATA "\":{");
}

void sower_safetensors_metadata(struct sower_buffer *buffer, const char *key, const char *value)
{
    bool first = !buffer->failed && buffer->text[buffer->length - 1] == '{';
    sower_buffer_text(buffer, first ? "" : ",");
    sower_buffer_string(buffer, key);
    sower_buffer_text(buffer, ":");
    sower_buffer_string(buffer, value);
}

bool sower_safetensors_is_reserved(const char *key)
{
    return strcmp(key, "format") == 0 || strncmp(key, "sower.", strlen("sower.")) == 0;
}

void sower_safetensors_draw(struct sower_buffer *buffer, const struct sower_draw *draw)
{
    char text[SOWER_HEX_SIZE];
    sower_safetensors_metadata(buffer, "format", "pt");
    sower_safetensors_metadata(buffer, "sower.experiment", draw->experiment);
    snprintf(text, sizeof text, "%" PRIu64, draw->trial);
    sower_safetensors_metadata(buffer, "sower.trial", text);
    sower_hex_print(draw->root_id.bytes, text);
    sower_safetensors_metadata(buffer, "sower.root", text);
    snprintf(text, sizeof text, "%d", SOWER_SPEC);
    sower_safetensors_metadata(buffer, "sower.spec", text);
}

void sower_safetensors_tensor(struct sower_buffer *buffer, const char *name, enum sower_dtype dtype,
                              const struct sower_shape *shape, uint64_t start, uint64_t stop)
{
    /* After the last value of the metadata its object is still open. A tensor ends with "}". */
    bool first = !buffer->failed && buffer->text[buffer->length - 1] != '}';
    sower_buffer_text(buffer, first ? "}," : ",");
    sower_buffer_string(buffer, name);
    sower_buffer_text(buffer, ":{\"dtype\":\"");
    sower_buffer_text(buffer, sower_safetensors_dtype(dtype));
    sower_buffer_text(buffer, "\",\"shape\":");
    sower_buffer_shape(buffer, shape);
    sower_buffer_text(buffer, ",\"data_offsets\":[");
    sower_buffer_number(buffer, start);
    sower_buffer_text(buffer, ",");
    sower_buffer_number(buffer, stop);
    sower_buffer_text(buffer, "]}");
}

void sower_safetensors_close(struct sower_buffer *buffer)
{
    bool empty = !buffer->failed && buffer->text[buffer->length - 1] != '}';
    sower_buffer_text(buffer, empty ? "}}" : "}");
    while (!buffer->failed && buffer->length % ALIGNMENT != 0) {
        sower_buffer_text(buffer, " ");
    }
    for (size_t i = 0; i < SIZE_BYTES && !buffer->failed; i++) {
        buffer->text[i] = (char)((buffer->length - SIZE_BYTES) >> (8 * i) & 0xff);
    }
}
