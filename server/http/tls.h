/* TLS: joins the certificates (server/base/certificates.h) and libmicrohttpd.
 *
 * libmicrohttpd speaks TLS in a whole daemon or not at all, so the server has one daemon with TLS and one without.
 * When a connection begins, before its handshake, it gets the current generation of certificates. The credentials
 * that libmicrohttpd would use by itself have no certificate: a connection without a generation fails. */
#ifndef SOWER_SERVER_HTTP_TLS_H
#define SOWER_SERVER_HTTP_TLS_H

#include <gnutls/abstract.h>
#include <microhttpd.h>

#include "server/base/certificates.h"
#include "server/base/connections.h"

/* What GnuTLS may negotiate. */
extern const char sower_tls_priorities[];

/* For MHD_OPTION_HTTPS_CERT_CALLBACK2: there is no certificate. */
int sower_tls_refuse(gnutls_session_t session, const struct gnutls_cert_retr_st *info, gnutls_pcert_st **list,
                     unsigned *count, gnutls_ocsp_data_st **answers, unsigned *answer_count,
                     gnutls_privkey_t *key, unsigned *flags);

/* Gives a connection with TLS that begins its certificates; does nothing for one without TLS. */
void sower_tls_begin(struct sower_certificates *certificates, struct MHD_Connection *connection,
                     struct sower_connection *link);

/* The connection has ended, and libmicrohttpd has freed its session. */
void sower_tls_end(struct sower_connection *link);

#endif
