/* Conditions and ranges (RFC 9110, sections 13 and 14): which part of an answer is wanted.
 *
 * An answer of ours has one strong entity tag and never changes, so there are no dates to compare. Pure
 * functions of header texts; a header that is absent is NULL. */
#ifndef SOWER_SERVER_HTTP_RANGE_H
#define SOWER_SERVER_HTTP_RANGE_H

#include <stdbool.h>
#include <stdint.h>

struct sower_range {
    uint64_t start, length; /* bytes of the whole answer */
};

enum sower_range_outcome {
    SOWER_RANGE_WHOLE, /* no range, one that is malformed or of another unit, or several: answer 200 */
    SOWER_RANGE_PART,  /* answer 206 with these bytes */
    SOWER_RANGE_UNSATISFIABLE, /* answer 416 */
};

/* Reads a Range header for an answer of `size` bytes; *range is set to the whole, or to the part. */
enum sower_range_outcome sower_range_parse(const char *header, uint64_t size, struct sower_range *range);

/* Whether a list of entity tags (If-Match, If-None-Match) has "*" or `etag`, which is strong and quoted. With
 * `weak`, W/"x" matches "x" as well. */
bool sower_etag_listed(const char *header, const char *etag, bool weak);

/* Whether If-Range lets a range stand: it is absent, or exactly `etag`. A date never is, for there is none.
 */
bool sower_if_range(const char *header, const char *etag);

#endif
