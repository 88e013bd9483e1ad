/* Shapes from an existing checkpoint: the tensors of a safetensors file, or of all files that a
 * model.safetensors.index.json lists; those files must be in the same directory. Only the headers are read, so the data
 * of a file may be missing. */
#ifndef SOWER_CLIENT_SOW_TENSORS_LIKE_H
#define SOWER_CLIENT_SOW_TENSORS_LIKE_H

#include <stdbool.h>

#include <jansson.h>

#include "core/attributes.h"
#include "core/problem.h"
#include "proto/buffer.h"

/* Appends the tensors to `tensors` as elements of the array of a manifest, and the names of tensors whose dtypes Sower
 * does not make to `left_out` (proto/safetensors_read.h). Problems have the field "like". */
SOWER_MUST_USE bool like_read(const char *path, struct sower_buffer *tensors, json_t *left_out,
                              struct sower_problem *problem);

#endif
