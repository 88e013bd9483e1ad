/* Lines read in one pass: the way for millions of them.
 *
 * Most lines are as sower_record_json prints them, without a space, their members in the order of record.h,
 * and have texts of plain ASCII. Such a line needs no JSON values. Whatever is written in another way, or
 * wrong, is not judged here: it is for sower_record_read, which reads the same record from it or says what is
 * wrong (record_read.h). */
#ifndef SOWER_PROTO_RECORD_SCAN_H
#define SOWER_PROTO_RECORD_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/record.h"

/* Reads a line, without its line feed. False when it is not such a line; the record is in no state then. */
bool sower_record_scan(const char *text, size_t length, struct sower_record *record);

#endif
