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

#include "core/attributes.h"
#include "core/draw.h"
#include "core/dtype.h"
#include "core/shape.h"
#include "proto/buffer.h"

#define SOWER_SAFETENSORS_METADATA "__metadata__"

enum {
    SOWER_SAFETENSORS_LENGTH_SIZE = 8,
    SOWER_SAFETENSORS_HEADER_MAX = 100000000, /* the limit of the format's own library */
};

/* The format's name of a dtype: "BF16". */
const char *sower_safetensors_dtype(enum sower_dtype dtype);

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

#endif
