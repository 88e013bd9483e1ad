#include "client/sow/daemon/reach.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/sow/daemon/address.h"
#include "proto/text.h"
#include "proto/version.h"

enum { CONNECT_SECONDS = 10, SECONDS_MAX = 86400 };

static const struct {
    const char *name, *fault;
    double seconds;
} TIMES[] = {
    {"retry-seconds", "--retry-seconds takes a whole number from 0 to 86400.", 60},
    {"stall-seconds", "--stall-seconds takes a whole number from 0 to 86400.", 300},
};

enum { TIME_COUNT = sizeof TIMES / sizeof TIMES[0] };

/* Reads a number of seconds; false when the text is not such a number. */
static bool read_seconds(const char *text, double *seconds)
{
    int64_t number;
    bool good = sower_text_integer(text, strlen(text), &number) && number >= 0 && number <= SECONDS_MAX;
    *seconds = good ? (double)number : 0;
    return good;
}

double reach_seconds(const struct options *options, const char *name)
{
    const char *text = options_value(options, name);
    double seconds = 0;
    for (size_t i = 0; i < TIME_COUNT && text == NULL; i++) {
        seconds = strcmp(TIMES[i].name, name) == 0 ? TIMES[i].seconds : seconds;
    }
    if (text != NULL) {
        read_seconds(text, &seconds); /* an invalid value was reported by reach_check */
    }
    return seconds;
}

/* The value of an environment variable; NULL when it is unset or empty. */
static const char *environment(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && *value != '\0' ? value : NULL;
}

/* A file from an option, else from an environment variable; NULL: from neither. */
static const char *client_file(const struct options *options, const char *name, const char *variable)
{
    const char *file = options_value(options, name);
    return file != NULL ? file : environment(variable);
}

bool reach_has_certificate(const struct options *options)
{
    return client_file(options, "client-certificate", "SOW_CLIENT_CERTIFICATE") != NULL;
}

const char *reach_check(const struct options *options)
{
    const char *file = options_value(options, "ca-file");
    double seconds;
    for (size_t i = 0; i < TIME_COUNT; i++) {
        const char *text = options_value(options, TIMES[i].name);
        if (text != NULL && !read_seconds(text, &seconds)) {
            return TIMES[i].fault;
        }
    }
    if (file != NULL && access(file, R_OK) != 0) {
        return "--ca-file names a file that cannot be read.";
    }
    const char *certificate = client_file(options, "client-certificate", "SOW_CLIENT_CERTIFICATE"),
               *key = client_file(options, "client-key", "SOW_CLIENT_KEY");
    if (certificate == NULL && key != NULL) {
        return "--client-key (SOW_CLIENT_KEY) needs --client-certificate (SOW_CLIENT_CERTIFICATE).";
    }
    if (certificate != NULL && access(certificate, R_OK) != 0) {
        return "--client-certificate (SOW_CLIENT_CERTIFICATE) names a file that cannot be read.";
    }
    return key != NULL && access(key, R_OK) != 0
               ? "--client-key (SOW_CLIENT_KEY) names a file that cannot be read."
               : NULL;
}

/* Sets the trusted certificates, in the order of curl(1): option, environment, the system's. */
static CURLcode set_trust(CURL *curl, const struct options *options)
{
    const char *file = options_value(options, "ca-file"), *directory = NULL;
    CURLcode code = CURLE_OK;
    file = file != NULL ? file : environment("CURL_CA_BUNDLE");
    if (file == NULL) {
        file = environment("SSL_CERT_FILE");
        directory = environment("SSL_CERT_DIR");
    }
    if (file != NULL) {
        code = curl_easy_setopt(curl, CURLOPT_CAINFO, file);
        code = code == CURLE_OK ? curl_easy_setopt(curl, CURLOPT_PROXY_CAINFO, file) : code;
    }
    if (directory != NULL && code == CURLE_OK) {
        code = curl_easy_setopt(curl, CURLOPT_CAPATH, directory);
        code = code == CURLE_OK ? curl_easy_setopt(curl, CURLOPT_PROXY_CAPATH, directory) : code;
    }
    return code;
}

/* Sets the certificate and the key of this client. Without a key of its own, the certificate's file has it. */
static CURLcode set_certificate(CURL *curl, const struct options *options)
{
    const char *certificate = client_file(options, "client-certificate", "SOW_CLIENT_CERTIFICATE"),
               *key = client_file(options, "client-key", "SOW_CLIENT_KEY");
    CURLcode code = CURLE_OK;
    if (certificate != NULL) {
        code = curl_easy_setopt(curl, CURLOPT_SSLCERT, certificate);
        code =
            code == CURLE_OK ? curl_easy_setopt(curl, CURLOPT_SSLKEY, key != NULL ? key : certificate) : code;
    }
    return code;
}

/* A Unix socket is never reached through a proxy. */
static CURLcode set_socket(CURL *curl, const char *socket)
{
    CURLcode code = curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, socket);
    return code == CURLE_OK ? curl_easy_setopt(curl, CURLOPT_NOPROXY, "*") : code;
}

/* The hosts that are reached without a proxy: loopback addresses, and those that the environment names. */
static char *make_proxy_exemptions(void)
{
    static const char LOOPBACK[] = "localhost,127.0.0.1,::1";
    const char *set = getenv("no_proxy") != NULL ? getenv("no_proxy") : getenv("NO_PROXY");
    if (set == NULL || *set == '\0') {
        return strdup(LOOPBACK);
    }
    if (strcmp(set, "*") == 0) {
        return strdup(set);
    }
    return address_join(address_join(strdup(LOOPBACK), ","), set);
}

CURLcode reach_set(CURL *curl, const struct options *options, const char *url, const char *socket)
{
    char *exemptions = make_proxy_exemptions();
    CURLcode code = exemptions == NULL ? CURLE_OUT_OF_MEMORY : curl_easy_setopt(curl, CURLOPT_URL, url);
    /* An experiment may have the name "..". */
    code = code == CURLE_OK ? curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L) : code;
    code = code == CURLE_OK ? curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https") : code;
    code = code == CURLE_OK ? curl_easy_setopt(curl, CURLOPT_NOPROXY, exemptions) : code;
    code = code == CURLE_OK ? curl_easy_setopt(curl, CURLOPT_USERAGENT, "sow/" SOWER_VERSION) : code;
    code = code == CURLE_OK ? curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_SECONDS) : code;
    /* Keep-alive probes detect a dead peer also while nothing is sent. */
    code = code == CURLE_OK ? curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L) : code;
    free(exemptions);
    code = code == CURLE_OK && socket != NULL ? set_socket(curl, socket) : code;
    code = code == CURLE_OK ? set_trust(curl, options) : code;
    return code == CURLE_OK ? set_certificate(curl, options) : code;
}

/* The port of a server's address; 0 when it is unknown. */
static long port_of(const char *base)
{
    char *port = NULL;
    CURLU *url = curl_url();
    long number = 0;
    if (url != NULL && curl_url_set(url, CURLUPART_URL, base, 0) == CURLUE_OK &&
        curl_url_get(url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK) {
        number = atol(port);
    }
    curl_free(port);
    curl_url_cleanup(url);
    return number;
}

bool reach_is_proxied(CURL *curl, const char *base)
{
    long port = 0;
    curl_easy_getinfo(curl, CURLINFO_PRIMARY_PORT, &port);
    return port > 0 && port != port_of(base);
}
