#include "proto/format.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "proto/safetensors.h"

const char *sower_format_name(enum sower_format format)
{
    static const char *const names[] = {
        [SOWER_FORMAT_NPY] = "npy", [SOWER_FORMAT_RAW] = "raw", [SOWER_FORMAT_SAFETENSORS] = "safetensors"};
    return names[format];
}

const char *sower_format_media_type(enum sower_format format)
{
    return format == SOWER_FORMAT_NPY ? "application/x-npy" : "application/octet-stream";
}

const char *sower_format_npy_type(enum sower_dtype dtype)
{
    static const char *const descr[SOWER_DTYPE_COUNT] = {
        [SOWER_F64] = "<f8",  [SOWER_F32] = "<f4",     [SOWER_F16] = "<f2",
        [SOWER_BF16] = "<V2", [SOWER_F8_E4M3] = "|V1", [SOWER_F8_E5M2] = "|V1",
    };
    return descr[dtype];
}

/* Appends to the prefix. It always fits: a shape of eight axes of nineteen digits takes less than half of it. */
static void append(struct sower_body *body, const char *text)
{
    size_t length = strlen(text);
    memcpy(body->prefix + body->prefix_size, text, length);
    body->prefix_size += length;
}

static void append_spaces(struct sower_body *body, size_t count)
{
    memset(body->prefix + body->prefix_size, ' ', count);
    body->prefix_size += count;
}

/* A shape as Python prints a tuple: (), (3,), (3, 4). Returns the number of digits of the first size. */
static size_t append_tuple(struct sower_body *body, const struct sower_shape *shape)
{
    size_t first_digits = 0;
    append(body, "(");
    for (size_t axis = 0; axis < shape->rank; axis++) {
        char size[24];
        snprintf(size, sizeof size, "%" PRIu64, shape->sizes[axis]);
        first_digits = axis == 0 ? strlen(size) : first_digits;
        append(body, axis == 0 ? "" : ", ");
        append(body, size);
    }
    append(body, shape->rank == 1 ? ",)" : ")");
    return first_digits;
}

static void write_npy_header(const struct sower_request *request, struct sower_body *body)
{
    enum { ALIGNMENT = 64, PREAMBLE = 10, GROWTH_DIGITS = 21 };
    struct sower_shape shape = sower_region_shape(&request->region);
    body->prefix_size = PREAMBLE;
    append(body, "{'descr': '");
    append(body, sower_format_npy_type(request->draw.dtype));
    append(body, "', 'fortran_order': False, 'shape': ");
    size_t digits = append_tuple(body, &shape);
    append(body, ", }");
    if (shape.rank > 0) {
        append_spaces(body, GROWTH_DIGITS - digits); /* NumPy leaves room for the first axis to grow */
    }
    append_spaces(body, ALIGNMENT - (body->prefix_size + 1) % ALIGNMENT); /* 1 to 64, as NumPy does */
    append(body, "\n");
    size_t length = body->prefix_size - PREAMBLE;
    const uint8_t preamble[PREAMBLE] = {
        0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, (uint8_t)(length & 0xff), (uint8_t)(length >> 8)};
    memcpy(body->prefix, preamble, PREAMBLE);
}

/* The longest names, with every byte escaped, take about 5,300 bytes: so the buffer never grows. */
static void write_safetensors_header(const struct sower_request *request, struct sower_body *body)
{
    struct sower_buffer header = {.text = (char *)body->prefix, .capacity = sizeof body->prefix};
    struct sower_shape shape = sower_region_shape(&request->region);
    sower_safetensors_open(&header);
    sower_safetensors_draw(&header, &request->draw);
    sower_safetensors_tensor(&header, request->draw.name, request->draw.dtype, &shape, 0, body->data_size);
    sower_safetensors_close(&header);
    body->prefix_size = header.length;
}

void sower_format_body(const struct sower_request *request, struct sower_body *body)
{
    struct sower_shape shape = sower_region_shape(&request->region);
    body->prefix_size = 0;
    body->data_size = sower_shape_count(&shape) * sower_dtype_size(request->draw.dtype);
    if (request->format == SOWER_FORMAT_NPY) {
        write_npy_header(request, body);
    } else if (request->format == SOWER_FORMAT_SAFETENSORS) {
        write_safetensors_header(request, body);
    }
}
