#include "client/library/chunks.h"

#include "core/dtype.h"
#include "core/source.h"

enum {
    CHUNK_SIZE = 1 << 20, /* bytes; a tensor of two chunks is worth a thread */
    /* 64 rows of an orthogonal f32 matrix with 32768 columns: such chunks are computed at full speed. */
    ROWS_AT_ONCE = 64,
};

/* Reading an orthogonal matrix has a cost for each row, so its chunks have many rows. */
uint64_t sower_chunk_elements(const struct sower_plan *plan, const struct sower_region *region)
{
    const size_t rank = region->rank, size = sower_dtype_size(plan->dtype);
    uint64_t chunk = CHUNK_SIZE / size;
    if (rank > 0 && sower_source_cost(plan).memory > 0) {
        const uint64_t row = region->stop[rank - 1] - region->start[rank - 1];
        const uint64_t most = SOWER_CHUNK_SIZE_MAX / size;
        const uint64_t rows = row < most / ROWS_AT_ONCE ? row * ROWS_AT_ONCE : most;
        chunk = rows > chunk ? rows : chunk;
    }
    return chunk;
}
