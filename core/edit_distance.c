#include "edit_distance.h"

#include <string.h>

size_t sower_edit_distance(const char *from, const char *to)
{
    size_t columns = strnlen(to, SOWER_EDIT_DISTANCE_MAX);
    size_t row[SOWER_EDIT_DISTANCE_MAX + 1];
    for (size_t j = 0; j <= columns; j++) {
        row[j] = j;
    }
    for (size_t i = 1; i <= SOWER_EDIT_DISTANCE_MAX && from[i - 1] != '\0'; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= columns; j++) {
            size_t replaced = diagonal + (from[i - 1] != to[j - 1]);
            size_t shorter = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            diagonal = row[j];
            row[j] = replaced < shorter ? replaced : shorter;
        }
    }
    return row[columns];
}
