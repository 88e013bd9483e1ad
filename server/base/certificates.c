#include "server/base/certificates.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <gnutls/x509.h>
#include <sodium.h>

#include "proto/secret_file.h"

enum {
    KEY_MAX = 64 << 10,         /* bytes of a key file: a key of RSA 16384 has 13 KB */
    CERTIFICATES_MAX = 4 << 20, /* of a certificate file: all authorities of Debian have 220 KB */
};

struct sower_generation {
    gnutls_certificate_credentials_t credentials;
    bool asks_clients; /* for a certificate */
    time_t expires;
    _Atomic size_t users; /* connections, and one for being the current generation */
};

struct sower_certificates {
    struct sower_certificate_files files;
    pthread_mutex_t lock; /* guards `current` */
    struct sower_generation *current;
};

static const char CERTIFICATE[] = "--tls-certificate", KEY[] = "--tls-key", CLIENT_CA[] = "--tls-client-ca";

/* The content of a file. */
struct content {
    unsigned char *bytes; /* with a NUL at the end */
    size_t size, capacity;
};

static void wipe(struct content *content)
{
    if (content->bytes != NULL) {
        sodium_memzero(content->bytes, content->capacity);
        free(content->bytes);
    }
    *content = (struct content){0};
}

static bool refuse_memory(struct sower_problem *problem)
{
    return sower_problem_set(problem, SOWER_PROBLEM_UNAVAILABLE, "", "The daemon is out of memory.");
}

static bool refuse_errno(const char *path, const char *field, struct sower_problem *problem)
{
    return sower_problem_set(problem, SOWER_PROBLEM_INVALID, field, "The file %s cannot be read: %s.", path,
                             strerror(errno));
}

/* Reads a file to its end, but at most max + 1 bytes. */
static bool read_public_file(const char *path, const char *field, size_t max, struct content *content,
                             struct sower_problem *problem)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        return refuse_errno(path, field, problem);
    }
    ssize_t count;
    do {
        count = read(file, content->bytes + content->size, max + 1 - content->size);
        content->size += count > 0 ? (size_t)count : 0;
    } while (count > 0 || (count < 0 && errno == EINTR));
    bool good = count == 0 || refuse_errno(path, field, problem);
    close(file);
    return good;
}

/* Reads a file of at most `max` bytes. The caller wipes *content, also after false. */
static bool read_file(const char *path, const char *field, size_t max, struct content *content,
                      struct sower_problem *problem)
{
    content->capacity = max + 2;
    content->bytes = calloc(1, content->capacity);
    if (content->bytes == NULL) {
        return refuse_memory(problem);
    }
    bool good = field == KEY ? sower_secret_file_read(path, "The key file", field, (char *)content->bytes,
                                                      max, &content->size, problem)
                             : read_public_file(path, field, max, content, problem);
    return good && (content->size <= max ||
                    sower_problem_set(problem, SOWER_PROBLEM_INVALID, field,
                                      "The file %s is larger than %zu bytes; it takes PEM.", path, max));
}

static void print_time(time_t time, char text[SOWER_EXPIRY_SIZE])
{
    struct tm parts;
    if (gmtime_r(&time, &parts) == NULL ||
        strftime(text, SOWER_EXPIRY_SIZE, "%Y-%m-%dT%H:%M:%SZ", &parts) == 0) {
        memcpy(text, "unknown", sizeof "unknown");
    }
}

/* Whether the certificate is valid at the present time. */
static bool check_time(const char *path, gnutls_x509_crt_t certificate, time_t *expires,
                       struct sower_problem *problem)
{
    char text[SOWER_EXPIRY_SIZE];
    time_t now = time(NULL), begins = gnutls_x509_crt_get_activation_time(certificate);
    *expires = gnutls_x509_crt_get_expiration_time(certificate);
    if (*expires == (time_t)-1 || now > *expires) {
        print_time(*expires, text);
        return sower_problem_set(problem, SOWER_PROBLEM_INVALID, CERTIFICATE,
                                 "The certificate in %s has expired (%s); renew it.", path, text);
    }
    if (begins > now) {
        print_time(begins, text);
        return sower_problem_set(problem, SOWER_PROBLEM_INVALID, CERTIFICATE,
                                 "The certificate in %s is not valid before %s.", path, text);
    }
    return true;
}

static bool refuse_pem(const char *path, const char *field, int code, struct sower_problem *problem)
{
    return code == GNUTLS_E_MEMORY_ERROR
               ? refuse_memory(problem)
               : sower_problem_set(problem, SOWER_PROBLEM_INVALID, field,
                                   "The file %s has no certificate in PEM: %s.", path, gnutls_strerror(code));
}

