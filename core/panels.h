/* Panels: triangular and trapezoidal matrices, stored as the right operands of tiles (tile.h).
 *
 * A panel consists of `width` neighbouring columns, stored row after row. The last panel is padded with zero
 * columns. Rows that are zero in the whole panel are not stored. There are two forms:
 *
 *   lower   depth × columns, depth ≤ columns: row l has columns 0 … columns − depth + l.
 *           A panel has rows sower_panels_first() … depth − 1.
 *   upper   square: row l has columns l … depth − 1.
 *           Panel p has rows 0 … (p + 1) · width − 1. */
#ifndef SOWER_CORE_PANELS_H
#define SOWER_CORE_PANELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/attributes.h"

struct sower_panels {
    bool upper;
    size_t width;
    size_t depth;
    size_t columns;
    bool single;  /* floats, otherwise doubles */
    void *values; /* NULL until allocated */
};

/* Bytes of the values; depth · columns ≤ 2^36. */
uint64_t sower_panels_size(const struct sower_panels *panels);

/* Allocates the values without setting them. False when memory runs out. */
SOWER_MUST_USE bool sower_panels_allocate(struct sower_panels *panels);

/* Releases the values; does nothing when there are none. */
void sower_panels_free(struct sower_panels *panels);

/* Allocates `size` bytes that start on a cache line; NULL when memory runs out. Large buffers come
 * directly from the system, on huge pages if possible, and return to it when they are released: the heap
 * keeps nothing of them. */
SOWER_MUST_USE void *sower_panels_buffer(uint64_t size);

/* Releases a buffer of `size` bytes; NULL is allowed. */
void sower_panels_buffer_free(void *buffer, uint64_t size);

size_t sower_panels_count(const struct sower_panels *panels);

/* The number of the first row that the panel stores. */
size_t sower_panels_first(const struct sower_panels *panels, size_t panel);

/* Reads or writes one number, a float if `single`, else a double. Writing a float rounds. */
static inline double sower_panels_get(bool single, const void *values, size_t index)
{
    return single ? (double)((const float *)values)[index] : ((const double *)values)[index];
}

static inline void sower_panels_put(bool single, void *values, size_t index, double value)
{
    if (single) {
        ((float *)values)[index] = (float)value;
    } else {
        ((double *)values)[index] = value;
    }
}

static inline size_t sower_panels_number_size(bool single)
{
    return single ? sizeof(float) : sizeof(double);
}

/* Row `row` of a panel, which must store it: `width` numbers. The next row follows directly. */
void *sower_panels_row(const struct sower_panels *panels, size_t panel, size_t row);

#endif
