/* Files of tensors: a safetensors file, or a NumPy file with one array. Their headers are read; their elements stay in the
 * file. */
#ifndef SOWER_CLIENT_SOW_TENSORS_STORED_H
#define SOWER_CLIENT_SOW_TENSORS_STORED_H

#include <stdbool.h>
#include <stdint.h>

#include "client/sow/options.h"
#include "core/attributes.h"
#include "proto/npy_read.h"
#include "proto/safetensors_read.h"

struct stored {
    int file; /* -1: not open */
    uint64_t size;
    bool is_npy;
    struct sower_npy npy;                     /* of a NumPy file */
    struct sower_safetensors_entries entries; /* of a safetensors file */
    uint64_t data;                            /* where the elements begin: after the header */
};

/* Opens a file and reads its header. Failures are reported. The caller calls stored_close in any case. */
SOWER_MUST_USE enum sow_exit stored_open(struct stored *stored, const struct options *options,
                                         const char *path);
void stored_close(struct stored *stored);

/* A value of the metadata of a safetensors file; NULL: it has none. */
const char *stored_metadata(const struct stored *stored, const char *key);

#endif
