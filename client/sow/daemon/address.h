/* Addresses: where the daemon is, and what is asked of it, as URLs (libcurl's parser). */
#ifndef SOWER_CLIENT_SOW_DAEMON_ADDRESS_H
#define SOWER_CLIENT_SOW_DAEMON_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

#include "client/sow/options.h"
#include "proto/fields.h"

enum { ADDRESS_SIZE = 512 };

/* The server of the option --server, else of SOW_SERVER, else http://127.0.0.1:7697, without a slash at the
 * end; *base is the caller's, NULL where it is no address. `shown` gets its form for messages, without user
 * and password. False when memory runs out. */
bool address_of_server(const struct options *options, char **base, char shown[ADDRESS_SIZE]);

/* base, path, "?key=value&…", with every byte escaped that has to be; the caller's, NULL when memory runs
 * out. */
char *address_of_question(const char *base, const char *path, const struct sower_pair *pairs, size_t count);

/* `text`, which is taken over, with `more` behind it. NULL when memory runs out, or either is NULL. */
char *address_join(char *text, const char *more);

#endif
