/* Reads records: a line of the ledger gives a record, and a record gives its request.
 *
 * A check of a ledger must not trust the lines, so reading is strict: sower_record_json of the result gives the
 * same object again, and two different lines never give the same record. */
#ifndef SOWER_PROTO_RECORD_READ_H
#define SOWER_PROTO_RECORD_READ_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "core/attributes.h"
#include "core/problem.h"
#include "proto/record.h"
#include "proto/request.h"

/* Reads a line; a problem has the name of the wrong member as its field. */
SOWER_MUST_USE bool sower_record_read(const json_t *line, struct sower_record *record,
                                      struct sower_problem *problem);

/* The same from its text, one JSON object without doubled members. */
SOWER_MUST_USE bool sower_record_read_text(const char *text, size_t length, struct sower_record *record,
                                           struct sower_problem *problem);

/* Reads a draw that is not on a line of its own: the members of a line that describe the draw, and optionally
 * ledger, manifest and drift; ledger and drift may be null. The record has no time and no place in a chain. */
SOWER_MUST_USE bool sower_record_read_described(const json_t *draw, struct sower_record *record,
                                                struct sower_problem *problem);

/* Whether a line can express a record that has another source (a row of a database): the year of its time has
 * four digits, its shape is valid, and its single words contain no character that would end them in the
 * canonical form of a link. */
SOWER_MUST_USE bool sower_record_check(const struct sower_record *record, struct sower_problem *problem);

/* A draw's record as the fields of a request, for the parser or for a query. Most of them point into the
 * record. */
enum { SOWER_RECORD_FIELDS_MAX = 18 };
struct sower_record_fields {
    struct sower_pair pairs[SOWER_RECORD_FIELDS_MAX];
    size_t count;
    char trial[24], spec[16], layout[SOWER_RECORD_LAYOUT_MAX];
};
void sower_record_fields(const struct sower_record *record, struct sower_record_fields *fields);

/* The request of a draw's record, which the parser of requests reads from its texts. Refuses a record that
 * differs from the request's own record, and names the member (UNPROCESSABLE). The seed is compared only if the record is of
 * `root`; *known says whether it is. Otherwise the request gets the record's seed. */
SOWER_MUST_USE bool sower_record_request(const struct sower_record *record, const struct sower_seed *root,
                                         struct sower_request *request, bool *known,
                                         struct sower_problem *problem);

#endif
