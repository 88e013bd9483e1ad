#include "core/panels.h"

#include <stdlib.h>

#include <sys/mman.h>

enum { CACHE_LINE = 64, HUGE_PAGE = 2 << 20 };

/* The number of stored rows in all panels before this one. */
static uint64_t rows_before(const struct sower_panels *panels, size_t panel)
{
    if (panels->upper) {
        return (uint64_t)panels->width * panel * (panel + 1) / 2;
    }
    size_t whole = (panels->columns - panels->depth) / panels->width + 1;
    if (panel <= whole) {
        return (uint64_t)panel * panels->depth;
    }
    /* Panel q ≥ whole has columns − q · width rows. */
    uint64_t later = panel - whole;
    uint64_t sum_of_q = later * whole + later * (later - 1) / 2;
    return (uint64_t)whole * panels->depth + later * panels->columns - panels->width * sum_of_q;
}

size_t sower_panels_count(const struct sower_panels *panels)
{
    return panels->columns / panels->width + (panels->columns % panels->width != 0);
}

uint64_t sower_panels_size(const struct sower_panels *panels)
{
    size_t row_size = panels->width * sower_panels_number_size(panels->single);
    return rows_before(panels, sower_panels_count(panels)) * row_size;
}

void *sower_panels_buffer(uint64_t size)
{
    if (size > SIZE_MAX - HUGE_PAGE) {
        return NULL;
    }
    if (size < HUGE_PAGE) {
        return aligned_alloc(CACHE_LINE, ((size_t)size / CACHE_LINE + 1) * CACHE_LINE);
    }
    void *buffer = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (buffer == MAP_FAILED) {
        return NULL;
    }
    /* Huge pages save a tenth of the time, which page faults would take. If the system refuses, nothing else
     * changes. */
    (void)madvise(buffer, (size_t)size, MADV_HUGEPAGE);
    return buffer;
}

void sower_panels_buffer_free(void *buffer, uint64_t size)
{
    if (size < HUGE_PAGE) {
        free(buffer);
    } else if (buffer) {
        (void)munmap(buffer, (size_t)size);
    }
}

bool sower_panels_allocate(struct sower_panels *panels)
{
    panels->values = sower_panels_buffer(sower_panels_size(panels));
    return panels->values != NULL;
}

void sower_panels_free(struct sower_panels *panels)
{
    sower_panels_buffer_free(panels->values, sower_panels_size(panels));
    panels->values = NULL;
}

size_t sower_panels_first(const struct sower_panels *panels, size_t panel)
{
    size_t dense = panels->columns - panels->depth;
    size_t column = panel * panels->width;
    return panels->upper || column <= dense ? 0 : column - dense;
}

void *sower_panels_row(const struct sower_panels *panels, size_t panel, size_t row)
{
    uint64_t rows = rows_before(panels, panel) + row - sower_panels_first(panels, panel);
    return (char *)panels->values + rows * panels->width * sower_panels_number_size(panels->single);
}
