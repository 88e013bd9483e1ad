/* Panels: triangular and trapezoidal matrices, stored as the right operands of tiles.
 *
 * A panel is `width` neighbouring columns, stored row after row. The last panel is filled up with zeros; rows
 * that are zero throughout a panel are left out. Two forms:
 *
 *   lower   depth × columns, depth ≤ columns: row l has columns 0 … columns − depth + l. A panel starts at
 * row sower_panels_first() and goes on to row depth − 1. upper   square: row l has columns l … depth − 1.
 * Panel p has rows 0 … (p + 1) · width − 1. */
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

/* Bytes that the values take; depth · columns ≤ 2^36. */
uint64_t sower_panels_size(const struct sower_panels *panels);

/* Allocates the values, which start as anything. False when memory runs out. */
SOWER_MUST_USE bool sower_panels_allocate(struct sower_panels *panels);

/* Releases the values, if there are any. */
void sower_panels_free(struct sower_panels *panels);

/* `size` bytes that start on a cache line; NULL when memory runs out. Large ones go straight to the system
 * and back, on huge pages where it has some: the heap keeps no part of them. */
SOWER_MUST_USE void *sower_panels_buffer(uint64_t size);

/* Releases a buffer of that size; NULL is fine. */
void sower_panels_buffer_free(void *buffer, uint64_t size);

size_t sower_panels_count(const struct sower_panels *panels);

/* The first row that a panel has. */
size_t sower_panels_first(const struct sower_panels *panels, size_t panel);

/* One number, whatever its type. Storing rounds. */
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

/* Row `row` of a panel, which must have it: `width` numbers, the panel's next row right behind them. */
void *sower_panels_row(const struct sower_panels *panels, size_t panel, size_t row);

#endif
