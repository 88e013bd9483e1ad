/* Edit distance (Levenshtein; with swaps, Damerau): how many insertions, deletions and replacements of one
 * byte and swaps of two neighbours lead from one text to another. It finds the name that a mistyped one was
 * meant to be: the nearest, if it is near enough to be recognized. */
#ifndef SOWER_CORE_EDIT_DISTANCE_H
#define SOWER_CORE_EDIT_DISTANCE_H

#include <stddef.h>

/* Only so many bytes of either text are compared: names are short, input need not be. */
enum { SOWER_EDIT_DISTANCE_MAX = 64 };

size_t sower_edit_distance(const char *from, const char *to);

/* The nearest of several names. Begin with {.name = the mistyped one} and try them all. */
struct sower_nearest {
    const char *name;
    const char *found; /* the nearest so far, the first of equals; NULL: none was near */
    size_t distance;   /* of it */
};

/* A name is near when the distance is at most a third, rounded up, of the length of the longer one. */
void sower_nearest_try(struct sower_nearest *nearest, const char *candidate);

enum { SOWER_SUGGESTION_SIZE = 96 };

/* The end of a sentence that says that there is no such name: "; did you mean found?", put between `before`
 * and `after` (quotes), or a full stop when `found` is NULL. */
void sower_nearest_suggestion(const char *found, const char *before, const char *after,
                              char suggestion[SOWER_SUGGESTION_SIZE]);

#endif
