/* Globs: patterns for the names of tensors.
 *
 *   *       any text, also empty; a dot in a name is like any character
 *   ?       one character
 *   [abc]   one of these; [a-z] one of this range; [!…] a character that is not among these
 *   \x      the character x itself
 *
 * Characters are those of UTF-8. Matching takes time proportional to at most the product of the two lengths.
 */
#ifndef SOWER_PROTO_GLOB_H
#define SOWER_PROTO_GLOB_H

#include <stdbool.h>
#include <stdint.h>

#include "core/attributes.h"

/* Whether the pattern is valid: every "[" is closed, and the pattern does not end in "\". */
SOWER_MUST_USE bool sower_glob_check(const char *pattern);

/* Whether the whole name matches a valid pattern. Subtracts the steps that this took from *steps; when they are used up, the
 * result is false and *steps 0. NULL: without limit. */
bool sower_glob_match(const char *pattern, const char *name, uint64_t *steps);

#endif
