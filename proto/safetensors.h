/* Safetensors: the file format in which frameworks exchange named tensors.
 *
 * A file is the length of its header (8 bytes, little-endian), the header, and the tensors' bytes one behind
 * the other. The header is a JSON object, padded with spaces: under "__metadata__" an object of strings,
 * under each name {"dtype":"F32","shape":[32,16],"data_offsets":[0,2048]}, offsets counted from the end of
 * the header. Ours are padded to a multiple of 8 bytes. Source: github.com/huggingface/safetensors, README.
 */
#ifndef SOWER_PROTO_SAFETENSORS_H
#define SOWER_PROTO_SAFETENSORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "core/draw.h"
#include "core/dtype.h"
#include "core/problem.h"
#include "core/shape.h"
#include "proto/buffer.h"

#define SOWER_SAFETENSORS_METADATA "__metadata__"

enum {
    SOWER_SAFETENSORS_LENGTH_SIZE = 8,
    SOWER_SAFETENSORS_HEADER_MAX = 100000000, /* what the format's own library reads */
};

/* Writing a header, length included: open, metadata any number of times, tensor for each tensor, close. */
void sower_safetensors_open(struct sower_buffer *buffer);
void sower_safetensors_metadata(struct sower_buffer *buffer, const char *key, const char *value);
/* Where a file comes from: format "pt", without which Hugging Face's loaders refuse it, and sower.experiment,
 * sower.trial, sower.root (the root's id) and sower.spec of the draw. */
void sower_safetensors_draw(struct sower_buffer *buffer, const struct sower_draw *draw);
void sower_safetensors_tensor(struct sower_buffer *buffer, const char *name, enum sower_dtype dtype,
                              const struct sower_shape *shape, uint64_t start, uint64_t stop);
void sower_safetensors_close(struct sower_buffer *buffer);

/* The length of the header of a file of `file_size` bytes that begins with these; refuses one that cannot be
 * true. Problems of reading carry the field "like". */
bool sower_safetensors_length(const uint8_t bytes[SOWER_SAFETENSORS_LENGTH_SIZE], uint64_t file_size,
                              size_t *length, struct sower_problem *problem);

/* Adds the tensors of a header to a manifest's array, as text: {"dtype":"bf16","name":…,"shape":[…]} in the
 * header's order, separated by commas, the first one behind a comma when the buffer is not empty. Tensors of
 * integers and booleans have no starting weights: they are left out, and "name (I64)" is added to the array
 * `left_out`. Refuses what is no header: unknown types, offsets that are not the tensors' sizes, overlap,
 * leave gaps or do not end with the file's `data_size` bytes of data. */
bool sower_safetensors_read(const char *header, size_t length, uint64_t data_size,
                            struct sower_buffer *tensors, json_t *left_out, struct sower_problem *problem);

#endif
