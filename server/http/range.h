/* Conditions and ranges (RFC 9110, sections 13 and 14): which bytes of a response a client asks for.
 *
 * A response of the daemon has one strong entity tag and never changes, so there are no dates to compare.
 * Pure functions of header values; NULL: the header is absent. */
#ifndef SOWER_SERVER_HTTP_RANGE_H
#define SOWER_SERVER_HTTP_RANGE_H

#include <stdbool.h>
#include <stdint.h>

struct sower_range {
    uint64_t start, length; /* in bytes */
};

enum sower_range_outcome {
    SOWER_RANGE_WHOLE,         /* no range, a malformed one, another unit, or several ranges: status 200 */
    SOWER_RANGE_PART,          /* status 206 with these bytes */
    SOWER_RANGE_UNSATISFIABLE, /* status 416 */
};

/* Reads a Range header for a representation of `size` bytes. Sets *range to the part, or to the whole. */
enum sower_range_outcome sower_range_parse(const char *header, uint64_t size, struct sower_range *range);

/* Whether a list of entity tags (If-Match, If-None-Match) contains "*" or `etag`, which is strong and quoted.
 * With `weak`, W/"x" also matches "x". */
bool sower_etag_listed(const char *header, const char *etag, bool weak);

/* Whether If-Range permits a range: it is absent, or exactly `etag`. A date does not permit one. */
bool sower_if_range(const char *header, const char *etag);

#endif