static bool check_certificate(const char *path, const gnutls_datum_t *text, time_t *expires,
                              struct sower_problem *problem)
{
    gnutls_x509_crt_t *list = NULL;
    unsigned count = 0;
    int code = gnutls_x509_crt_list_import2(&list, &count, text, GNUTLS_X509_FMT_PEM, 0);
    bool good =
        code < 0 ? refuse_pem(path, CERTIFICATE, code, problem) : check_time(path, list[0], expires, problem);
    for (unsigned i = 0; code >= 0 && i < count; i++) {
        gnutls_x509_crt_deinit(list[i]);
    }
    gnutls_free(list);
    return good;
}

static bool refuse_pair(const struct sower_certificate_files *files, const struct content *key, int code,
                        struct sower_problem *problem)
{
    if (code == GNUTLS_E_MEMORY_ERROR) {
        return refuse_memory(problem);
    }
    if (code == GNUTLS_E_CERTIFICATE_KEY_MISMATCH) {
        return sower_problem_set(problem, SOWER_PROBLEM_INVALID, KEY,
                                 "The key in %s does not belong to the certificate in %s.", files->key,
                                 files->certificate);
    }
    if (strstr((const char *)key->bytes, "ENCRYPTED") != NULL) {
        return sower_problem_set(problem, SOWER_PROBLEM_INVALID, KEY,
                                 "The key in %s is encrypted; the daemon takes one without a password "
                                 "(openssl pkey -in %s -out NEW).",
                                 files->key, files->key);
    }
    return sower_problem_set(problem, SOWER_PROBLEM_INVALID, KEY,
                             "The certificate in %s and the key in %s cannot be used: %s.",
                             files->certificate, files->key, gnutls_strerror(code));
}

/* Adds certificate and key to the credentials. */
static bool read_pair(const struct sower_certificate_files *files, struct sower_generation *generation,
                      struct sower_problem *problem)
{
    struct content certificate = {0}, key = {0};
    bool good = read_file(files->certificate, CERTIFICATE, CERTIFICATES_MAX, &certificate, problem) &&
                read_file(files->key, KEY, KEY_MAX, &key, problem);
    const gnutls_datum_t text = {certificate.bytes, (unsigned)certificate.size},
                         secret = {key.bytes, (unsigned)key.size};
    good = good && check_certificate(files->certificate, &text, &generation->expires, problem);
    if (good) {
        int code = gnutls_certificate_set_x509_key_mem2(generation->credentials, &text, &secret,
                                                        GNUTLS_X509_FMT_PEM, NULL, 0);
        good = code >= 0 || refuse_pair(files, &key, code, problem);
    }
    wipe(&key);
    wipe(&certificate);
    return good;
}

/* Tells the client why it is refused. libmicrohttpd closes the connection without an alert. */
static void send_alert(gnutls_session_t session, gnutls_alert_description_t alert)
{
    (void)gnutls_alert_send(session, GNUTLS_AL_FATAL, alert);
}

/* GnuTLS calls this for a client's certificate. Any result but 0 ends the handshake. */
static int verify_client(gnutls_session_t session)
{
    static const char purpose[] = GNUTLS_KP_TLS_WWW_CLIENT;
    gnutls_typed_vdata_st data = {GNUTLS_DT_KEY_PURPOSE_OID, (unsigned char *)(uintptr_t)purpose, 0};
    unsigned status = 0;
    if (gnutls_certificate_verify_peers(session, &data, 1, &status) != GNUTLS_E_SUCCESS) {
        send_alert(session, GNUTLS_A_BAD_CERTIFICATE);
        return GNUTLS_E_CERTIFICATE_ERROR;
    }
    if (status == 0) {
        return 0;
    }
    send_alert(session, (status & GNUTLS_CERT_EXPIRED) != 0            ? GNUTLS_A_CERTIFICATE_EXPIRED
                        : (status & GNUTLS_CERT_SIGNER_NOT_FOUND) != 0 ? GNUTLS_A_UNKNOWN_CA
                                                                       : GNUTLS_A_BAD_CERTIFICATE);
    return GNUTLS_E_CERTIFICATE_ERROR;
}

/* GnuTLS calls this before it reads a client's certificates, and refuses an empty list afterwards. Both forms of an
 * empty list have only zero bytes: 3 in TLS 1.2, 4 in TLS 1.3. */
