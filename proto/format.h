/* Formats: the bytes before the elements. A response body is a prefix, then the elements of the region, in C
 * order, little-endian.
 *
 *   raw  no prefix
 *   npy  the header of NumPy's .npy version 1.0 (numpy.lib.format), byte for byte as NumPy writes it; the
 *        data starts at a multiple of 64 bytes
 *   safetensors  the header of a file with this one tensor (safetensors.h), a multiple of 8 bytes; its
 *        metadata say which draw it is
 *
 * bf16 and f8 have no NumPy dtype of their own: they are written as '<V2' and '|V1', and a reader views them as the
 * type in the response's Sower-Dtype. */
#ifndef SOWER_PROTO_FORMAT_H
#define SOWER_PROTO_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#include "proto/request.h"

/* For a safetensors header, in which one byte of a name may become six. */
enum { SOWER_PREFIX_MAX = 8192 };

struct sower_body {
    uint8_t prefix[SOWER_PREFIX_MAX];
    size_t prefix_size; /* a multiple of 64, or of 8 for safetensors; 0 for raw */
    uint64_t data_size; /* bytes of elements */
};

const char *sower_format_name(enum sower_format format); /* "npy", "raw", "safetensors" */

/* "application/x-npy", "application/octet-stream". */
const char *sower_format_media_type(enum sower_format format);

/* NumPy's name of the type in which a dtype is written: "<f4". */
const char *sower_format_npy_type(enum sower_dtype dtype);

/* The prefix and the sizes of the response body. */
void sower_format_body(const struct sower_request *request, struct sower_body *body);

#endif
