#include "core/edit_distance.h"

#include <stdio.h>
#include <string.h>

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t sower_edit_distance(const char *from, const char *to)
{
    size_t columns = strnlen(to, SOWER_EDIT_DISTANCE_MAX);
    size_t rows[3][SOWER_EDIT_DISTANCE_MAX + 1] = {{0}}; /* row i is rows[i % 3] */
    size_t i = 0;
    for (size_t j = 0; j <= columns; j++) {
        rows[0][j] = j;
    }
    while (i < SOWER_EDIT_DISTANCE_MAX && from[i] != '\0') {
        const size_t *above = rows[i % 3], *two_above = rows[(i + 2) % 3];
        size_t *row = rows[++i % 3];
        row[0] = i;
        for (size_t j = 1; j <= columns; j++) {
            row[j] = smaller(above[j - 1] + (from[i - 1] != to[j - 1]), smaller(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1]) {
                row[j] = smaller(row[j], two_above[j - 2] + 1);
            }
        }
    }
    return rows[i % 3][columns];
}

void sower_nearest_try(struct sower_nearest *nearest, const char *candidate)
{
    size_t distance = sower_edit_distance(nearest->name, candidate);
    size_t length = strnlen(nearest->name, SOWER_EDIT_DISTANCE_MAX);
    size_t other = strnlen(candidate, SOWER_EDIT_DISTANCE_MAX);
    size_t longer = length > other ? length : other;
    /* distance < longer: for one letter, a third rounded up is the whole length, and every letter would
     * match. */
    if (distance <= (longer + 2) / 3 && distance < longer &&
        (nearest->found == NULL || distance < nearest->distance)) {
        nearest->found = candidate;
        nearest->distance = distance;
    }
}

void sower_nearest_suggestion(const char *found, const char *before, const char *after,
                              char suggestion[SOWER_SUGGESTION_SIZE])
{
    if (found == NULL) {
        snprintf(suggestion, SOWER_SUGGESTION_SIZE, ".");
    } else {
        snprintf(suggestion, SOWER_SUGGESTION_SIZE, "; did you mean %.4s%.*s%.4s?", before,
                 SOWER_EDIT_DISTANCE_MAX, found, after);
    }
}
