/* Globs: patterns for the names of tensors.
 *
 *   *       any text, also none; the dots of a name are nothing special
 *   ?       one character
 *   [abc]   one of these; [a-z] one of this range; [!…] none of them
 *   \x      the character x itself
 *
 * Characters are those of UTF-8. A pattern takes time in proportion to its length times the name's at most.
 */
#ifndef SOWER_PROTO_GLOB_H
#define SOWER_PROTO_GLOB_H

#include <stdbool.h>

/* Whether the pattern can be read: every "[" is closed, and no "\" stands at the end. */
bool sower_glob_check(const char *pattern);

/* Whether a name matches a pattern that can be read, as a whole. */
bool sower_glob_match(const char *pattern, const char *name);

#endif
