/* Derivations: a tensor made here, block by block, for its digest and, if wanted, for a file. */
#ifndef SOWER_CLIENT_SOW_TENSORS_DERIVE_H
#define SOWER_CLIENT_SOW_TENSORS_DERIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/problem.h"
#include "proto/request.h"

enum { DERIVE_DIGEST_SIZE = 32 };

/* Makes all elements of the request's tensor. `digest` is the BLAKE2b-256 of the elements, little-endian; the
 * answer in the request's format, its header before the elements, is written to the file at `path`, whole or
 * not at all, unless that is NULL. Memory is taken for one block, and for the factors of a tensor that has
 * some. False with a problem. */
bool derive_tensor(const struct sower_request *request, const char *path, uint8_t digest[DERIVE_DIGEST_SIZE],
                   struct sower_problem *problem);

#endif
