/* Reads headers of safetensors files (safetensors.h): names, shapes and dtypes of their tensors, and which names are
 * tied.
 *
 * Only the header is needed: the data after it may be cut off anywhere, as in a file of which only the beginning was
 * fetched. Problems have the field "like". */
#ifndef SOWER_PROTO_SAFETENSORS_READ_H
#define SOWER_PROTO_SAFETENSORS_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "core/attributes.h"
#include "core/problem.h"
#include "proto/buffer.h"
#include "proto/safetensors.h"

/* The length of the header, from the first bytes of a file of `file_size` bytes; refuses an impossible length. */
SOWER_MUST_USE bool sower_safetensors_length(const uint8_t bytes[SOWER_SAFETENSORS_LENGTH_SIZE],
                                             uint64_t file_size, size_t *length,
                                             struct sower_problem *problem);

/* Adds the tensors of a header to a manifest's array, as text: {"dtype":"bf16","name":…,"shape":[…]} in the
 * header's order, separated by commas; if the buffer is not empty, a comma comes first. Sower makes no tensors of
 * some dtypes (integers, booleans, complex numbers, numbers of less than 8 bits, some of 8 bits): they are left out,
 * and "name (I64)" is added to the array `left_out`.
 *
 * Then come the tied tensors, as {"name":…,"same_as":…,"shape":[…]}: safetensors.torch.save_model writes a tensor that
 * is the same as another one as a member of the metadata, from its name to the name of the other. A member of the
 * metadata is taken for such a pair if its key is not the name of a tensor, nor one of Sower's own keys, and its value is
 * the name of a tensor.
 *
 * Refuses an invalid header: unknown dtypes; offsets that do not fit the tensors' sizes, overlap or leave gaps; more
 * than `data_size`, the number of bytes after the header in the file, if the file has data that belongs to no tensor. */
SOWER_MUST_USE bool sower_safetensors_read(const char *header, size_t length, uint64_t data_size,
                                           struct sower_buffer *tensors, json_t *left_out,
                                           struct sower_problem *problem);

/* A tensor of a file. */
struct sower_safetensors_entry {
    char *name;
    enum sower_dtype dtype; /* SOWER_DTYPE_COUNT: one of which Sower makes no tensors */
    struct sower_shape shape;
    uint64_t start, stop; /* its bytes, counted from the end of the header */
};

struct sower_safetensors_entries {
    struct sower_safetensors_entry *all; /* sorted by name */
    size_t count;
    json_t *metadata; /* NULL: the header has none. Not checked: it should be an object of strings */
};

/* Lists all tensors of a header, with the places of their bytes. Refuses what sower_safetensors_read refuses, names that occur twice,
 * and a file of which a part is missing. The caller calls sower_safetensors_free, also after a problem. */
SOWER_MUST_USE bool sower_safetensors_list(const char *header, size_t length, uint64_t data_size,
                                           struct sower_safetensors_entries *entries,
                                           struct sower_problem *problem);

/* The tensor of this name; NULL: the file has none. */
const struct sower_safetensors_entry *sower_safetensors_find(const struct sower_safetensors_entries *entries,
                                                             const char *name);

void sower_safetensors_free(struct sower_safetensors_entries *entries);

#endif
