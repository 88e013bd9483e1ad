/* Numbers as text. Every response needs several, for its headers, log line and ledger line; printf would take
 * most of the time there. */
#ifndef SOWER_PROTO_NUMBER_H
#define SOWER_PROTO_NUMBER_H

#include <stddef.h>
#include <stdint.h>

/* Room for any number and its NUL. */
enum { SOWER_NUMBER_MAX = 21, SOWER_REQUEST_ID_MAX = 17 };

/* Writes the decimal digits and a NUL; returns the number of digits. */
size_t sower_number_print(uint64_t number, char text[SOWER_NUMBER_MAX]);

/* Writes the last `count` digits, with leading zeros and without a NUL. */
void sower_number_pad(uint64_t number, char *text, size_t count);

/* Writes 16 hex digits and a NUL, the form of a request's id. */
void sower_number_id(uint64_t number, char text[SOWER_REQUEST_ID_MAX]);

#endif
