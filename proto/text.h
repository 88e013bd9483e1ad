/* Texts: numbers and quotations, for queries and for expressions.
 *
 * Numbers are only decimal: no hexadecimal, no spaces, no digit grouping, no leading zeros, no
 * "nan". Texts come with their length and need no terminator. The programs never set a numeric locale, so the
 * decimal separator is a point. */
#ifndef SOWER_PROTO_TEXT_H
#define SOWER_PROTO_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "core/attributes.h"

/* A whole number: "0", "42", "-7"; no "+", no leading zeros, no "-0". False for any other text, and
 * for a magnitude above 2^63 - 1. */
SOWER_MUST_USE bool sower_text_integer(const char *text, size_t length, int64_t *value);

/* A real number: [sign] digits ["." digits] [("e" | "E") [sign] digits], where the digits before the point
 * may be missing and the sign may be "+". Correctly rounded; a very small number becomes 0 or a denormal.
 * False for any other text, for a number too large for a double, and above SOWER_REAL_TEXT_MAX bytes. */
enum { SOWER_REAL_TEXT_MAX = 1024 };
SOWER_MUST_USE bool sower_text_real(const char *text, size_t length, double *value);

/* The decimal of the fewest digits that %g needs to read back to the same double: "0.05", "1e-05", "inf".
 * (For 46 powers of two this is one digit more than the shortest decimal.) */
enum { SOWER_REAL_SIZE = 32 };
void sower_text_print_real(double value, char text[SOWER_REAL_SIZE]);

/* Quotes a given text for a sentence: in double quotes, cut after about 60 bytes. */
enum { SOWER_QUOTE_SIZE = 80 };
void sower_text_quote(const char *text, size_t length, char quote[SOWER_QUOTE_SIZE]);

/* The same for a JSON value: a string is quoted, a number or literal is printed, an array or object becomes
 * "an array" or "an object". */
void sower_text_quote_json(const json_t *value, char quote[SOWER_QUOTE_SIZE]);

#endif
