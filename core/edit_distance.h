/* Edit distance (Levenshtein): how many insertions, deletions and replacements of one byte lead from one text
 * to another. It finds the name that a mistyped one was meant to be. */
#ifndef SOWER_CORE_EDIT_DISTANCE_H
#define SOWER_CORE_EDIT_DISTANCE_H

#include <stddef.h>

/* Only so many bytes of either text are compared: names are short, input need not be. */
enum { SOWER_EDIT_DISTANCE_MAX = 64 };

size_t sower_edit_distance(const char *from, const char *to);

#endif