static int explain_missing(gnutls_session_t session, unsigned type, unsigned when, unsigned incoming,
                           const gnutls_datum_t *message)
{
    (void)type, (void)when;
    if (incoming != 0 && message->size <= 4 && sodium_is_zero(message->data, message->size)) {
        send_alert(session, gnutls_protocol_get_version(session) == GNUTLS_TLS1_3
                                ? GNUTLS_A_CERTIFICATE_REQUIRED
                                : GNUTLS_A_HANDSHAKE_FAILURE);
    }
    return 0;
}

static bool read_client_ca(const struct sower_certificate_files *files, struct sower_generation *generation,
                           struct sower_problem *problem)
{
    struct content authorities = {0};
    if (files->client_ca == NULL) {
        return true;
    }
    if (!read_file(files->client_ca, CLIENT_CA, CERTIFICATES_MAX, &authorities, problem)) {
        wipe(&authorities);
        return false;
    }
    const gnutls_datum_t text = {authorities.bytes, (unsigned)authorities.size};
    int count = gnutls_certificate_set_x509_trust_mem(generation->credentials, &text, GNUTLS_X509_FMT_PEM);
    wipe(&authorities);
    generation->asks_clients = true;
    gnutls_certificate_set_verify_function(generation->credentials, verify_client);
    return count > 0 || refuse_pem(files->client_ca, CLIENT_CA,
                                   count < 0 ? count : GNUTLS_E_NO_CERTIFICATE_FOUND, problem);
}

static void free_generation(struct sower_generation *generation)
{
    gnutls_certificate_free_credentials(generation->credentials);
    free(generation);
}

static struct sower_generation *read_generation(const struct sower_certificate_files *files,
                                                struct sower_problem *problem)
{
    struct sower_generation *generation = calloc(1, sizeof *generation);
    if (generation == NULL || gnutls_certificate_allocate_credentials(&generation->credentials) < 0) {
        free(generation);
        refuse_memory(problem);
        return NULL;
    }
    atomic_init(&generation->users, 1);
    if (!read_pair(files, generation, problem) || !read_client_ca(files, generation, problem)) {
        free_generation(generation);
        return NULL;
    }
    return generation;
}

struct sower_certificates *sower_certificates_open(const struct sower_certificate_files *files,
                                                   struct sower_problem *problem)
{
    struct sower_certificates *certificates = calloc(1, sizeof *certificates);
    if (certificates == NULL) {
        refuse_memory(problem);
        return NULL;
    }
    certificates->files = *files;
    certificates->current = read_generation(files, problem);
    if (certificates->current == NULL) {
        free(certificates);
        return NULL;
    }
    pthread_mutex_init(&certificates->lock, NULL);
    return certificates;
}

bool sower_certificates_reload(struct sower_certificates *certificates, struct sower_problem *problem)
{
    struct sower_generation *next = read_generation(&certificates->files, problem);
    if (next == NULL) {
        return false;
    }
    pthread_mutex_lock(&certificates->lock);
    struct sower_generation *last = certificates->current;
    certificates->current = next;
    pthread_mutex_unlock(&certificates->lock);
    sower_generation_release(last);
    return true;
}

void sower_certificates_expiry(struct sower_certificates *certificates, char text[SOWER_EXPIRY_SIZE])
{
    pthread_mutex_lock(&certificates->lock);
    time_t expires = certificates->current->expires;
    pthread_mutex_unlock(&certificates->lock);
    print_time(expires, text);
}

void sower_certificates_free(struct sower_certificates *certificates)
{
    sower_generation_release(certificates->current);
    pthread_mutex_destroy(&certificates->lock);
    free(certificates);
}

struct sower_generation *sower_certificates_take(struct sower_certificates *certificates)
{
    pthread_mutex_lock(&certificates->lock);
    struct sower_generation *current = certificates->current;
    atomic_fetch_add(&current->users, 1);
    pthread_mutex_unlock(&certificates->lock);
    return current;
}

void sower_generation_release(struct sower_generation *generation)
{
    if (atomic_fetch_sub(&generation->users, 1) == 1) {
        free_generation(generation);
    }
}

bool sower_generation_apply(const struct sower_generation *generation, gnutls_session_t session)
{
    if (generation->asks_clients) {
        gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUIRE);
        gnutls_handshake_set_hook_function(session, GNUTLS_HANDSHAKE_CERTIFICATE_PKT, GNUTLS_HOOK_PRE,
                                           explain_missing);
    }
    return gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, generation->credentials) ==
           GNUTLS_E_SUCCESS;
}
