/* Diagnoses: why an exchange failed, where libcurl's error alone does not tell.
 *
 * A daemon that speaks plain HTTP, asked by https, looks like any broken handshake, and a TLS port, asked by
 * http, like a server that hangs up or complains in HTML. So where one of them may be the cause, the same
 * address is asked by the other scheme, for nothing but whether it answers. */
#ifndef SOWER_CLIENT_SOW_DAEMON_DIAGNOSE_H
#define SOWER_CLIENT_SOW_DAEMON_DIAGNOSE_H

#include "client/sow/daemon/http.h"

/* Sets the cause of an answer that failed, or was a refusal that is not sowerd's, to HTTP_CAUSE_PLAIN or
 * HTTP_CAUSE_TLS where that is so. */
void diagnose(const struct options *options, struct http_response *answer);

#endif
