/* UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing above U+10FFFF. */
#ifndef SOWER_CORE_UTF8_H
#define SOWER_CORE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/attributes.h"

/* The number of bytes of the character that starts at `text`, or 0 when no well-formed character starts
 * there. The function reads at most `left` bytes; left is at least 1. */
SOWER_MUST_USE size_t sower_utf8_length(const char *text, size_t left);

/* Whether all of the text is well-formed. */
SOWER_MUST_USE bool sower_utf8_check(const char *text, size_t length);

/* Whether a well-formed character of `length` bytes changes how the text around it appears: a control
 * character (C0, DEL, C1); a mark, embedding, override or isolate of bidirectional text; a separator of lines
 * or paragraphs; the byte order mark. All of these are below U+10000. *point is its code point. */
SOWER_MUST_USE bool sower_utf8_controls(const char *text, size_t length, uint32_t *point);

#endif
