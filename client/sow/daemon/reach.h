/* Reaching: which server is asked, by which way, and whom one trusts to be it (libcurl). */
#ifndef SOWER_CLIENT_SOW_DAEMON_REACH_H
#define SOWER_CLIENT_SOW_DAEMON_REACH_H

#include <stdbool.h>

#include <curl/curl.h>

#include "client/sow/options.h"

/* What is wrong with the options of this group, a sentence; NULL: nothing. */
const char *reach_check(const struct options *options);

/* The seconds of an option of http_options, or its default. */
double reach_seconds(const struct options *options, const char *name);

/* Sets all that a question to this URL needs besides itself. */
CURLcode reach_set(CURL *curl, const struct options *options, const char *url);

/* Whether an exchange, which is over, went through a proxy. Not seen where the proxy's port is the server's.
 */
bool reach_is_proxied(CURL *curl, const char *base);

#endif
