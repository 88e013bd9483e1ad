/* Safetensors: the file format in which frameworks exchange named tensors.
 *
 * A file is the length of its header (8 bytes, little-endian), the header, and the tensors' bytes one after
 * the other. The header is a JSON object, padded with spaces: under "__metadata__" an object of strings,
 * under each name {"dtype":"F32","shape":[32,16],"data_offsets":[0,2048]}; offsets count from the end of
 * the header. Sower pads its headers to a multiple of 8 bytes. Source: github.com/huggingface/safetensors, README.
 */
#ifndef SOWER_PROTO_SAFETENSORS_H
#define SOWER_PROTO_SAFETENSORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "core/attributes.h"
#include "core/draw.h"
#include "core/dtype.h"
#include "core/problem.h"
#include "core/shape.h"
#include "proto/buffer.h"

#define SOWER_SAFETENSORS_METADATA "__metadata__"

enum {
    SOWER_SAFETENSORS_LENGTH_SIZE = 8,
    SOWER_SAFETENSORS_HEADER_MAX = 100000000, /* the limit of the format's own library */
};

/* Writes a header and its length. Call open, metadata any number of times, tensor for each tensor, close. */
void sower_safetensors_open(struct sower_buffer *buffer);
void sower_safetensors_metadata(struct sower_buffer *buffer, const char *key, const char *value);
/* Whether the key may be one of Sower's own in the metadata: "format", or it begins with "sower.". */
SOWER_MUST_USE bool sower_safetensors_is_reserved(const char *key);

/* Writes metadata about the draw: sower.experiment, sower.trial, sower.root (the root's id) and sower.spec; and
 * the format "pt", which Hugging Face's loaders require. */
void sower_safetensors_draw(struct sower_buffer *buffer, const struct sower_draw *draw);
void sower_safetensors_tensor(struct sower_buffer *buffer, const char *name, enum sower_dtype dtype,
                              const struct sower_shape *shape, uint64_t start, uint64_t stop);
void sower_safetensors_close(struct sower_buffer *buffer);

/* The length of the header, from the first bytes of a file of `file_size` bytes; refuses an impossible length.
 * Problems of reading have the field "like". */
SOWER_MUST_USE bool sower_safetensors_length(const uint8_t bytes[SOWER_SAFETENSORS_LENGTH_SIZE],
                                             uint64_t file_size, size_t *length,
                                             struct sower_problem *problem);

/* Adds the tensors of a header to a manifest's array, as text: {"dtype":"bf16","name":…,"shape":[…]} in the
 * header's order, separated by commas; if the buffer is not empty, a comma comes first. Tensors of integers and
 * booleans have no starting weights: they are left out, and "name (I64)" is added to the array `left_out`.
 * Refuses an invalid header: unknown types, or offsets that do not fit the tensors' sizes, overlap, leave gaps or
 * do not end with the file's `data_size` bytes of data. */
SOWER_MUST_USE bool sower_safetensors_read(const char *header, size_t length, uint64_t data_size,
                                           struct sower_buffer *tensors, json_t *left_out,
                                           struct sower_problem *problem);

#endif
