/* Callers: who sent a request, as far as its headers say. For the log, and for fairness.
 *
 * All of this is untrusted text of bounded size, except `address`, which is the peer of the connection or, behind a
 * trusted proxy, the client that the proxy names (forwarded.h). Members that the request does not have, or whose
 * value is malformed, are empty. */
#ifndef SOWER_SERVER_HTTP_CALLER_H
#define SOWER_SERVER_HTTP_CALLER_H

#include <stdbool.h>
#include <stddef.h>

#include <microhttpd.h>

#include "core/attributes.h"
#include "server/base/address.h"

enum {
    SOWER_AGENT_MAX = 256,      /* bytes of User-Agent that are kept */
    SOWER_TRACE_SIZE = 32 + 1,  /* 16 bytes in hex */
    SOWER_OUTER_ID_MAX = 128,   /* bytes of an X-Request-Id; longer ones are ignored */
    SOWER_TRACEPARENT_SIZE = 55 /* bytes of a traceparent of version 00 */
};

struct sower_caller {
    struct sower_address address;
    char agent[SOWER_AGENT_MAX + 1];
    char trace[SOWER_TRACE_SIZE];          /* the trace id of traceparent */
    char outer_id[SOWER_OUTER_ID_MAX + 1]; /* X-Request-Id: the id that the client or a proxy gave */
};

/* The peer of a connection. */
SOWER_MUST_USE struct sower_address sower_caller_peer(struct MHD_Connection *connection);

/* Reads the headers of a request, which are complete. caller->address is the peer. */
void sower_caller_read(struct sower_caller *caller, struct MHD_Connection *connection,
                       const struct sower_networks *trusted);

/* Reads a traceparent (W3C Trace Context, 3.2): "00-" 32 hex digits "-" 16 hex digits "-" 2 hex digits, in lower
 * case, ids not zero; later versions may have more behind it. False for other text; *trace is empty then. */
bool sower_caller_trace(const char *text, size_t length, char trace[SOWER_TRACE_SIZE]);

/* Reads an X-Request-Id: letters, digits and "-._~:/+=@". False for other text; *id is empty then. */
bool sower_caller_outer_id(const char *text, size_t length, char id[SOWER_OUTER_ID_MAX + 1]);

#endif
