/* Text: numbers and quotations, the small change of both grammars.
 *
 * Numbers are decimal and nothing else: no hexadecimal, no spaces, no digit grouping, no leading zeros, no
 * "nan". Texts come with their length and need no terminator. The programs never set a numeric locale, so the
 * decimal point is a point. */
#ifndef SOWER_PROTO_TEXT_H
#define SOWER_PROTO_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

/* A whole number: "0", "42", "-7"; no "+", no leading zeros, no "-0". False when it is written otherwise or
 * its magnitude is above 2^63 - 1. */
bool sower_text_integer(const char *text, size_t length, int64_t *value);

/* A real number: [sign] digits ["." digits] [("e" | "E") [sign] digits], where the digits before the point
 * may be missing and the sign may be "+". Correctly rounded; a number too small becomes 0 or a denormal.
 * False when it is written otherwise, is too large for a double or longer than SOWER_REAL_TEXT_MAX. */
enum { SOWER_REAL_TEXT_MAX = 1024 };
bool sower_text_real(const char *text, size_t length, double *value);

/* The decimal of the fewest digits that %g needs to read back to the same double: "0.05", "1e-05", "inf".
 * (For 46 powers of two it has a digit more than the shortest.) */
enum { SOWER_REAL_SIZE = 32 };
void sower_text_print_real(double value, char text[SOWER_REAL_SIZE]);

/* What was given, for a sentence: the text in double quotes, cut after some 60 bytes. */
enum { SOWER_QUOTE_SIZE = 80 };
void sower_text_quote(const char *text, size_t length, char quote[SOWER_QUOTE_SIZE]);

/* The same for a JSON value: a string is quoted, a number or literal is shown as it is, "an array", "an
 * object". */
void sower_text_quote_json(const json_t *value, char quote[SOWER_QUOTE_SIZE]);

#endif
