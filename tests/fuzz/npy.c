/* Headers of NumPy files. Oracle: the header that Sower writes for what was read gives the same again. */
#include "proto/format.h"
#include "proto/npy_read.h"
#include "tests/fuzz/fuzz.h"

static bool read(const uint8_t *bytes, size_t size, struct sower_npy *npy)
{
    struct sower_problem problem;
    const bool read = sower_npy_read(bytes, size, npy, &problem);
    if (!read) {
        check_refusal(&problem);
    }
    return read;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct sower_npy npy, again;
    if (!read(bytes, size, &npy)) {
        return 0;
    }
    MUST(npy.header_size <= size && strlen(npy.type) <= SOWER_NPY_TYPE_MAX);
    for (enum sower_dtype dtype = 0; dtype < SOWER_DTYPE_COUNT; dtype++) {
        struct sower_request request = {.format = SOWER_FORMAT_NPY};
        struct sower_problem problem;
        struct sower_body body;
        if (!sower_npy_has_dtype(&npy, dtype) || !sower_shape_check(&npy.shape, dtype, &problem)) {
            continue;
        }
        request.draw.dtype = dtype;
        request.region = sower_region_whole(&npy.shape);
        sower_format_body(&request, &body);
        MUST(read(body.prefix, body.prefix_size, &again) && again.header_size == body.prefix_size);
        MUST(again.shape.rank == npy.shape.rank && strcmp(again.type, npy.type) == 0 &&
             memcmp(again.shape.sizes, npy.shape.sizes, npy.shape.rank * sizeof npy.shape.sizes[0]) == 0);
    }
    return 0;
}
