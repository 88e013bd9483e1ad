/* Times as text: RFC 3339 in UTC, to the millisecond, "2026-01-31T12:00:00.000Z". In the program a time is a
 * number of milliseconds since 1970-01-01 UTC. */
#ifndef SOWER_PROTO_TIME_H
#define SOWER_PROTO_TIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/attributes.h"

enum {
    SOWER_TIME_LENGTH = 24, /* characters */
    SOWER_TIME_SIZE = 32
};

/* The times whose text has SOWER_TIME_LENGTH characters: from the year 1000 to 9999. A line of the ledger has
 * one of these. */
#define SOWER_TIME_FIRST INT64_C(-30610224000000)
#define SOWER_TIME_LAST INT64_C(253402300799999)

/* Prints any time. RFC 3339 has no form for a year beyond 9999 or before 0: then only the milliseconds are
 * printed. */
void sower_time_print(int64_t milliseconds, char text[SOWER_TIME_SIZE]);

/* Reads a time from 1000 to 9999, exactly as it is printed. False for any other text. */
SOWER_MUST_USE bool sower_time_read(const char *text, size_t length, int64_t *milliseconds);

#endif
