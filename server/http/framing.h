/* Strict framing: what a request must be so that every HTTP implementation on its way agrees where it ends.
 *
 * A proxy and a server that read the same bytes differently let one client put words into another's mouth
 * (request smuggling). RFC 9112 (sections 2.2, 3.2, 5 and 6) says which requests to refuse, and libmicrohttpd
 * accepts some of them, which ones depends on its version. These functions look at what the library hands
 * over, in the first call of the access handler; a request with a fault is answered 400, and its connection
 * ends, since nobody knows where the next request begins.
 *
 * Texts are as the client sent them; nothing is allocated. */
#ifndef SOWER_SERVER_HTTP_FRAMING_H
#define SOWER_SERVER_HTTP_FRAMING_H

#include <stdbool.h>
#include <stddef.h>

#include "core/problem.h"

/* The longest host of a request, with its port. */
enum { SOWER_HOST_MAX = 262 };

/* What is wrong with a target, in a sentence; NULL: nothing. A target is a path with an optional query
 * ("/healthz?a=b", RFC 9112's origin form), the same behind "http://HOST" or "https://HOST" (absolute form),
 * or "*". No control byte, space, "#" or byte beyond ASCII is in it; in the path a "%" comes before two hex
 * digits, which are not 00. */
const char *sower_framing_target_fault(const char *target);

/* Where the path begins: behind the host in absolute form, or "/" if nothing comes behind it. `target` is one
 * that sower_framing_target accepts, or its decoded path. */
const char *sower_framing_path(const char *target);

/* The host of an absolute-form target, as it stands there; NULL for another target. */
const char *sower_framing_authority(const char *target, size_t *length);

/* The lines of a header section, one after the other. The functions return false with a problem. */
struct sower_framing {
    bool http_1_0;
    unsigned content_lengths, transfer_encodings, hosts;
    const char *host; /* the value of Host; may be empty */
    size_t host_length;
    const char *start,
        *position; /* of the request, and of the next line; NULL if positions are not looked at */
};

/* `method` and `version` are the first and the last word of the request line.
 *
 * libmicrohttpd 0.9.75 hides folded lines, NUL bytes, bare line feeds and lines that it takes for the end of
 * the headers. But its texts lie where they were received, with NUL bytes in place of colons and line ends,
 * so a gap between two of them shows that something is hidden. Positions are looked at if `target`, which
 * lies between `method` and `version`, is not NULL; `target_length` is its length as it was received. What
 * stays hidden is a NUL byte followed by a bare line feed in place of a line end. */
#define SOWER_FRAMING_IN_PLACE "0.9.75"
bool sower_framing_begin(struct sower_framing *framing, const char *method, const char *target,
                         size_t target_length, const char *version, struct sower_problem *problem);

/* One header line. */
bool sower_framing_line(struct sower_framing *framing, const char *name, size_t name_length,
                        const char *value, size_t value_length, struct sower_problem *problem);

/* After the last line. `size` is the size of the request line and all header lines, as the library counts it.
 */
bool sower_framing_end(const struct sower_framing *framing, size_t size, struct sower_problem *problem);

#endif
