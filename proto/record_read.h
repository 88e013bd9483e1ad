/* Records read back: from a line of the ledger to the record, and from a record to the request that it is of.
 *
 * Whoever checks a ledger takes nothing on trust, so reading is strict: sower_record_json of what was read is
 * the same object again, and two different lines never read as one. */
#ifndef SOWER_PROTO_RECORD_READ_H
#define SOWER_PROTO_RECORD_READ_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "core/problem.h"
#include "proto/record.h"
#include "proto/request.h"

/* Reads a line; a problem carries the name of the member at fault. */
bool sower_record_read(const json_t *line, struct sower_record *record, struct sower_problem *problem);

/* The same from its text, one JSON object without doubled members. */
bool sower_record_read_text(const char *text, size_t length, struct sower_record *record,
                            struct sower_problem *problem);

/* Whether a record that came another way (a row of a database) is one that a line can say: its time has four
 * digits of a year, its shape is one, and its single words hold nothing that would end them in the canonical
 * form of a link. */
bool sower_record_check(const struct sower_record *record, struct sower_problem *problem);

/* A draw's record as the fields of a request, to be read or to be asked for; most of them point into the
 * record. */
enum { SOWER_RECORD_FIELDS_MAX = 16 };
struct sower_record_fields {
    struct sower_pair pairs[SOWER_RECORD_FIELDS_MAX];
    size_t count;
    char trial[24], spec[16], layout[SOWER_RECORD_LAYOUT_MAX];
};
void sower_record_fields(const struct sower_record *record, struct sower_record_fields *fields);

/* The request that a draw's record is of, read from its texts by the parser of requests. Refuses a record
 * that is not true in itself, naming the member: the request's own record differs from it. The seed is only
 * judged when the record is of `root`, which *known tells; otherwise the request has the record's seed. */
bool sower_record_request(const struct sower_record *record, const struct sower_seed *root,
                          struct sower_request *request, bool *known, struct sower_problem *problem);

#endif
