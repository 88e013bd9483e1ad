/* Lower-case hex digits, as hashes, seeds and keys are written everywhere. */
#ifndef SOWER_PROTO_HEX_H
#define SOWER_PROTO_HEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/attributes.h"

enum { SOWER_HEX_SIZE = 65 }; /* 32 bytes as hex digits, and a NUL */

/* Writes 64 digits and a NUL. */
void sower_hex_print(const uint8_t bytes[32], char hex[SOWER_HEX_SIZE]);

/* Reads exactly 2 * count digits; no NUL has to follow. False if one of them is not a lower-case hex digit; then
 * the content of `bytes` is undefined. */
SOWER_MUST_USE bool sower_hex_read(const char *text, uint8_t *bytes, size_t count);

/* Whether a text is exactly 64 lower-case hex digits. */
SOWER_MUST_USE bool sower_hex_is_hash(const char *text);

#endif
