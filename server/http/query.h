/* Queries: the fields of questions to the ledger, read one by one.
 *
 * A field that is not given leaves what it would set as it was; *given, where there is one, says which. A
 * problem names the field. */
#ifndef SOWER_SERVER_HTTP_QUERY_H
#define SOWER_SERVER_HTTP_QUERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "core/problem.h"

/* A whole number from `least` to `most`, which is at most 2^63 - 1. */
bool sower_query_number(const json_t *fields, const char *name, uint64_t least, uint64_t most, bool *given,
                        uint64_t *number, struct sower_problem *problem);

/* Text of 1 to `size` - 1 bytes; `text` has room for `size`. */
bool sower_query_text(const json_t *fields, const char *name, size_t size, bool *given, char *text,
                      struct sower_problem *problem);

/* 32 bytes as 64 hex digits. */
bool sower_query_bytes(const json_t *fields, const char *name, bool *given, uint8_t bytes[32],
                       struct sower_problem *problem);

#endif
