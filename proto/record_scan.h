/* Reads a line of the ledger in one pass, for millions of lines.
 *
 * Most lines are as sower_record_json prints them: without spaces, with the members in the order of record.h, and
 * with plain ASCII texts. Such a line can be read without JSON values. The scan does not accept any other line,
 * valid or not. sower_record_read (record_read.h) then reads it or says what is wrong. */
#ifndef SOWER_PROTO_RECORD_SCAN_H
#define SOWER_PROTO_RECORD_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/attributes.h"
#include "proto/record.h"

/* Reads a line, without its line feed. False if it is not such a line; the record's content is then undefined. */
SOWER_MUST_USE bool sower_record_scan(const char *text, size_t length, struct sower_record *record);

#endif
