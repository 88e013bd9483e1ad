/* UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing beyond U+10FFFF. */
#ifndef SOWER_CORE_UTF8_H
#define SOWER_CORE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

#include "core/attributes.h"

/* The bytes of the character that begins at `text`, of which `left` bytes (at least one) may be looked at; 0 when
 * no well-formed one begins there. */
SOWER_MUST_USE size_t sower_utf8_length(const char *text, size_t left);

/* Whether all of the text is well-formed. */
SOWER_MUST_USE bool sower_utf8_check(const char *text, size_t length);

#endif
