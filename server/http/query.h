/* Queries: reads the fields of a query on the ledger, one by one.
 *
 * A field that is absent leaves its output unchanged; *given says whether it is present. False with a
 * problem, which names the field. */
#ifndef SOWER_SERVER_HTTP_QUERY_H
#define SOWER_SERVER_HTTP_QUERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "core/attributes.h"
#include "core/problem.h"

/* A whole number from `least` to `most`; `most` is at most 2^63 - 1. */
SOWER_MUST_USE bool sower_query_number(const json_t *fields, const char *name, uint64_t least, uint64_t most,
                                       bool *given, uint64_t *number, struct sower_problem *problem);

/* Text of 1 to `size` - 1 bytes; `text` has room for `size`. */
SOWER_MUST_USE bool sower_query_text(const json_t *fields, const char *name, size_t size, bool *given,
                                     char *text, struct sower_problem *problem);

/* 32 bytes as 64 hex digits. */
SOWER_MUST_USE bool sower_query_bytes(const json_t *fields, const char *name, bool *given, uint8_t bytes[32],
                                      struct sower_problem *problem);

#endif
