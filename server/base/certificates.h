/* Certificates: the certificate and the key that the daemon shows in TLS, and the authorities (CA) whose client
 * certificates it accepts.
 *
 * What the files contain at one time is a generation. A reload makes a new generation, for connections that begin
 * after it. A connection keeps its own generation until it ends; then the generation is freed, and GnuTLS wipes
 * its key. If the new files are wrong, the current generation stays in use.
 *
 * With a client CA, a connection without a valid client certificate is refused in the handshake, before any
 * request. It must be signed by the CA, must be valid now, and must not be limited to other purposes. */
#ifndef SOWER_SERVER_BASE_CERTIFICATES_H
#define SOWER_SERVER_BASE_CERTIFICATES_H

#include <stdbool.h>
#include <stddef.h>

#include <gnutls/gnutls.h>

#include "core/attributes.h"
#include "core/problem.h"

struct sower_certificate_files {
    const char *certificate; /* PEM: the daemon's certificate, then those of intermediate authorities */
    const char *key;         /* PEM, not encrypted, private (proto/secret_file.h) */
    const char *client_ca;   /* PEM; NULL: clients need no certificate */
};

struct sower_certificates;
struct sower_generation;

/* Reads the files. The strings in `files` must live as long as the result. NULL with a problem. */
SOWER_MUST_USE struct sower_certificates *sower_certificates_open(const struct sower_certificate_files *files,
                                                                  struct sower_problem *problem);

/* Reads the files again. False with a problem, and the current generation stays. Any thread may call this. */
SOWER_MUST_USE bool sower_certificates_reload(struct sower_certificates *certificates,
                                              struct sower_problem *problem);

/* When the current certificate expires: "2027-01-31T12:00:00Z". */
enum { SOWER_EXPIRY_SIZE = 24 };
void sower_certificates_expiry(struct sower_certificates *certificates, char text[SOWER_EXPIRY_SIZE]);

void sower_certificates_free(struct sower_certificates *certificates);

/* The current generation, for a connection that begins. The connection releases it when its session has
 * ended. Any thread may call these functions. */
struct sower_generation *sower_certificates_take(struct sower_certificates *certificates);
void sower_generation_release(struct sower_generation *generation);

/* Lets a session that has not begun its handshake use the generation. False when memory runs out. */
SOWER_MUST_USE bool sower_generation_apply(const struct sower_generation *generation,
                                           gnutls_session_t session);

#endif
