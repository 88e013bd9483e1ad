/* Shapes from a file that exists: the tensors of a safetensors file, or of all the files that a
 * model.safetensors.index.json names, which stand beside it. Only headers are read. */
#ifndef SOWER_CLIENT_SOW_TENSORS_LIKE_H
#define SOWER_CLIENT_SOW_TENSORS_LIKE_H

#include <stdbool.h>

#include <jansson.h>

#include "core/problem.h"
#include "proto/buffer.h"

/* Adds the tensors as text, as elements of a manifest's array (proto/safetensors.h); the names of those that
 * are left out, because they hold integers, go to `left_out`. Problems carry the field "like". */
bool like_read(const char *path, struct sower_buffer *tensors, json_t *left_out,
               struct sower_problem *problem);

#endif
