/* Accept: which of several forms of a response a client prefers (RFC 9110, section 12.5.1). */
#ifndef SOWER_SERVER_HTTP_ACCEPT_H
#define SOWER_SERVER_HTTP_ACCEPT_H

/* The quality of a media range in an Accept header: 0 to 1000, or -1 if the header does not have it. `range` is
 * compared as a whole, so that "text/plain" does not find a wildcard. An entry with a `version` parameter counts only
 * if that is `version`. Of several entries the best one counts. A malformed quality is 0. */
int sower_accept_quality(const char *header, const char *range, const char *version);

#endif
