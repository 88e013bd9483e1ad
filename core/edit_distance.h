/* Edit distance (Damerau-Levenshtein, optimal string alignment): the smallest number of edits that turn one
 * text into another. An edit inserts, deletes or replaces one byte, or swaps two neighbouring bytes. It
 * finds the name that a mistyped name probably means: the nearest one, if it is near enough. */
#ifndef SOWER_CORE_EDIT_DISTANCE_H
#define SOWER_CORE_EDIT_DISTANCE_H

#include <stddef.h>

/* Only this many bytes of each text are compared: names are short, but input can be long. */
enum { SOWER_EDIT_DISTANCE_MAX = 64 };

size_t sower_edit_distance(const char *from, const char *to);

/* A search for the nearest of several names. Start with {.name = the mistyped name} and try all names. */
struct sower_nearest {
    const char *name;
    const char *found; /* the nearest name so far, the first among equals; NULL: none was near */
    size_t distance;   /* from `name` to `found` */
};

/* A candidate is near when its distance is at most a third, rounded up, of the length of the longer text. */
void sower_nearest_try(struct sower_nearest *nearest, const char *candidate);

enum { SOWER_SUGGESTION_SIZE = 96 };

/* Writes the end of an error sentence about an unknown name: "; did you mean X?", where X is `found` between
 * `before` and `after` (quotes, for example). When `found` is NULL it writes a full stop. */
void sower_nearest_suggestion(const char *found, const char *before, const char *after,
                              char suggestion[SOWER_SUGGESTION_SIZE]);

#endif
