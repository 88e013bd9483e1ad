/* The log's lines about requests: one for each request, when it ends. docs/operations.md has a table of the
 * members. */
#ifndef SOWER_SERVER_HTTP_REQUEST_LOG_H
#define SOWER_SERVER_HTTP_REQUEST_LOG_H

#include <microhttpd.h>

#include "server/http/exchange.h"

/* A request whose headers have arrived: an event "request". A probe that succeeds is of level debug, because
 * there are many; other requests are of level info. */
void sower_request_log(const struct sower_exchange *exchange, enum MHD_RequestTerminationCode code);

/* A request that ended before its headers were complete: an event "incomplete". */
void sower_request_log_incomplete(const struct sower_exchange *exchange);

/* A message of libmicrohttpd: an event "refused", if it says that the library has refused a request itself, else
 * one of level debug. The library does not say whose request it was. `text` is one line. */
void sower_request_log_library(const struct sower_log *log, const char *text);

#endif
