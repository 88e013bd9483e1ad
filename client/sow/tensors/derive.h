/* Derivations: computes a tensor on this machine, block by block, for its digest and, on request, a file. */
#ifndef SOWER_CLIENT_SOW_TENSORS_DERIVE_H
#define SOWER_CLIENT_SOW_TENSORS_DERIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/attributes.h"
#include "core/problem.h"
#include "proto/request.h"

enum { DERIVE_DIGEST_SIZE = 32 };

/* Computes all elements of the requested tensor. `digest` gets the BLAKE2b-256 of the elements,
 * little-endian, without a header. If `path` is not NULL, the response in the format of the request (header
 * and elements) is written to that file, completely or not at all. Takes memory for one block, and for the
 * factors of a tensor that needs them. Returns false with a problem. */
SOWER_MUST_USE bool derive_tensor(const struct sower_request *request, const char *path,
                                  uint8_t digest[DERIVE_DIGEST_SIZE], struct sower_problem *problem);

#endif
