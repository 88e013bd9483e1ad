/* Strict framing: every HTTP implementation on the way must agree where a request ends.
 *
 * If a proxy and a server read the same bytes differently, one client can insert requests into the connection
 * of another (request smuggling). RFC 9112 (sections 2.2, 3.2, 5 and 6) says which requests to refuse.
 * libmicrohttpd accepts some of them, depending on its version. These functions check what the library passes
 * to the first call of the access handler. A request with a fault gets status 400, and its connection ends,
 * because the start of the next request is unknown.
 *
 * Texts are as the client sent them. Nothing is allocated. */
#ifndef SOWER_SERVER_HTTP_FRAMING_H
#define SOWER_SERVER_HTTP_FRAMING_H

#include <stdbool.h>
#include <stddef.h>

#include "core/attributes.h"
#include "core/problem.h"

/* The longest host of a request with its port, in bytes. */
enum { SOWER_HOST_MAX = 262 };

/* What is wrong with a target, as a sentence; NULL: nothing. A target is a path with an optional query
 * ("/healthz?a=b", origin form in RFC 9112), the same after "http://HOST" or "https://HOST" (absolute form),
 * or "*". It has no control byte, space, "#" or byte beyond ASCII. In the path, "%" comes before two hex
 * digits that are not 00. */
const char *sower_framing_target_fault(const char *target);

/* Where the path begins: after the host in absolute form, or a "/" if the target ends there. `target` is one
 * that sower_framing_target_fault accepts, or its decoded path. */
const char *sower_framing_path(const char *target);

/* The host of a target in absolute form, unchanged; NULL for another target. */
const char *sower_framing_authority(const char *target, size_t *length);

/* The state of a check of the header lines, one after the other. The functions return false with a problem. */
struct sower_framing {
    bool http_1_0;
    unsigned content_lengths, transfer_encodings, hosts;
    const char *host; /* the value of Host; may be empty */
    size_t host_length;
    const char *start, *position; /* of the request, and of the next line; NULL: positions are not checked */
};

/* `method` and `version` are the first and the last word of the request line.
 *
 * libmicrohttpd 0.9.75 hides folded lines, NUL bytes, bare line feeds, and lines that it takes for the end of
 * the headers. But its texts are in the receive buffer, with NUL bytes in place of colons and line ends. So a
 * gap between two texts shows that something is hidden. Positions are checked if `target`, which lies between
 * `method` and `version`, is not NULL; `target_length` is its length as received. This check does not find a
 * NUL byte followed by a bare line feed in place of a line end. */
#define SOWER_FRAMING_IN_PLACE "0.9.75"
SOWER_MUST_USE bool sower_framing_begin(struct sower_framing *framing, const char *method, const char *target,
                                        size_t target_length, const char *version,
                                        struct sower_problem *problem);

/* One header line. */
SOWER_MUST_USE bool sower_framing_line(struct sower_framing *framing, const char *name, size_t name_length,
                                       const char *value, size_t value_length, struct sower_problem *problem);

/* After the last line. `size`: bytes of the request line and all header lines, as the library counts them. */
SOWER_MUST_USE bool sower_framing_end(const struct sower_framing *framing, size_t size,
                                      struct sower_problem *problem);

#endif
