/* Numbers as text, for the headers, the log line and the ledger line of every answer, where printf would be
 * most of the work. */
#ifndef SOWER_PROTO_NUMBER_H
#define SOWER_PROTO_NUMBER_H

#include <stddef.h>
#include <stdint.h>

/* Room for any number and its NUL. */
enum { SOWER_NUMBER_MAX = 21, SOWER_REQUEST_ID_MAX = 17 };

/* Writes the decimal digits and a NUL; returns how many digits. */
size_t sower_number_print(uint64_t number, char text[SOWER_NUMBER_MAX]);

/* Writes exactly `count` digits, with zeros in front and no NUL. */
void sower_number_pad(uint64_t number, char *text, size_t count);

/* Writes 16 hex digits and a NUL, as the id of a request is shown. */
void sower_number_id(uint64_t number, char text[SOWER_REQUEST_ID_MAX]);

#endif
