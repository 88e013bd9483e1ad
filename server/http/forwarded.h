/* Forwarded requests: the address of a client behind trusted proxies.
 *
 * A proxy writes the address that it got a request from into X-Forwarded-For or Forwarded (RFC 7239), behind
 * what the request already had there. So only the right end of the list is known to be true: the entry that the
 * peer of the connection wrote, if the peer is a trusted proxy; the entry before it, if that one names a
 * trusted proxy; and so on. The client is the first address from the right that is not a trusted proxy, or the
 * leftmost one if all are.
 *
 * An entry that is not an address (malformed, "unknown", "_hidden") is never trusted and ends the way: the
 * client is then the last trusted proxy before it. Both header fields in one request are ambiguous, because a
 * proxy that writes one of them passes the other on as the client sent it: unless both give the same client,
 * neither is used. So a client can hide behind the proxy, but cannot take the address of somebody else.
 *
 * Texts have any bytes. Nothing is allocated. */
#ifndef SOWER_SERVER_HTTP_FORWARDED_H
#define SOWER_SERVER_HTTP_FORWARDED_H

#include <stdbool.h>
#include <stddef.h>

#include "core/attributes.h"
#include "server/base/address.h"

/* The state of reading one kind of header field from the left, in any number of lines. */
struct sower_hops {
    bool any;   /* there was a line */
    bool found; /* `client` is set: the client as far as the lines were read */
    struct sower_address client;
};

struct sower_forwarded {
    const struct sower_networks *trusted;
    struct sower_hops x_forwarded_for, forwarded;
};

/* Begins for a request; `trusted` must live as long. */
void sower_forwarded_begin(struct sower_forwarded *forwarded, const struct sower_networks *trusted);

/* One header line of each kind, in the order of the request. */
void sower_forwarded_x_line(struct sower_forwarded *forwarded, const char *value, size_t length);
void sower_forwarded_line(struct sower_forwarded *forwarded, const char *value, size_t length);

/* The client of a request from a peer. */
SOWER_MUST_USE struct sower_address sower_forwarded_client(const struct sower_forwarded *forwarded,
                                                           const struct sower_address *peer);

#endif
