/* Diagnoses: finds out whether an exchange failed because the URL has the wrong scheme.
 *
 * libcurl's error does not say so. A daemon that speaks plain HTTP, asked by https, looks like any failed
 * handshake. A TLS port, asked by http, looks like a server that closes the connection, or that responds with an
 * error page. When one of them is possible, the same address is tried with the other scheme; only whether it
 * responds matters. */
#ifndef SOWER_CLIENT_SOW_DAEMON_DIAGNOSE_H
#define SOWER_CLIENT_SOW_DAEMON_DIAGNOSE_H

#include "client/sow/daemon/response.h"
#include "client/sow/options.h"

/* For a failed exchange, or a refusal that does not come from sowerd: sets the cause to HTTP_CAUSE_SPEAKS_HTTP
 * or HTTP_CAUSE_SPEAKS_TLS where that is the cause. */
void diagnose(const struct options *options, struct http_response *response);

#endif
