#include "client/sow/tensors/derive.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "client/sow/terminal/output.h"
#include "core/source.h"
#include "proto/format.h"

/* 64 rows of an orthogonal f32 matrix with 32768 columns: such blocks are computed at full speed. */
enum { BLOCK_SIZE = 8 * 1024 * 1024, BLOCK_ALIGNMENT = 64 };

struct derivation {
    struct sower_source source;
    struct sower_region region;
    crypto_generichash_state state;
    struct output *output; /* NULL: no file */
    const char *path;
    uint8_t *block;
    struct sower_problem *problem;
};

static bool write_bytes(struct derivation *derivation, const void *bytes, size_t size)
{
    return derivation->output == NULL || output_write(derivation->output, bytes, size) ||
           sower_problem_set(derivation->problem, SOWER_PROBLEM_UNAVAILABLE, "", "%s cannot be written: %s.",
                             derivation->path, strerror(errno));
}

static bool read_elements(struct derivation *derivation, uint64_t count, size_t size)
{
    const uint64_t at_once = BLOCK_SIZE / size;
    bool good = true;
    for (uint64_t first = 0; first < count && good; first += at_once) {
        size_t elements = (size_t)(count - first < at_once ? count - first : at_once);
        good =
            sower_source_read(&derivation->source, &derivation->region, first, elements, derivation->block) ||
            sower_problem_memory(derivation->problem);
        if (good) {
            crypto_generichash_update(&derivation->state, derivation->block, elements * size);
            good = write_bytes(derivation, derivation->block, elements * size);
        }
    }
    return good;
}

/* Writes the header of the format, then computes the elements from the open source. */
static bool make(struct derivation *derivation, const struct sower_request *request,
                 uint8_t digest[DERIVE_DIGEST_SIZE])
{
    struct sower_body body;
    sower_format_body(request, &body);
    crypto_generichash_init(&derivation->state, NULL, 0, DERIVE_DIGEST_SIZE);
    derivation->block = aligned_alloc(BLOCK_ALIGNMENT, BLOCK_SIZE);
    if (derivation->block == NULL) {
        return sower_problem_memory(derivation->problem);
    }
    bool made = write_bytes(derivation, body.prefix, body.prefix_size) &&
                read_elements(derivation, sower_shape_count(&request->draw.shape),
                              sower_dtype_size(request->draw.dtype));
    crypto_generichash_final(&derivation->state, digest, DERIVE_DIGEST_SIZE);
    free(derivation->block);
    return made;
}

bool derive_tensor(const struct sower_request *request, const char *path, uint8_t digest[DERIVE_DIGEST_SIZE],
                   struct sower_problem *problem)
{
    struct derivation derivation = {.region = request->region, .path = path, .problem = problem};
    struct output output;
    if (path != NULL && !output_open(&output, path)) {
        return sower_problem_set(problem, SOWER_PROBLEM_UNAVAILABLE, "", "%s cannot be written: %s.", path,
                                 strerror(errno));
    }
    derivation.output = path != NULL ? &output : NULL;
    bool made =
        sower_source_open(&derivation.source, &request->plan, &request->seed, &sower_parallel_none, problem);
    if (made) {
        made = make(&derivation, request, digest);
        sower_source_close(&derivation.source);
    }
    if (path != NULL) {
        made = made && (output_finish(&output) ||
                        sower_problem_set(problem, SOWER_PROBLEM_UNAVAILABLE, "", "%s cannot be written: %s.",
                                          path, strerror(errno)));
        output_discard(&output);
    }
    return made;
}
