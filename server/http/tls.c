#include "server/http/tls.h"

const char sower_tls_priorities[] = "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2";

int sower_tls_refuse(gnutls_session_t session, const struct gnutls_cert_retr_st *info, gnutls_pcert_st **list,
                     unsigned *count, gnutls_ocsp_data_st **answers, unsigned *answer_count,
                     gnutls_privkey_t *key, unsigned *flags)
{
    (void)session, (void)info, (void)list, (void)count, (void)answers, (void)answer_count, (void)key,
        (void)flags;
    return -1;
}

void sower_tls_begin(struct sower_certificates *certificates, struct MHD_Connection *connection,
                     struct sower_connection *link)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    if (certificates == NULL || link == NULL || info == NULL || info->tls_session == NULL) {
        return;
    }
    struct sower_generation *generation = sower_certificates_take(certificates);
    if (sower_generation_apply(generation, info->tls_session)) {
        sower_connection_set_generation(link, generation);
    } else {
        sower_generation_release(generation);
    }
}

void sower_tls_end(struct sower_connection *link)
{
    struct sower_generation *generation = sower_connection_generation(link);
    if (generation != NULL) {
        sower_generation_release(generation);
    }
}
