/* Derivations: makes the elements of tensors on this machine, on several cores.
 *
 * A tensor is made in blocks, each cut into chunks that threads make (client/library/workers.h). While the next block is
 * made, one thread takes the block before it: writes it, hashes it. So the memory is that of two blocks, and of the
 * factors of a tensor that needs them, whatever the size of the tensor. */
#ifndef SOWER_CLIENT_SOW_TENSORS_DERIVE_H
#define SOWER_CLIENT_SOW_TENSORS_DERIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/library/workers.h"
#include "client/sow/options.h"
#include "client/sow/terminal/progress.h"
#include "core/attributes.h"
#include "core/problem.h"
#include "proto/request.h"

enum { DERIVE_DIGEST_SIZE = 32 };

/* Does not move in memory. */
struct derivation {
    struct sower_workers workers;
    uint8_t *blocks[2]; /* aligned for every dtype */
    size_t block_size;
    struct progress *progress; /* NULL: none. Its bytes are those of all tensors */
    uint64_t done;             /* bytes of tensors that are made */
};

/* The option --threads. */
extern const struct option_group derive_options;

/* Reads --threads; 0 if it is not given: one thread for each processor. A mistake is reported. */
SOWER_MUST_USE bool derive_threads(const struct options *options, unsigned *threads);

/* Begins with `threads` threads, 0 for one for each processor. The caller calls derive_end, also after a problem. */
SOWER_MUST_USE bool derive_begin(struct derivation *derivation, unsigned threads, struct progress *progress,
                                 struct sower_problem *problem);
void derive_end(struct derivation *derivation);

/* Takes the next bytes of the elements, little-endian. Called by any thread, but only by one at a time. False with a problem. */
typedef bool derive_take(void *context, const void *bytes, size_t size, struct sower_problem *problem);

/* Makes all elements of the request's region and passes them to `take`, in order. */
SOWER_MUST_USE bool derive_elements(struct derivation *derivation, const struct sower_request *request,
                                    derive_take *take, void *context, struct sower_problem *problem);

/* Makes the requested tensor. `digest` gets the BLAKE2b-256 of the elements, little-endian, without a header. If `path` is
 * not NULL, the response in the format of the request (header and elements) is written to that file, completely or not at
 * all. */
SOWER_MUST_USE bool derive_tensor(struct derivation *derivation, const struct sower_request *request,
                                  const char *path, uint8_t digest[DERIVE_DIGEST_SIZE],
                                  struct sower_problem *problem);

/* What a file has in place of the elements that must be there. */
struct derive_differences {
    uint64_t count;                /* elements that differ in any bit */
    uint64_t first;                /* the first of them, in the region's C order */
    uint8_t found[8], expected[8]; /* its bytes */
};

/* Makes the elements of the request's region, and compares them with those in an open file, which begin at byte `at`. A file
 * that has too few bytes is a problem. */
SOWER_MUST_USE bool derive_compare(struct derivation *derivation, const struct sower_request *request,
                                   int file, uint64_t at, struct derive_differences *differences,
                                   struct sower_problem *problem);

#endif
