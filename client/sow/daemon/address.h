/* Addresses: the URL of the daemon and the URLs of requests to it (libcurl's parser). A daemon on a Unix socket has the
 * address unix:PATH; the URLs of requests to it have localhost as their host. */
#ifndef SOWER_CLIENT_SOW_DAEMON_ADDRESS_H
#define SOWER_CLIENT_SOW_DAEMON_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

#include "client/sow/options.h"
#include "core/attributes.h"
#include "proto/fields.h"

enum { ADDRESS_SIZE = 512 };

/* Finds the address of the daemon: --server, else SOW_SERVER, else http://127.0.0.1:7697. *base gets it without
 * a slash at the end, or NULL when it is not a valid address; the caller frees it. `shown` gets the form for
 * messages, without user and password. Returns false when memory runs out. */
SOWER_MUST_USE bool address_of_server(const struct options *options, char **base, char shown[ADDRESS_SIZE]);

/* The path of a Unix socket in the address of a daemon; NULL for a URL. */
const char *address_socket(const char *base);

/* Returns base + path + "?key=value&...", percent-encoded. The caller frees it; NULL when memory runs out. */
SOWER_MUST_USE char *address_of_request(const char *base, const char *path, const struct sower_pair *pairs,
                                        size_t count);

/* Returns `text` with `more` appended. Takes over `text`: the caller frees the result only. NULL when memory
 * runs out or when an argument is NULL, so that calls can be nested. */
SOWER_MUST_USE char *address_join(char *text, const char *more);

#endif
