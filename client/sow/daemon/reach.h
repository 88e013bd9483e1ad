/* Reaching: the options and settings that say which server is asked, through which proxy, and which
 * certificates are trusted (libcurl). */
#ifndef SOWER_CLIENT_SOW_DAEMON_REACH_H
#define SOWER_CLIENT_SOW_DAEMON_REACH_H

#include <stdbool.h>

#include <curl/curl.h>

#include "client/sow/options.h"
#include "core/attributes.h"

/* Returns a sentence that says which of http_options is wrong; NULL when all are valid. */
SOWER_MUST_USE const char *reach_check(const struct options *options);

/* Whether there is a certificate of this client: --client-certificate or SOW_CLIENT_CERTIFICATE. */
bool reach_has_certificate(const struct options *options);

/* The value of --retry-seconds or --stall-seconds (`name` without dashes), or its default. */
double reach_seconds(const struct options *options, const char *name);

/* Sets all libcurl options that do not depend on the request itself, and the URL. `socket` is the path of a Unix
 * socket, or NULL. */
SOWER_MUST_USE CURLcode reach_set(CURL *curl, const struct options *options, const char *url,
                                  const char *socket);

/* Whether a finished exchange went through a proxy. A proxy on the same port as the server is not noticed. */
bool reach_is_proxied(CURL *curl, const char *base);

#endif
