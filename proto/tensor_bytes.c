#include "proto/tensor_bytes.h"

#include <string.h>

enum { BOUNCE_SIZE = 4096 };

uint64_t sower_tensor_bytes_size(const struct sower_tensor_bytes *bytes)
{
    return bytes->body.prefix_size + bytes->body.data_size;
}

static size_t smaller(uint64_t a, uint64_t b)
{
    return (size_t)(a < b ? a : b);
}

/* Copies data through a small buffer if it begins or ends inside an element, or if its destination is not aligned.
 * `offset` counts from the first element. Sets *written, which is at least 1. */
static bool read_through_bounce(const struct sower_tensor_bytes *bytes, uint64_t offset, size_t count,
                                uint8_t *buffer, size_t *written)
{
    _Alignas(SOWER_TENSOR_BYTES_ALIGNMENT) uint8_t bounce[BOUNCE_SIZE];
    const size_t size = sower_dtype_size(bytes->source->plan.dtype);
    size_t skipped = (size_t)(offset % size);
    *written = smaller(count, sizeof bounce - skipped);
    size_t elements = (skipped + *written + size - 1) / size;
    if (!sower_source_read(bytes->source, &bytes->region, offset / size, elements, bounce)) {
        return false;
    }
    memcpy(buffer, bounce + skipped, *written);
    return true;
}

static bool read_data(const struct sower_tensor_bytes *bytes, uint64_t offset, size_t count, uint8_t *buffer)
{
    const size_t size = sower_dtype_size(bytes->source->plan.dtype);
    while (count > 0) {
        size_t written = count - count % size;
        if (written > 0 && offset % size == 0 && (uintptr_t)buffer % size == 0) {
            if (!sower_source_read(bytes->source, &bytes->region, offset / size, written / size, buffer)) {
                return false;
            }
        } else if (!read_through_bounce(bytes, offset, count, buffer, &written)) {
            return false;
        }
        offset += written;
        buffer += written;
        count -= written;
    }
    return true;
}

bool sower_tensor_bytes_read(const struct sower_tensor_bytes *bytes, uint64_t position, size_t count,
                             uint8_t *buffer)
{
    const size_t prefix_size = bytes->body.prefix_size;
    if (position < prefix_size) {
        size_t copied = smaller(count, prefix_size - position);
        memcpy(buffer, bytes->body.prefix + position, copied);
        position += copied;
        buffer += copied;
        count -= copied;
    }
    return count == 0 || read_data(bytes, position - prefix_size, count, buffer);
}
